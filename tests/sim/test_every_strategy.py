"""Does every strategy end within its budget on every target, and does its journal repeat it?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import get_args

import pytest

from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.advice import Advice, Consult
from controller.search.capacity import advised, observe, propose, start
from controller.search.goal import Goal, StrategyName
from controller.search.journal import Advised, ProbeDecided, ProbeStarted, RunEnded
from controller.search.probe import Verdict
from controller.sim.run import Simulation, simulate
from tests.sim.offering import BATCH, goal_for

pytestmark = pytest.mark.anyio

TARGETS = {
    "batching": BATCH,
    "one server": "sim://fifo?servers=1&mean=5ms&cv=1",
    "too slow": "sim://fifo?servers=1&mean=1s&cv=0",
    "never full": "sim://fifo?servers=100&mean=1ms&cv=0",
}
STATUSES = {"answered", "at_least", "at_most", "no_verdict"}
BUDGET_S = Seconds(240.0)


class Bisecting:
    """The RateAdvisor port, halving the range by the verdicts for ever."""

    async def advise(self, run: str, goal: Goal, consult: Consult) -> Advice:
        passed = [r.rate for r in consult.results if r.verdict == "pass"]
        failed = [r.rate for r in consult.results if r.verdict == "fail"]
        low, high = max(passed, default=consult.low), min(failed, default=consult.high)
        return Advice(rate=Rate((low + high) / 2))


def goal_of(strategy: StrategyName, target: str) -> Goal:
    low, high = Rate(20.0), Rate(400.0)
    return goal_for(
        TARGETS[target],
        strategy=strategy,
        low=Rate(120.0) if strategy == "soak" else low,
        high=Rate(120.0) if strategy == "soak" else high,
        warm_up="auto",
        closing_probes=1,
        budget_s=BUDGET_S,
        advisor="http://127.0.0.1:9000/next" if strategy == "external" else None,
    )


async def simulated(strategy: StrategyName, target: str, seed: int) -> Simulation:
    goal = replace(goal_of(strategy, target), seed=seed)
    return await simulate(goal, conduct=partial(conduct, advisor=Bisecting()))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("strategy", get_args(StrategyName))
async def test_every_strategy_ends_within_its_budget_and_repeats_its_probes(
    strategy: StrategyName, target: str
) -> None:
    for seed in (1, 2):
        done = await simulated(strategy, target, seed)
        ended = done.events[-1]
        assert isinstance(ended, RunEnded)
        assert ended.capacity.status in STATUSES
        begun = next(e for e in done.events if type(e).__name__ == "PreflightPassed")
        assert ended.at - begun.at <= BUDGET_S
        assert replayed(goal_of(strategy, target), seed, done) == ended.capacity


def replayed(goal: Goal, seed: int, done: Simulation) -> object:
    """What the journal's outcomes and advice make the search propose in the end."""
    search = start(replace(goal, seed=seed))
    for event in done.events:
        if isinstance(event, ProbeStarted):
            assert propose(search) == event.probe
        elif isinstance(event, ProbeDecided):
            search = observe(search, event.outcome)
        elif isinstance(event, Advised):
            asked = propose(search)
            assert isinstance(asked, Consult)
            assert asked.number == event.number
            search = advised(search, event.advice, event.seconds)
    return propose(search)


async def test_a_soak_within_capacity_holds_and_beyond_it_breaks() -> None:
    held = (await simulated("soak", "batching", 1)).view.capacity
    assert held is not None
    assert held.status == "answered"
    assert held.reason.startswith("held 120/s for 3min")
    broken = (await simulated("soak", "too slow", 1)).view.capacity
    assert broken is not None
    assert broken.status == "at_most"
    assert "broke the SLO after" in broken.reason


async def test_a_soak_follows_its_profile_minute_by_minute() -> None:
    asked = goal_of("soak", "never full")
    workload = replace(asked.workload, profile=((0.0, 1.0), (60.0, 2.0), (60.0, 0.5)))
    done = await simulate(replace(asked, workload=workload), conduct=conduct)
    probe = next(d.outcome for d in done.view.probes if d.outcome.probe.purpose == "soak")
    achieved = [window.achieved_per_s for window in probe.windows]
    assert achieved[:3] == pytest.approx([1.5 * 120, 60, 60], rel=0.05)
    assert done.view.capacity is not None
    assert done.view.capacity.reason.startswith("held the profile of 120/s for 3min")


async def test_an_advisor_brackets_the_truth_of_a_simulated_target() -> None:
    done = await simulated("external", "batching", 1)
    capacity = done.view.capacity
    assert capacity is not None
    judged = [d.outcome for d in done.view.probes if d.outcome.probe.purpose == "search"]
    passed = max(o.probe.rate for o in judged if o.verdict is Verdict.PASS)
    failed = min(o.probe.rate for o in judged if o.verdict is Verdict.FAIL)
    assert 200 < passed < failed < 270
