"""Does every strategy end within its budget on every family of targets that the search is judged on?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import get_args

import pytest

from benchmarks.search.cells import Cell, Known, ask
from benchmarks.search.disturbances import DISTURBANCES
from benchmarks.search.families import FAMILIES, describe, frozen
from benchmarks.search.ours import goal_of
from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.advice import Advice, Consult
from controller.search.goal import Goal, StrategyName
from controller.search.journal import PreflightPassed, RunEnded
from controller.sim.run import simulate

pytestmark = pytest.mark.anyio

COMMIT = frozen().commit
BUDGET_S = Seconds(75.0)
AROUND = {
    "loose": 15.0, "mm1": 70.0, "pareto": 150.0, "classes": 170.0, "decode": 15.0,
    "cache": 200.0, "autoscaler": 200.0, "skewed": 250.0,
}  # fmt: skip
USUAL = 180.0
"""Arrivals/s that the targets carry, roughly: nothing here depends on it."""
EXIT_STATUSES = {"answered": 0, "at_least": 0, "at_most": 3, "no_verdict": 3, "failed": 4}


class Stepping:
    """The RateAdvisor port, going up and down the range for ever."""

    async def advise(self, run: str, goal: Goal, consult: Consult) -> Advice:
        steps = (0.0, 0.25, 0.5, 0.75, 1.0, 0.5)
        step = steps[len(consult.results) % len(steps)]
        return Advice(rate=Rate(consult.low + step * (consult.high - consult.low)))


def goal_for(family: str, strategy: StrategyName) -> Goal:
    """What the benchmark asks, of a narrower range and within a short budget."""
    roughly = AROUND.get(family, USUAL)
    target = describe(FAMILIES[family], COMMIT)
    cell = Cell(family, "clean", "bayes", "default", seed=1)
    question = ask(cell, target, DISTURBANCES["clean"], Known(roughly, 0.0, None), COMMIT)
    goal = goal_of(question)
    low, high = max(goal.low, Rate(roughly / 3)), min(goal.high, Rate(roughly * 1.5))
    if low >= high:  # the truth is to lie outside
        low, high = goal.low, Rate(2 * goal.low)
    return replace(
        goal,
        strategy=strategy,
        low=high if strategy == "soak" else low,
        high=high,
        budget_s=BUDGET_S,
        advisor="http://127.0.0.1:9000/next" if strategy == "external" else None,
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strategy", get_args(StrategyName))
async def test_every_strategy_ends_within_its_budget_on_every_family(
    strategy: StrategyName, family: str
) -> None:
    goal = goal_for(family, strategy)
    done = await simulate(goal, conduct=partial(conduct, advisor=Stepping()))
    ended = done.events[-1]
    assert isinstance(ended, RunEnded)
    begun = next(event for event in done.events if isinstance(event, PreflightPassed))
    assert ended.at - begun.at <= BUDGET_S
    capacity = ended.capacity
    assert capacity.exit_status == EXIT_STATUSES[capacity.status]
    assert capacity.reason
