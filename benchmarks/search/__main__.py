"""How near the truth do the search strategies come, how surely, and at what cost?

Whole runs in virtual time: the real conductor and search against a simulated target whose true
capacity is known from a long simulation (benchmarks.search_truth). A run's cost is what the target
had to bear: arrivals of all probes, those sent after a decision included.

    python -m benchmarks.search [--seeds 200] [--strategies bayes,binary,sweep]
                                [--target sim://…] [--slo 'p99 response_time <= 150ms']
                                [--precision 8%] [--budget 30min] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.search_truth import Truth, truth
from contract.objectives import parse_objective
from contract.units import parse_duration, parse_rate, parse_ratio
from controller.errors import GoalRefused
from controller.run.conductor import conduct
from controller.search.goal import Goal, StrategyName
from controller.search.probe import Verdict
from controller.sim.run import simulate

BATCHING = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"
TOO_MUCH = 0.05
PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Run:
    """What one seed gave; rates in arrivals/s, None where the run has no such answer."""

    strategy: StrategyName
    seed: int
    status: str
    reason: str
    estimate: float | None
    low: float | None
    high: float | None
    seconds: float
    requests: int
    bad_requests: int
    probes: int
    void_probes: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """A strategy over all its seeds; errors are ratios to the truth, over runs with an answer.

    `coverage` is of the runs with an interval; costs are medians over all runs.
    """

    strategy: StrategyName
    runs: int
    unanswered: float
    mean_abs: float
    p90_abs: float
    bias: float
    too_high: float
    coverage: float
    width: float
    seconds: float
    p90_seconds: float
    requests: float
    bad_requests: float
    probes: float
    speed: float


def goal_of(given: argparse.Namespace, strategy: StrategyName) -> Goal:
    return Goal(
        name=f"benchmark of {strategy}",
        targets=(given.target,),
        objectives=(parse_objective(given.slo),),
        low=parse_rate(given.low),
        high=parse_rate(given.high),
        strategy=strategy,
        precision=parse_ratio(given.precision),
        budget_s=parse_duration(given.budget),
    )


def measure(goal: Goal) -> Run:
    """One whole run."""
    logging.disable(logging.WARNING)
    started_s = time.perf_counter()
    done = asyncio.run(simulate(goal, conduct=conduct))
    wall_s = time.perf_counter() - started_s
    view = done.view
    capacity = view.capacity
    assert capacity is not None
    assert view.created_at is not None
    assert view.ended_at is not None
    return Run(
        strategy=goal.strategy,
        seed=goal.seed,
        status=capacity.status,
        reason=capacity.reason,
        estimate=capacity.estimate,
        low=capacity.low,
        high=capacity.high,
        seconds=view.ended_at - view.created_at,
        requests=done.sent.sent,
        bad_requests=done.bad,
        probes=len(view.probes),
        void_probes=sum(d.outcome.verdict is Verdict.VOID for d in view.probes),
        wall_s=wall_s,
    )


def row_of(runs: Sequence[Run], capacity: float) -> Row:
    """Sum up the runs of one strategy."""
    answers = [run for run in runs if run.status == "answered" and run.estimate]
    errors = np.array([(run.estimate or 0.0) / capacity - 1 for run in answers] or [np.nan])
    ends = [(run.low, run.high) for run in answers if run.low and run.high]
    covered = [low <= capacity <= high for low, high in ends]
    widths = [
        (run.high - run.low) / run.estimate
        for run in answers
        if run.low and run.high and run.estimate
    ]
    seconds = [run.seconds for run in runs]
    return Row(
        strategy=runs[0].strategy,
        runs=len(runs),
        unanswered=1 - len(answers) / len(runs),
        mean_abs=float(np.abs(errors).mean()),
        p90_abs=float(np.quantile(np.abs(errors), 0.9)),
        bias=float(errors.mean()),
        too_high=float((errors > TOO_MUCH).mean()),
        coverage=float(np.mean(covered)) if covered else float("nan"),
        width=float(np.median(widths)) if widths else float("nan"),
        seconds=float(np.median(seconds)),
        p90_seconds=float(np.quantile(seconds, 0.9)),
        requests=float(np.median([run.requests for run in runs])),
        bad_requests=float(np.median([run.bad_requests for run in runs])),
        probes=float(np.median([run.probes for run in runs])),
        speed=sum(seconds) / sum(run.wall_s for run in runs),
    )


def run_all(goals: Sequence[Goal]) -> list[Run]:
    """Measure goals on all processes, and say how far it is."""
    runs: list[Run] = []
    with ProcessPoolExecutor(PROCESSES) as pool:
        for done in as_completed([pool.submit(measure, goal) for goal in goals]):
            runs.append(done.result())
            print(f"\r{len(runs)} of {len(goals)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return sorted(runs, key=lambda run: (run.strategy, run.seed))


def table(rows: Sequence[Row]) -> str:
    head = (
        f"{'strategy':<9}{'runs':>5}{'no ans':>8}{'MAE':>7}{'p90':>7}{'bias':>8}{'>5 %':>7}"
        f"{'90 % cov':>9}{'width':>7}{'seconds':>9}{'p90 s':>7}{'requests':>10}{'bad':>7}"
        f"{'probes':>7}{'x real':>8}"
    )
    lines = [
        f"{row.strategy:<9}{row.runs:>5}{row.unanswered:>8.1%}{row.mean_abs:>7.2%}"
        f"{row.p90_abs:>7.2%}{row.bias:>+8.2%}{row.too_high:>7.1%}{row.coverage:>9.1%}"
        f"{row.width:>7.1%}{row.seconds:>9.0f}{row.p90_seconds:>7.0f}{row.requests:>10.0f}"
        f"{row.bad_requests:>7.0f}{row.probes:>7.0f}{row.speed:>8.0f}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def as_json(given: argparse.Namespace, known: Truth, rows: list[Row], runs: list[Run]) -> str:
    document: dict[str, Any] = {
        "schema_version": 1,
        "target": given.target,
        "slo": given.slo,
        "precision": given.precision,
        "truth": asdict(known),
        "rows": [asdict(row) for row in rows],
        "runs": [asdict(run) for run in runs],
    }
    return json.dumps(document, indent=1) + "\n"


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    described.add_argument("--seeds", type=int, default=200)
    described.add_argument("--first-seed", type=int, default=1)
    described.add_argument("--strategies", default="bayes,binary,sweep")
    described.add_argument("--target", default=BATCHING)
    described.add_argument("--slo", default="p99 response_time <= 150ms")
    described.add_argument("--low", default="10/s")
    described.add_argument("--high", default="2000/s")
    described.add_argument("--precision", default="8%")
    described.add_argument("--budget", default="30min")
    described.add_argument("--json", type=Path)
    return described


def main() -> int:
    """Print the table; exit 2 when an argument is wrong."""
    given = parser().parse_args()
    strategies = given.strategies.split(",")
    unknown = [name for name in strategies if name not in get_args(StrategyName)]
    if unknown:
        known_names = ", ".join(get_args(StrategyName))
        print(f"--strategies {unknown[0]!r}: known are {known_names}", file=sys.stderr)
        return 2
    try:
        known = truth(given.target, parse_objective(given.slo))
        base = [goal_of(given, name) for name in strategies]
    except (GoalRefused, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if not 0 < known.capacity < math.inf:
        print(
            "no rate is the limit of this target under this --slo: write another", file=sys.stderr
        )
        return 2
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    runs = run_all([replace(goal, seed=seed) for goal in base for seed in seeds])
    rows = [row_of([r for r in runs if r.strategy == name], known.capacity) for name in strategies]
    print(
        f"{given.target}, {given.slo}: true capacity {known.capacity:.1f}/s (+-{known.spread / 2:.1f})"
    )
    print(table(rows))
    if given.json:
        given.json.write_text(as_json(given, known, rows, runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
