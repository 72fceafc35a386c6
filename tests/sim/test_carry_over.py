"""Does what one probe leaves in the target ever reach the next?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest

from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.advice import Advice, Consult
from controller.search.goal import Goal, Workload
from controller.search.probe import Outcome, Verdict
from controller.sim.run import simulate
from tests.sim.offering import goal_for

pytestmark = pytest.mark.anyio

QUEUE = "sim://fifo?servers=8&mean=40ms&cv=0.2"  # 200/s at most
LOW = 40.0


@dataclass
class InTurn:
    """The RateAdvisor port, reading rates from a list."""

    rates: tuple[float, ...]

    async def advise(self, run: str, goal: Goal, consult: Consult) -> Advice:
        asked = len(consult.results)
        return (
            Advice(rate=Rate(self.rates[asked])) if asked < len(self.rates) else Advice(done=True)
        )


async def measured(*rates: float, timeout_s: float = 1.5, url: str = QUEUE) -> list[Outcome]:
    """The outcomes of probes at these rates, one after the other on one target."""
    goal = goal_for(
        url,
        strategy="external",
        advisor="http://127.0.0.1:9000/next",
        low=Rate(LOW),
        high=Rate(2000.0),
        workload=Workload(timeout_s=Seconds(timeout_s)),
        budget_s=Seconds(900.0),
        warm_up="none",
    )
    done = await simulate(goal, conduct=partial(conduct, advisor=InTurn(rates)))
    return [d.outcome for d in done.view.probes if d.outcome.probe.purpose == "search"]


@pytest.mark.parametrize("overload", [300.0, 800.0, 2000.0])
@pytest.mark.parametrize("timeout_s", [0.4, 1.5, 10.0])
async def test_an_overload_leaves_no_bad_arrival_to_the_low_probe_after_it(
    overload: float, timeout_s: float
) -> None:
    high, low = await measured(overload, LOW, timeout_s=timeout_s)
    assert high.verdict is Verdict.FAIL
    assert high.bad_requests > 0
    assert low.verdict is Verdict.PASS
    assert low.bad_requests == 0
    assert low.in_flight_at_end <= 8


async def test_the_rest_before_a_probe_grows_with_what_the_target_still_holds() -> None:
    outcomes = await measured(300.0, LOW, 600.0, LOW, 1200.0, LOW, timeout_s=1.5)
    rests = [outcome.probe.rest_s for outcome in outcomes]
    before = rests[1::2]
    assert before[0] < before[1] < before[2]
    assert before[2] > 5.0
    assert [rests[0], *rests[2::2]] == [0.0] * 3  # a low probe leaves nothing


async def test_what_the_workers_waited_for_is_not_waited_for_again() -> None:
    """Stopped within the time-out's reach, all in flight complete before the next probe."""
    high, low = await measured(300.0, LOW, timeout_s=10.0)
    assert high.in_flight_at_end > 50
    assert low.probe.rest_s == 0.0
    assert low.bad_requests == 0


async def test_a_stalled_target_that_caught_up_is_not_waited_for() -> None:
    stalling = f"{QUEUE}&stall_every=9s&stall=0.5s"
    outcomes = await measured(LOW, LOW, LOW, url=stalling)
    assert [outcome.probe.rest_s for outcome in outcomes] == [0.0] * 3
