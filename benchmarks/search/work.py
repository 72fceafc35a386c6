"""How does a plan become lines of a results file?

First the truths of all targets, then the searches; both on the same processes and within the same
time. What the file already has is not run again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.search import found, known, ours, theirs
from benchmarks.search.cells import Cell, Known, Question, ask, digest_of
from benchmarks.search.disturbances import DISTURBANCES
from benchmarks.search.families import FAMILIES, Described, describe
from benchmarks.search.found import BROKEN, Found
from benchmarks.search.known import Sought
from benchmarks.search.pool import JobFailed, Pool
from benchmarks.search.provenance import code_commit
from controller.sim.compiled import compile_loops


@dataclass(frozen=True, slots=True)
class Means:
    """On what it is run: processes, their niceness, and seconds of wall time there are.

    `compiled`: the simulator is (`controller.sim.compiled`), which takes half a minute, once.
    """

    processes: int = 2
    niceness: int = 0
    limit_s: float = float("inf")
    compiled: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """One search as a process is told of it; `code` is the commit that searches."""

    question: Question
    code: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of a piece of a plan."""

    ran: int
    broken: int
    left: int


def search(job: Job) -> Found:
    """One search, ours or a baseline's."""
    if job.question.cell.strategy in ours.STRATEGIES:
        return ours.search(job.question, job.code)
    return theirs.search(job.question, job.code)


def run(
    cells: Sequence[Cell],
    results: Path,
    *,
    commit: str,
    means: Means,
    again: bool = False,
) -> Piece:
    """Run what is missing in `results`; `again` runs broken searches again too.

    Raises:
        known.NoTruth: a truth could not be had.
    """
    began_s = time.monotonic()
    found.mend(results)
    targets = {name: describe(FAMILIES[name], commit) for name in {c.family for c in cells}}
    missing = _missing(cells, targets, commit, results, again=again)
    if not missing:
        return Piece(0, 0, 0)
    truths = _truths(missing, targets, means)
    code = code_commit()
    jobs = [
        Job(_question(cell, targets, truth, commit), code)
        for cell in missing
        if (truth := truths.get(_sought(cell, targets))) is not None
    ]
    left_s = means.limit_s - (time.monotonic() - began_s)
    ran, broken = _searched(jobs, results, replace(means, limit_s=left_s))
    return Piece(ran, broken, len(missing) - ran)


def _searched(jobs: Sequence[Job], results: Path, means: Means) -> tuple[int, int]:
    """How many were run, and how many of them broke."""
    pool = Pool(
        search,
        jobs,
        processes=means.processes,
        niceness=means.niceness,
        limit_s=means.limit_s,
        begin=compile_loops if means.compiled else None,
    )
    ran = broken = 0
    with closing(pool.run()) as ended:
        for done in ended:
            one = done.result
            if isinstance(one, JobFailed):
                one = found.broken(done.job.question, str(one), 0.0, done.job.code)
            found.append(results, one)
            ran, broken = ran + 1, broken + (one.status == BROKEN)
            _tell(f"{ran} of {len(jobs)} searches")
    _tell("")
    return ran, broken


def kept(paths: Iterable[Path], commit: str) -> tuple[list[Found], int]:
    """The searches of some files that answered today's questions, and how many others there are."""
    every = found.latest(one for path in paths for one in found.read(path))
    targets = {name: describe(family, commit) for name, family in FAMILIES.items()}
    fresh = [one for one in every if _fresh(one, targets, commit)]
    return fresh, len(every) - len(fresh)


def _missing(
    cells: Sequence[Cell],
    targets: dict[str, Described],
    commit: str,
    results: Path,
    *,
    again: bool,
) -> list[Cell]:
    done: dict[Cell, Found] = {}
    if results.exists():
        done = {one.cell: one for one in found.read(results)}
    return [
        cell
        for cell in cells
        if (one := done.get(cell)) is None
        or one.digest != _digest(cell, targets, commit)
        or (again and one.status == BROKEN)
    ]


def _fresh(one: Found, targets: dict[str, Described], commit: str) -> bool:
    familiar = one.family in targets and one.disturbance in DISTURBANCES
    return familiar and one.digest == _digest(one.cell, targets, commit)


def _digest(cell: Cell, targets: dict[str, Described], commit: str) -> str:
    return digest_of(cell, targets[cell.family], DISTURBANCES[cell.disturbance], commit)


def _question(cell: Cell, targets: dict[str, Described], truth: Known, commit: str) -> Question:
    return ask(cell, targets[cell.family], DISTURBANCES[cell.disturbance], truth, commit)


def _sought(cell: Cell, targets: dict[str, Described]) -> Sought:
    target, troubled = targets[cell.family], DISTURBANCES[cell.disturbance]
    return Sought(troubled.tolerant(target.url), troubled.strict(target.url), target.slo)


def _truths(
    cells: Sequence[Cell], targets: dict[str, Described], means: Means
) -> dict[Sought, Known]:
    sought = list(dict.fromkeys(_sought(cell, targets) for cell in cells))
    pool = Pool(
        known.know,
        sought,
        processes=means.processes,
        niceness=means.niceness,
        limit_s=means.limit_s,
        job_limit_s=3600.0,
    )
    truths: dict[Sought, Known] = {}
    with closing(pool.run()) as ended:
        for done in ended:
            if isinstance(done.result, JobFailed):
                raise known.NoTruth(f"{done.job.tolerant}: {done.result}")
            truths[done.job] = done.result
            _tell(f"{len(truths)} of {len(sought)} truths")
    return truths


def _tell(text: str) -> None:
    """How far it is, to a person who watches."""
    if sys.stderr.isatty():
        print(f"\r{text:<40}", end="" if text else "\r", file=sys.stderr, flush=True)
