"""How many workers are asked for, and until when does a run wait for them?"""

from __future__ import annotations

import pytest

from controller.ports import Member
from controller.run.demand import Limits, demand_of
from controller.run.placement import Wish
from controller.run.staffing import FOLLOWED_FOR_S, StaffingOffice
from controller.sim.clock import VirtualClock
from tests.helpers.builders import a_goal

WITHIN_S = 60.0


def wish(run: str, rate_per_s: float, target: str | None = None, user_ratio: float = 1.0) -> Wish:
    return Wish(run, frozenset({target or run}), rate_per_s, user_ratio)


def workers(count: int, rate_per_s: float = 2_000.0, run: str | None = None) -> list[Member]:
    return [Member(f"{run or 'w'}{i}", "h", rate_per_s, run) for i in range(count)]


def asked(wishes: list[Wish], members: list[Member], ceiling: int = 64, at_once: int = 4) -> int:
    limits = Limits(ceiling, at_once)
    return demand_of(wishes, members, limits, self_test_per_s=3_000.0).workers


def test_a_worker_is_counted_on_for_half_of_the_median_self_test() -> None:
    mixed = [Member("a", "h", 0.0), Member("b", "h", 1_000.0), Member("c", "h", 3_000.0)]
    demand = demand_of([wish("r1", 2_000.0)], mixed, Limits(64, 4), self_test_per_s=9.0)
    assert demand.per_worker_per_s == 1_000.0
    assert demand.rate_per_s == 2_100.0
    assert demand.workers == 3
    assert demand.present == 3
    assert demand.idle == ("a", "b", "c")


def test_without_a_worker_the_last_known_self_test_stands() -> None:
    assert asked([wish("r1", 3_000.0)], []) == 3  # 3,150 of 1,500


def test_nothing_is_asked_without_a_run() -> None:
    demand = demand_of([], workers(2), Limits(64, 4), self_test_per_s=1.0)
    assert demand.workers == 0
    assert demand.reason == "no run asks for workers"


def test_runs_that_may_be_together_add_up_and_others_do_not() -> None:
    one, two, three = wish("r1", 1_900.0), wish("r2", 900.0), wish("r3", 900.0, target="r1")
    assert asked([one, two], workers(1)) == 3
    assert asked([one, two, three], workers(1)) == 3
    assert asked([one, three, two], workers(1)) == 2
    assert asked([one, two], workers(1), at_once=1) == 2


def test_a_run_in_progress_counts_for_what_it_holds() -> None:
    members = [*workers(5, run="r1"), *workers(1)]
    assert asked([wish("r1", 900.0), wish("r2", 900.0)], members) == 6


def test_a_user_that_costs_more_asks_for_more() -> None:
    assert asked([wish("r1", 900.0, user_ratio=0.25)], workers(1)) == 4


def test_the_ceiling_is_never_passed_and_named() -> None:
    demand = demand_of([wish("r1", 1e6)], workers(1), Limits(8, 4), self_test_per_s=1.0)
    assert demand.workers == demand.ceiling == 8
    assert "1050 workers would be needed, TONNAGE_FLEET_CEILING is 8" in demand.reason


class Roster:
    def __init__(self, members: list[Member]) -> None:
        self.there = members

    async def members(self) -> tuple[Member, ...]:
        return tuple(self.there)


def office(there: list[Member], *wishes: Wish) -> tuple[StaffingOffice, Roster, VirtualClock]:
    roster, clock = Roster(there), VirtualClock()
    made = StaffingOffice(roster, clock, Limits(8, 4), within_s=WITHIN_S)
    made.wishes = lambda: wishes
    return made, roster, clock


@pytest.mark.anyio
async def test_workers_are_waited_for_while_somebody_brings_them_and_some_are_lacking() -> None:
    staffing, roster, clock = office(workers(1), wish("r1", 1_500.0))
    assert await staffing.wait_s() == 0.0  # nobody asks how many are wanted
    await staffing.demand()
    assert await staffing.wait_s() == WITHIN_S
    roster.there = workers(2)
    assert await staffing.wait_s() == 0.0
    roster.there = workers(1)
    await clock.sleep(FOLLOWED_FOR_S + 1.0)
    assert await staffing.wait_s() == 0.0


@pytest.mark.anyio
async def test_nobody_waits_for_more_than_the_ceiling() -> None:
    staffing, _, _ = office(workers(8), wish("r1", 1e6))
    await staffing.demand()
    assert await staffing.wait_s() == 0.0


@pytest.mark.anyio
async def test_the_last_self_test_is_remembered_when_the_fleet_has_gone() -> None:
    staffing, roster, _ = office(workers(1, rate_per_s=8_000.0), wish("r1", 3_000.0))
    await staffing.demand()
    roster.there = []
    assert (await staffing.demand()).per_worker_per_s == 4_000.0


@pytest.mark.anyio
async def test_a_steady_demand_sends_nobody_away_while_a_run_holds_workers() -> None:
    there = [*workers(1, run="r1"), *workers(4)]
    staffing, roster, _ = office(there, wish("r1", 900.0))
    assert (await staffing.demand()).workers == 1
    assert (await staffing.demand(steady=True)).workers == 5
    roster.there = workers(4)
    assert (await staffing.demand(steady=True)).workers == 1


def test_a_void_probe_doubles_the_workers_that_are_asked_for() -> None:
    staffing, _, _ = office([])
    goal = a_goal()
    free = tuple(workers(4, rate_per_s=4_000.0))
    assert len(staffing.pick("r1", goal, free)) == 1
    staffing.strained("r1")
    assert len(staffing.pick("r1", goal, free)) == 2
    staffing.learned("r1", 0.5)
    assert len(staffing.pick("r1", goal, free)) == 3
    assert len(staffing.pick("r2", goal, free)) == 1
