"""How near the truth do our strategies come on one target of your own choosing?

Whole runs in virtual time, as the benchmark does them, each with a seed of its own, between rates
that you give. Nothing is kept; `--json` writes every run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from benchmarks.search import ours
from benchmarks.search.cells import Cell, Known, Question
from benchmarks.search.found import Found, broken
from benchmarks.search.known import Sought, know
from benchmarks.search.metrics import Summary, summary
from benchmarks.search.pool import JobFailed, Pool
from contract.objectives import parse_objective
from contract.units import parse_duration, parse_rate, parse_ratio
from controller.search.goal import Goal, StrategyName
from controller.sim.compiled import compile_loops

BATCHING = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"


@dataclass(frozen=True, slots=True)
class Job:
    """A goal and the truth it is measured by."""

    goal: Goal
    question: Question


def options(described: argparse.ArgumentParser) -> None:
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


def measure(job: Job) -> Found:
    """One whole run."""
    return ours.run(job.goal, job.question, "")


def main(given: argparse.Namespace) -> int:
    """Print the table.

    Raises:
        ValueError: an argument is wrong; GoalRefused and NoTruth are such errors.
    """
    names = given.strategies.split(",")
    unknown = [name for name in names if name not in get_args(StrategyName)]
    if unknown:
        raise ValueError(
            f"--strategies {unknown[0]!r}: known are {', '.join(get_args(StrategyName))}"
        )
    known = know(Sought(between_stalls(given.target), given.target, (given.slo,)))
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    jobs = [_job(given, known, name, seed) for name in names for seed in seeds]
    runs = _run(jobs)
    strict = "" if known.strict is None else f", {known.strict:.1f}/s with its stalls"
    print(
        f"{given.target}, {given.slo}: capacity {known.capacity:.1f} ± {known.error:.2g}/s{strict}"
    )
    print(_table({name: summary([r for r in runs if r.strategy == name]) for name in names}))
    if given.json:
        given.json.write_text(_document(given, known, runs))
    return 0


def between_stalls(url: str) -> str:
    """The same target without its stalls."""
    head, mark, query = url.partition("?")
    kept = [pair for pair in query.split("&") if not pair.startswith("stall")]
    return head + mark + "&".join(kept)


def _job(given: argparse.Namespace, known: Known, strategy: StrategyName, seed: int) -> Job:
    goal = Goal(
        name=f"benchmark of {strategy}",
        targets=(given.target,),
        objectives=(parse_objective(given.slo),),
        low=parse_rate(given.low),
        high=parse_rate(given.high),
        strategy=strategy,
        precision=parse_ratio(given.precision),
        budget_s=parse_duration(given.budget),
        seed=seed,
    )
    question = Question(
        cell=Cell(given.target, "", strategy, given.precision, seed),
        url=given.target,
        slo=(given.slo,),
        low=goal.low,
        high=goal.high,
        guess=goal.low,
        seed=seed,
        budget_s=goal.budget_s,
        cold=False,
        place="inside",
        known=known,
        digest=hashlib.sha256(repr(goal).encode()).hexdigest()[:12],
    )
    return Job(goal, question)


def _run(jobs: Sequence[Job]) -> list[Found]:
    runs: list[Found] = []
    with closing(Pool(measure, jobs, begin=compile_loops).run()) as ended:
        for done in ended:
            one = done.result
            if isinstance(one, JobFailed):
                one = broken(done.job.question, str(one), 0.0, "")
            runs.append(one)
            print(f"\r{len(runs)} of {len(jobs)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return sorted(runs, key=lambda run: (run.strategy, run.seed))


def _table(rows: dict[str, Summary]) -> str:
    head = (
        f"{'strategy':<9}{'runs':>5}{'refused':>8}{'no ans':>8}{'MAE':>7}{'p90':>7}{'bias':>8}"
        f"{'>5 %':>7}{'90 % cov':>9}{'width':>7}{'seconds':>9}{'p90 s':>7}{'requests':>10}"
        f"{'bad':>7}{'probes':>7}"
    )
    return "\n".join([head, *(_line(name, row) for name, row in rows.items())])


def _line(name: str, row: Summary) -> str:
    accuracy, cost = row.accuracy, row.cost
    return (
        f"{name:<9}{row.searches:>5}{row.refused.value:>8.1%}{row.unanswered.value:>8.1%}"
        f"{accuracy.mean_abs.value:>7.2%}{accuracy.p90_abs.value:>7.2%}{accuracy.bias.value:>+8.2%}"
        f"{accuracy.too_high.value:>7.1%}{accuracy.coverage.value:>9.1%}{accuracy.width.value:>7.1%}"
        f"{cost.seconds.value:>9.0f}{cost.p90_seconds.value:>7.0f}{cost.requests.value:>10.0f}"
        f"{cost.bad_requests.value:>7.0f}{cost.probes.value:>7.0f}"
    )


def _document(given: argparse.Namespace, known: Known, runs: Sequence[Found]) -> str:
    document = {
        "schema_version": 2,
        "target": given.target,
        "slo": given.slo,
        "precision": given.precision,
        "truth": asdict(known),
        "runs": [asdict(run) for run in runs],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
