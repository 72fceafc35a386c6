"""What is each part of the search worth, measured by leaving it out?

Whole runs in virtual time, each seed once with the feature and once without it
(`search.features`), on targets where the feature matters (`benchmarks.ablation_cases`). Errors are
of the estimate, whether the search vouches for it or not, over the truth; the truth is that of
`benchmarks.search_truth`. Beside it stands what the paper lost without the feature (table 4 of
arXiv 2606.22013; other models, other truths).

    python -m benchmarks.ablation [--seeds 20] [--features warm_up,…] [--json FILE] [--page FILE]

FILE of --json is read first and added to after every run, so that it can be done in pieces; --page
writes the table as Markdown.
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

from benchmarks.ablation_cases import CASES, PAPER, Case
from benchmarks.search import statistics
from benchmarks.search.cells import Known
from benchmarks.search.ours import goal_of
from benchmarks.search.statistics import bootstrapped
from benchmarks.told import SOURCE, TellingConduct
from contract.units import Rate
from controller.run.conductor import conduct
from controller.search.features import Features
from controller.search.goal import Goal
from controller.search.probe import Verdict
from controller.sim.compiled import compile_loops
from controller.sim.run import Simulation, simulate

DANGEROUS = 0.05
"""An estimate this much above the truth."""
_SERVERS = 8


@dataclass(frozen=True, slots=True)
class Run:
    """One search; rates in arrivals/s, None where it gave no such number.

    `failed` probes missed an objective, and of `explained` ones the cause is named.
    """

    case: str
    on: bool
    seed: int
    status: str
    truth: float
    estimate: float | None
    low: float | None
    high: float | None
    seconds: float
    requests: int
    bad_requests: int
    failed: int
    explained: int


@dataclass(frozen=True, slots=True)
class Row:
    """A case with its feature or without: errors are ratios to the truth, costs medians.

    `mean_abs` has its 95 % bootstrap interval, `coverage` is of the intervals that were given.
    """

    case: str
    on: bool
    runs: int
    answered: float
    mean_abs: float
    mean_abs_low: float
    mean_abs_high: float
    bias: float
    too_high: float
    coverage: float
    seconds: float
    requests: float
    bad_requests: float
    explained: float


def goal_for(case: Case, known: Known, seed: int, *, on: bool) -> Goal:
    """The question of one seed, with the feature of the case or without it."""
    goal = goal_of(case.question(known, seed))
    if case.capacity:
        goal = replace(goal, signals=SOURCE)
    if case.low:
        goal = replace(goal, low=Rate(case.low))
    if on:
        return goal
    goal = replace(goal, features=replace(Features(), **{case.feature: False}))
    return replace(goal, targets=(case.alone,)) if case.alone else goal


def measure(case: Case, known: Known, seed: int, *, on: bool) -> Run:
    """One whole run."""
    logging.disable(logging.WARNING)
    telling = TellingConduct(case.capacity, _SERVERS) if case.capacity else conduct
    done = asyncio.run(simulate(goal_for(case, known, seed, on=on), conduct=telling))
    return _run_of(case, known, seed, done, on=on)


def _run_of(case: Case, known: Known, seed: int, done: Simulation, *, on: bool) -> Run:
    capacity = done.view.capacity
    assert capacity is not None
    outcomes = [probe.outcome for probe in done.view.probes]
    failed = [one for one in outcomes if one.verdict is Verdict.FAIL]
    return Run(
        case=case.name,
        on=on,
        seed=seed,
        status=capacity.status,
        truth=known.capacity,
        estimate=capacity.estimate,
        low=capacity.low,
        high=capacity.high,
        seconds=float(done.view.spent_s),
        requests=done.sent.sent,
        bad_requests=done.bad,
        failed=len(failed),
        explained=sum(one.cause is not None for one in failed),
    )


def row_of(runs: Sequence[Run]) -> Row:
    """Sum up the runs of one case and one state of its feature."""
    errors = [run.estimate / run.truth - 1 for run in runs if run.estimate]
    given = [run for run in runs if run.low and run.high and run.status == "answered"]
    covered = [run.low <= run.truth <= run.high for run in given if run.low and run.high]
    mean_abs = bootstrapped(errors, statistics.mean_size)
    failed = sum(run.failed for run in runs)
    return Row(
        case=runs[0].case,
        on=runs[0].on,
        runs=len(runs),
        answered=sum(run.status == "answered" for run in runs) / len(runs),
        mean_abs=mean_abs.value,
        mean_abs_low=mean_abs.low,
        mean_abs_high=mean_abs.high,
        bias=float(np.mean(errors)) if errors else float("nan"),
        too_high=sum(error > DANGEROUS for error in errors) / len(runs),
        coverage=float(np.mean(covered)) if covered else float("nan"),
        seconds=float(np.median([run.seconds for run in runs])),
        requests=float(np.median([run.requests for run in runs])),
        bad_requests=float(np.median([run.bad_requests for run in runs])),
        explained=sum(run.explained for run in runs) / failed if failed else float("nan"),
    )


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """Two rows a case, as far as it was run: with the feature, and without."""
    groups = [
        [r for r in runs if (r.case, r.on) == (case.name, on)]
        for case in CASES
        for on in (True, False)
    ]
    return [row_of(group) for group in groups if group]


HEAD = (
    "feature",
    "target",
    "",
    "answered",
    "mean abs. error",
    "bias",
    "over 5 %",
    "cover",
    "seconds",
    "requests",
    "bad",
    "failures explained",
    "paper",
)


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, in words."""
    case = next(case for case in CASES if case.name == row.case)
    spread = f"{row.mean_abs:.1%} ({row.mean_abs_low:.1%}–{row.mean_abs_high:.1%})"
    return (
        case.feature,
        case.name,
        "on" if row.on else "off",
        f"{row.answered:.0%}",
        "–" if np.isnan(row.mean_abs) else spread,
        _percent(row.bias, "+.1%"),
        f"{row.too_high:.0%}",
        _percent(row.coverage, ".0%"),
        f"{row.seconds:,.0f}",
        f"{row.requests:,.0f}",
        f"{row.bad_requests:,.0f}",
        _percent(row.explained, ".0%"),
        f"{PAPER['' if row.on else case.feature]:.1%}",
    )


def _percent(ratio: float, form: str) -> str:
    return "–" if np.isnan(ratio) else format(ratio, form)


def text(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table for a page."""
    lines = [HEAD, ("---",) * len(HEAD), *map(cells, rows)]
    return (
        "\n".join(f"| {' | '.join(line)} |" for line in lines)
        .replace("%", " %")
        .replace("  %", " %")
        + "\n"
    )


def read(path: Path | None) -> list[Run]:
    """Runs done before; none when there is no such file."""
    if path is None or not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))]


def write(path: Path, runs: Sequence[Run]) -> None:
    """All runs so far, in one step."""
    partial = path.with_name(f"{path.name}.partial")
    document = json.dumps([asdict(run) for run in runs], indent=0)
    partial.write_text(document + "\n", encoding="utf-8")
    partial.replace(path)


def main() -> int:
    given = _given()
    compile_loops()
    runs = read(given.json)
    asked = {case: case.known() for case in CASES if case.feature in given.features}
    done = {(run.case, run.on, run.seed) for run in runs}
    for seed in range(1, given.seeds + 1):
        for case, known in asked.items():
            for on in (True, False):
                if (case.name, on, seed) not in done:
                    runs.append(measure(case, known, seed, on=on))
                    if given.json is not None:
                        write(given.json, runs)
        print(f"\rseed {seed} of {given.seeds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for case, known in asked.items():
        print(f"{case.name} ({case.says}): {known.capacity:.5g} ± {known.error:.2g}/s")
    names = {case.name for case in asked}
    rows = rows_of([run for run in runs if run.case in names and run.seed <= given.seeds])
    print(text(rows))
    if given.page is not None:
        given.page.write_text(markdown(rows), encoding="utf-8")
    return 0


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    features = [name for name in PAPER if name]
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--features", default=",".join(features), type=lambda text: text.split(","))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    if unknown := set(given.features) - set(features):
        parser.error(
            f"--features: {', '.join(sorted(unknown))}: write some of {', '.join(features)}"
        )
    return given


if __name__ == "__main__":
    sys.exit(main())
