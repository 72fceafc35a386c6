"""What does an earlier result do to a search, and what does a wrong one cost? What does gentleness?

Whole runs in virtual time, the same seeds in every row: without a prior, with the right one, and
with one that is a factor or a fifth too high or too low. A wrong prior should cost time, not truth.

    python -m benchmarks.prior [--seeds 40] [--target sim://…] [--slo 'p99 response_time <= 150ms']
                               [--cases none right double half …] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.search_truth import truth
from contract.objectives import parse_objective
from contract.units import Rate, parse_duration, parse_ratio
from controller.run.conductor import conduct
from controller.search.earlier import Earlier
from controller.search.goal import Goal
from controller.sim.run import simulate

TARGET = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"
FACTORS = {"right": 1.0, "a fifth high": 1.2, "a fifth low": 0.8, "double": 2.0, "half": 0.5}
CASES = ("none", *FACTORS, "gentle", "gentle, right")
HALF_WIDTH = 0.05
"""An earlier interval as a search at precision 10 % gives it."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one seed gave; rates in arrivals/s, None where the run has no such answer."""

    case: str
    seed: int
    status: str
    estimate: float | None
    low: float | None
    high: float | None
    seconds: float
    requests: int
    bad_requests: int


@dataclass(frozen=True, slots=True)
class Row:
    """A case over all its seeds; errors are ratios to the truth, costs medians."""

    case: str
    runs: int
    unanswered: float
    mean_abs: float
    bias: float
    coverage: float
    seconds: float
    p90_seconds: float
    requests: float
    bad_requests: float
    p90_bad: float


def goal_of(given: argparse.Namespace, case: str, capacity: float) -> Goal:
    """The question of one case, whose prior is off by a factor."""
    goal = Goal(
        name=f"prior: {case}",
        targets=(given.target,),
        objectives=(parse_objective(given.slo),),
        low=Rate(10.0),
        high=Rate(2000.0),
        precision=parse_ratio(given.precision),
        budget_s=parse_duration(given.budget),
        gentle=case.startswith("gentle"),
    )
    factor = FACTORS.get(case.removeprefix("gentle, "))
    if factor is None:
        return goal
    centre = factor * capacity
    low, high = Rate(centre * (1 - HALF_WIDTH)), Rate(centre * (1 + HALF_WIDTH))
    return replace(goal, prior=Earlier(Rate(centre), low, high))


def measure(case: str, goal: Goal) -> Run:
    """One whole run."""
    done = asyncio.run(simulate(goal, conduct=conduct))
    capacity = done.view.capacity
    assert capacity is not None
    return Run(
        case=case,
        seed=goal.seed,
        status=capacity.status,
        estimate=capacity.estimate,
        low=capacity.low,
        high=capacity.high,
        seconds=float(done.view.spent_s),
        requests=done.sent.sent,
        bad_requests=done.bad,
    )


def row_of(runs: Sequence[Run], capacity: float) -> Row:
    """Sum up the runs of one case."""
    answers = [run for run in runs if run.status == "answered" and run.estimate]
    errors = np.array([(run.estimate or 0.0) / capacity - 1 for run in answers] or [np.nan])
    covered = [run.low <= capacity <= run.high for run in answers if run.low and run.high]
    seconds, bad = [run.seconds for run in runs], [run.bad_requests for run in runs]
    return Row(
        case=runs[0].case,
        runs=len(runs),
        unanswered=1 - len(answers) / len(runs),
        mean_abs=float(np.abs(errors).mean()),
        bias=float(errors.mean()),
        coverage=float(np.mean(covered)) if covered else float("nan"),
        seconds=float(np.median(seconds)),
        p90_seconds=float(np.quantile(seconds, 0.9)),
        requests=float(np.median([run.requests for run in runs])),
        bad_requests=float(np.median(bad)),
        p90_bad=float(np.quantile(bad, 0.9)),
    )


def table(rows: Sequence[Row]) -> str:
    head = (
        f"{'prior':<14}{'runs':>5}{'no ans':>8}{'MAE':>7}{'bias':>8}{'90 % cov':>9}{'seconds':>9}"
        f"{'p90 s':>7}{'requests':>10}{'bad':>7}{'p90 bad':>9}"
    )
    lines = [
        f"{row.case:<14}{row.runs:>5}{row.unanswered:>8.1%}{row.mean_abs:>7.2%}{row.bias:>+8.2%}"
        f"{row.coverage:>9.1%}{row.seconds:>9.0f}{row.p90_seconds:>7.0f}{row.requests:>10.0f}"
        f"{row.bad_requests:>7.0f}{row.p90_bad:>9.0f}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    described.add_argument("--seeds", type=int, default=40)
    described.add_argument("--target", default=TARGET)
    described.add_argument("--slo", default="p99 response_time <= 150ms")
    described.add_argument("--precision", default="8%")
    described.add_argument("--budget", default="30min")
    described.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    described.add_argument("--json", type=Path)
    return described


def main() -> int:
    """Print the table."""
    given = parser().parse_args()
    logging.disable(logging.WARNING)
    known = truth(given.target, parse_objective(given.slo))
    runs: list[Run] = []
    rows = []
    print(f"{given.target}, {given.slo}: true capacity {known.capacity:.1f}/s")
    for case in given.cases:
        goal = goal_of(given, case, known.capacity)
        some = [measure(case, replace(goal, seed=seed)) for seed in range(1, given.seeds + 1)]
        runs += some
        rows.append(row_of(some, known.capacity))
        print(table(rows[-1:]), flush=True)
    print(table(rows))
    if given.json:
        document = {
            "schema_version": 1,
            "target": given.target,
            "slo": given.slo,
            "truth": asdict(known),
            "rows": [asdict(row) for row in rows],
            "runs": [asdict(run) for run in runs],
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
