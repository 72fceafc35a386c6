"""Which searches make up the benchmark, and in which order are they run?

Three sizes. The first searches of all cells come first, then the second ones, so that whatever
has been run is a fair sample of the whole. Every strategy is run in its default setting, and in its
best one (`benchmarks.search.tuning`); in all others on family A only, where the best is looked for
and the curves of accuracy against cost are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.search import ours, theirs
from benchmarks.search.cells import Cell
from benchmarks.search.disturbances import COLUMNS, DISTURBANCES
from benchmarks.search.families import FAMILIES
from benchmarks.search.tuning import tuned

DEFAULT = ours.DEFAULT
BEST = ("mutilate", "plrsearch", "mlrsearch_10s", "probabilistic", "aiperf_monotonic")
"""The baselines that came nearest the truth on families A, each at its best setting: they are given as
many searches as ours."""


class PlanError(ValueError):
    """A name that is not known; the message says which are."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many searches a cell gets: ours, the best baselines, the rest; and in other settings."""

    own: int
    best: int
    rest: int
    settings: int
    families: tuple[str, ...] = tuple(FAMILIES)
    disturbances: tuple[str, ...] = tuple(COLUMNS)
    strategies: tuple[str, ...] = (*ours.STRATEGIES, *theirs.STRATEGIES)


SIZES: Mapping[str, Size] = {
    "full": Size(200, 200, 40, 10),
    "small": Size(20, 6, 3, 0),
    "quick": Size(
        2,
        2,
        1,
        0,
        families=("fifo", "batch", "bounded"),
        disturbances=("clean", "spikes"),
        strategies=("bayes", "bisection_60s", "probabilistic"),
    ),
}


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What of a size is wanted; empty is all of it.

    `seeds` is of every cell in a default, best or wanted setting.
    """

    families: tuple[str, ...] = ()
    disturbances: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    seeds: int | None = None


def plan(size: Size, narrowed: Narrowed) -> list[Cell]:
    """Cells in the order they are run.

    Raises:
        PlanError: a name is not known.
    """
    size = _narrow(size, narrowed)
    found = [
        Cell(family, disturbance, strategy, setting, seed)
        for family in size.families
        for disturbance in size.disturbances
        for strategy in size.strategies
        for setting in _settings(strategy, family, narrowed)
        for seed in range(1, _seeds(size, narrowed, strategy, setting) + 1)
    ]
    return sorted(found, key=lambda cell: cell.seed)


def settings_of(strategy: str) -> tuple[str, ...]:
    """The default first."""
    return tuple(ours.SETTINGS) if strategy in ours.STRATEGIES else theirs.settings_of(strategy)


def _narrow(size: Size, narrowed: Narrowed) -> Size:
    families = _known(narrowed.families, tuple(FAMILIES), "family")
    disturbances = _known(narrowed.disturbances, tuple(DISTURBANCES), "disturbance")
    every = (*ours.STRATEGIES, *theirs.STRATEGIES)
    strategies = _known(narrowed.strategies, every, "strategy")
    return replace(
        size,
        families=families or size.families,
        disturbances=disturbances or size.disturbances,
        strategies=strategies or size.strategies,
    )


def _settings(strategy: str, family: str, narrowed: Narrowed) -> tuple[str, ...]:
    known = settings_of(strategy)
    if narrowed.settings:
        return tuple(name for name in known if name in narrowed.settings)
    curve = FAMILIES[family].group == "A" or strategy in ours.STRATEGIES
    shown = (DEFAULT, tuned().get(strategy))
    return known if curve else tuple(name for name in known if name in shown)


def _seeds(size: Size, narrowed: Narrowed, strategy: str, setting: str) -> int:
    shown = setting in (DEFAULT, tuned().get(strategy)) or narrowed.settings
    if not shown:
        return size.settings
    if narrowed.seeds is not None:
        return narrowed.seeds
    if strategy == "bayes":
        return size.own
    return size.best if strategy in BEST else size.rest


def _known(names: Sequence[str], every: tuple[str, ...], what: str) -> tuple[str, ...]:
    unknown = [name for name in names if name not in every]
    if unknown:
        raise PlanError(f"{what} {unknown[0]!r} is not known: known are {', '.join(every)}")
    return tuple(names)
