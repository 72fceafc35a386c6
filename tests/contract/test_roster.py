"""A message for many workers carries no names, and each has it as if it were named."""

from __future__ import annotations

import pytest

from contract.arrivals import Law
from contract.codec import decode, encode
from contract.messages import Plan, Stop
from contract.roster import (
    NAMED_AT_MOST,
    RosterError,
    roster_of,
    seated,
    version_of,
    without_names,
)
from contract.units import Rate, Seconds

MANY = tuple(f"worker-{number}" for number in range(10_000))


def a_stop(workers: tuple[str, ...], roster: str = "") -> Stop:
    return Stop("r1", 1, workers, None, "over", roster)


def a_plan(workers: tuple[str, ...]) -> Plan:
    return Plan(
        "r1", 1, 1, workers, 0, Law("poisson"), 1, Rate(100.0), Seconds(0.0), Rate(0.0),
        Seconds(1.0), 10, Rate(100.0),
    )  # fmt: skip


def test_a_message_of_few_workers_stays_as_it_is() -> None:
    stop = a_stop(MANY[:NAMED_AT_MOST])
    assert without_names(stop) is stop
    assert roster_of(stop) is None
    assert seated(stop, "worker-3", None) is stop


def test_ten_thousand_workers_cost_a_plan_no_bytes_and_no_worker_its_share() -> None:
    plan = a_plan(MANY)
    sent = encode(without_names(plan))
    assert len(sent) < 200
    told = decode(sent)
    assert isinstance(told, Plan)
    assert roster_of(told) == (version_of(MANY), 10_000)
    mine = seated(told, "worker-17", 17)
    assert (mine.workers.index("worker-17"), len(mine.workers)) == (17, 10_000)
    for ours, theirs in zip(mine.share(17), plan.share(17), strict=True):
        assert [column.tolist() for column in ours] == [column.tolist() for column in theirs]


def test_who_is_not_in_the_roster_is_not_named() -> None:
    told = without_names(a_stop(MANY))
    assert "worker-x" not in seated(told, "worker-x", None).workers


def test_another_order_is_another_roster() -> None:
    assert version_of(MANY) != version_of(MANY[::-1])


@pytest.mark.parametrize("roster", ["x", ":5", "ab:0", "ab:-1", "ab:5:6", "a/b:5", "ab:1000000"])
def test_a_roster_that_is_none_is_refused(roster: str) -> None:
    with pytest.raises(RosterError, match="is no roster"):
        seated(a_stop((), roster), "w1", 0)


@pytest.mark.parametrize("position", [-1, 5])
def test_a_position_outside_of_the_roster_is_refused(position: int) -> None:
    with pytest.raises(RosterError, match="none of 5 workers"):
        seated(a_stop((), "ab:5"), "w1", position)
