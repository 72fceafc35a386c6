"""What does one of Tonnage's own strategies find, run whole in virtual time?

The conductor, the search and the journal are those of real runs (`controller.sim.run`); seconds,
requests and bad requests count everything the target had to bear: warm-up, drains, closing probes
and what was sent between a decision and the stop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from benchmarks.search.cells import Question
from benchmarks.search.found import Found, asked
from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.goal import Goal, StrategyName, time_out_s
from controller.search.probe import Verdict
from controller.search.view import RunView
from controller.sim.run import Simulation, simulate

OVERLOAD_RATIO = 1.02

DEFAULT = "default"
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    DEFAULT: {},
    "precision=4%": {"precision": 0.04},
    "precision=6%": {"precision": 0.06},
    "precision=12%": {"precision": 0.12},
    "precision=20%": {"precision": 0.20},
}
"""What of the goal is set otherwise; the knob by which accuracy is bought."""

SEARCHING = ("bayes", "binary", "sweep", "vanguard")
"""Those of our strategies that look for a capacity."""
STRATEGIES = tuple(name for name in get_args(StrategyName) if name in SEARCHING)


def goal_of(question: Question) -> Goal:
    """The goal that asks for it."""
    cell = question.cell
    objectives = tuple(parse_objective(line) for line in question.slo)
    goal = Goal(
        name=f"{cell.family}, {cell.disturbance}",
        targets=(question.url,),
        objectives=objectives,
        low=Rate(question.low),
        high=Rate(question.high),
        strategy=next(name for name in get_args(StrategyName) if name == cell.strategy),
        budget_s=Seconds(question.budget_s),
        seed=question.seed,
    )
    workload = replace(goal.workload, timeout_s=time_out_s(objectives))
    return replace(goal, workload=workload, **SETTINGS[cell.setting])


def search(question: Question, commit: str) -> Found:
    """One whole run."""
    return run(goal_of(question), question, commit)


def run(goal: Goal, question: Question, commit: str) -> Found:
    """A run of this goal, measured by what the question knows."""
    logging.disable(logging.WARNING)
    started_s = time.perf_counter()
    done = asyncio.run(simulate(goal, conduct=conduct))
    return _found(question, done, time.perf_counter() - started_s, commit)


def _found(question: Question, done: Simulation, wall_s: float, commit: str) -> Found:
    view = done.view
    capacity = view.capacity
    assert capacity is not None
    assert view.created_at is not None
    assert view.ended_at is not None
    return Found(
        **asked(question),
        status=capacity.status,
        reason=capacity.reason,
        estimate=capacity.estimate,
        low=capacity.low,
        high=capacity.high,
        strict=capacity.strict,
        safe=capacity.safe,
        seconds=view.ended_at - view.created_at,
        overload_s=_above_s(view, OVERLOAD_RATIO * question.known.capacity),
        requests=done.sent.sent,
        bad_requests=done.bad,
        probes=len(view.probes),
        void_probes=sum(d.outcome.verdict is Verdict.VOID for d in view.probes),
        wall_s=wall_s,
        commit=commit,
    )


def _above_s(view: RunView, above: float) -> float:
    """How long rates above one were offered, by what was sent at them."""
    probes = (decided.outcome for decided in view.probes)
    return sum(o.ledger.sent / o.probe.rate for o in probes if o.probe.rate > above)
