"""Does the search reach what was asked of it?

The goals were set before the search was written and are printed beside what was measured, met or
not. A goal is met by the value itself, not by an end of its interval. "Loose" is family `loose`
without disturbances; the other columns are all other families whose truth lies inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.search.families import FAMILIES
from benchmarks.search.found import Found
from benchmarks.search.metrics import Summary, summary
from benchmarks.search.statistics import Measured

OURS = "bayes"
LOOSE = "loose"
COLUMNS = ("clean", "ou3", "spikes", "cold", "all", LOOSE)
COVERED = (0.85, 0.97)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one column: ratios and shares, seconds and counts; None: as needed."""

    mean_abs: Mapping[str, float]
    refused: float
    unanswered: float
    too_high: float
    seconds: float | None
    bad_requests: float | None


GOALS: Mapping[str, Limits] = {
    "clean": Limits({"A": 0.01, "B": 0.015}, 0.02, 0.01, 0.01, 250, 1500),
    "ou3": Limits({"A": 0.02, "B": 0.025}, 0.05, 0.02, 0.03, 350, 2500),
    "spikes": Limits({"A": 0.015, "B": 0.02}, 0.05, 0.02, 0.01, 300, 2500),
    "cold": Limits({"A": 0.015, "B": 0.02}, 0.05, 0.02, 0.01, 320, 1500),
    "all": Limits({"A": 0.025, "B": 0.03}, 0.10, 0.02, 0.03, 420, 3500),
    LOOSE: Limits({"A": 0.04}, 0.20, 0.05, 0.05, None, None),
}


@dataclass(frozen=True, slots=True)
class Held:
    """A goal beside its measurement; `met` None: nothing was measured, or nothing asked."""

    what: str
    column: str
    goal: str
    measured: Measured
    met: bool | None


def of_column(found: Sequence[Found], column: str, group: str | None = None) -> list[Found]:
    """The searches of a column, of one group of families or of both."""
    loose = column == LOOSE
    disturbance = "clean" if loose else column
    return [
        one
        for one in found
        if one.disturbance == disturbance
        and FAMILIES[one.family].loose == loose
        and group in (None, FAMILIES[one.family].group)
    ]


def held(found: Sequence[Found], strategy: str = OURS) -> Iterator[Held]:
    """Every goal, row by row, of one strategy in its default setting."""
    ours = [one for one in found if one.strategy == strategy and one.setting == "default"]
    whole = {column: summary(of_column(ours, column)) for column in COLUMNS}
    for group in ("A", "B"):
        for column in COLUMNS:
            limit = GOALS[column].mean_abs.get(group)
            measured = summary(of_column(ours, column, group)).accuracy.mean_abs
            yield _at_most(f"mean absolute error, {group}", column, limit, measured)
    low, high = COVERED
    for column, row in whole.items():
        measured = row.accuracy.coverage
        met = low <= measured.value <= high if measured.known else None
        yield Held(
            "coverage of the 90 % interval",
            column,
            f"{100 * low:g}–{100 * high:g} %",
            measured,
            met,
        )
    for what, value, limit_of in _ROWS:
        for column, row in whole.items():
            yield _at_most(what, column, limit_of(GOALS[column]), value(row))


_ROWS: tuple[tuple[str, Callable[[Summary], Measured], Callable[[Limits], float | None]], ...] = (
    ("interval refused", lambda row: row.refused, lambda limits: limits.refused),
    ("no answer", lambda row: row.unanswered, lambda limits: limits.unanswered),
    ("more than 5 % too high", lambda row: row.accuracy.too_high, lambda limits: limits.too_high),
    ("median seconds", lambda row: row.cost.seconds, lambda limits: limits.seconds),
    ("median bad requests", lambda row: row.cost.bad_requests, lambda limits: limits.bad_requests),
)


def _at_most(what: str, column: str, limit: float | None, measured: Measured) -> Held:
    if limit is None:
        return Held(what, column, "", measured, None)
    text = f"≤ {limit:,.0f}" if limit >= 1 else f"≤ {100 * limit:g} %"
    met = measured.value <= limit if measured.known else None
    return Held(what, column, text, measured, met)
