"""What does a baseline find, asked the same of the same target?

It sees what a client of its tool would see (`benchmarks.search.baselines`). Tools without a warm-up
are given one of 60 s at the rate their user takes for safe where the target is cold, and pay for it
as we pay for ours. Of several objectives each of a request's is a reason to be bad. A tool that would go on for ever is stopped after four hours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.search import ours
from benchmarks.search.baselines import environment
from benchmarks.search.baselines.environment import Answer, BudgetSpent, Floats
from benchmarks.search.baselines.judging import Judge
from benchmarks.search.baselines.registry import BASELINES
from benchmarks.search.baselines.virtual import Question as Asked
from benchmarks.search.baselines.virtual import TargetEnvironment
from benchmarks.search.cells import Question
from benchmarks.search.found import Found, asked
from contract.objectives import Objective, parse_objective
from controller.sim.address import parse
from controller.sim.target import Served

PRE_WARM_S = 60.0
_NEARLY = 0.95

STRATEGIES = tuple(name for name in BASELINES if name not in ours.STRATEGIES)


def settings_of(strategy: str) -> tuple[str, ...]:
    """The tool's defaults, then the combinations of its knobs."""
    return (ours.DEFAULT, *BASELINES[strategy].settings())


def search(question: Question, commit: str) -> Found:
    """One whole search; its answer's bracket stands for an interval, though it promises nothing."""
    started_s = time.perf_counter()
    env = environment_of(question)
    answer = _answer(question, env)
    cost = env.close()
    return Found(
        **asked(question),
        status=_status(question, answer),
        reason=answer.note,
        estimate=answer.rate,
        low=answer.low,
        high=answer.high,
        seconds=cost.seconds,
        overload_s=cost.overload_s,
        requests=cost.sent,
        bad_requests=cost.bad,
        probes=cost.probes,
        wall_s=time.perf_counter() - started_s,
        commit=commit,
    )


def environment_of(question: Question) -> TargetEnvironment:
    """The target of a question, and what a client may know of the question."""
    objective = parse_objective(question.slo[0])
    assert objective.limit_s is not None
    assert objective.quantile is not None
    address = parse(question.url)
    return TargetEnvironment(
        address.target(question.seed),
        Asked(
            limit_s=float(objective.limit_s),
            low=question.low,
            high=question.high,
            first=question.guess,
            quantile=objective.quantile,
        ),
        seed=question.seed,
        judge=judge_of(question.slo),
        capacity=question.known.capacity,
        traffic=address.traffic,
    )


def judge_of(slo: Sequence[str]) -> Judge:
    """How bad a request is: the worst of its objectives, so that missing one of them is enough."""
    objectives = [parse_objective(line) for line in slo]

    def ratios(served: Served, due_s: Floats) -> Floats:
        each = [_took_s(served, due_s, o) / float(o.limit_s or 1.0) for o in objectives]
        return np.where(served.errors > 0, math.inf, np.maximum.reduce(each))

    return ratios


def _took_s(served: Served, due_s: Floats, objective: Objective) -> Floats:
    phases = served.phases
    if objective.metric == "ttft" and phases is not None:
        return phases.firsts_s - due_s
    if objective.metric in ("itl", "tpot") and phases is not None:
        return phases.between_s
    return served.ends_s - due_s


def _status(question: Question, answer: Answer) -> str:
    """As ours would say it; "at least" less than what was asked for is a number like any other."""
    if answer.rate is None:
        return "no_verdict"
    if answer.bound == "at_most" or (answer.bound and answer.rate >= question.high * _NEARLY):
        return answer.bound
    return "answered"


def _answer(question: Question, env: TargetEnvironment) -> Answer:
    cell = question.cell
    baseline = BASELINES[cell.strategy]
    settings = {ours.DEFAULT: baseline.search, **baseline.settings()}
    try:
        if question.cold:
            env.probe(question.guess, PRE_WARM_S)
    except BudgetSpent as spent:
        return Answer(None, note=str(spent))
    return environment.ask(settings[cell.setting], env)
