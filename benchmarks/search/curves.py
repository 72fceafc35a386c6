"""What does the cheapest baseline of equal accuracy cost?

Each strategy has a knob that buys accuracy with time (probe length, trials, precision). Its settings
make a curve: mean absolute error against a cost. Where the curve comes down to our error, between
two settings by a straight line in the logarithms of both, lies its cost of equal accuracy; a
cheaper setting that is as accurate counts at once. A setting that leaves more than a tenth of the
searches without an answer is no point of a curve, nor is one that lacks a family that ours was run
on. A single setting makes no curve: as accurate as ours, it is an upper bound of what equal accuracy
costs there; less accurate, it says nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.search.found import Found
from benchmarks.search.goals import OURS
from benchmarks.search.metrics import Summary, summary
from benchmarks.search.ours import STRATEGIES

MOST_SILENT = 0.1
FEWEST_SETTINGS = 2
"""That make a curve."""
SECONDS_TIMES, BAD_TIMES = 1.5, 5.0


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of a strategy: median costs and the mean absolute error as a ratio."""

    strategy: str
    setting: str
    seconds: float
    bad_requests: float
    error: float


@dataclass(frozen=True, slots=True)
class Cheapest:
    """The least cost of our accuracy among baselines, as a ratio to our own cost.

    `times` and `strategy` are of the `curves` of two settings or more: inf and "" where none comes
    down to our error. `bound` and `bound_by` are of the `single` settings in the same way.
    """

    cost: str
    goal: float
    curves: int
    single: int
    strategy: str
    times: float
    bound_by: str
    bound: float

    @property
    def met(self) -> bool | None:
        """By the baselines that have a curve; None where none has, unless a bound is below the goal."""
        if min(self.times, self.bound) < self.goal:
            return False
        return True if self.curves else None


@dataclass(frozen=True, slots=True)
class Silent:
    """Our own point is on no curve: shares of our searches that were refused, and without an answer."""

    refused: float
    unanswered: float
    met: bool = False


Equal = tuple[Cheapest, Cheapest] | Silent | None
"""By seconds and by bad requests; None where our default or every baseline is missing."""


def points(found: Sequence[Found]) -> list[Point]:
    """Every setting with enough answers, of searches that are all of one column."""
    groups: Mapping[tuple[str, str], list[Found]] = defaultdict(list)
    for one in found:
        groups[one.strategy, one.setting].append(one)
    rows = {key: summary(group) for key, group in sorted(groups.items())}
    return [_point(*key, row) for key, row in rows.items() if _speaks(row)]


def _speaks(row: Summary) -> bool:
    silent = row.refused.value + row.unanswered.value
    return row.accuracy.mean_abs.known and silent <= MOST_SILENT


def _point(strategy: str, setting: str, row: Summary) -> Point:
    cost, error = row.cost, row.accuracy.mean_abs.value
    return Point(strategy, setting, cost.seconds.value, cost.bad_requests.value, error)


def cheapest(found: Sequence[Found], ours: str = OURS) -> Equal:
    """What our accuracy costs the baselines, of searches that are all of one column and group."""
    own = [one for one in found if (one.strategy, one.setting) == (ours, "default")]
    others = [one for one in found if one.strategy not in (ours, *STRATEGIES)]
    row = summary(own)
    if not others or not row.searches:
        return None
    if not _speaks(row):
        return Silent(row.refused.value, row.unanswered.value)
    curves: dict[str, list[Point]] = defaultdict(list)
    for point in points(_comparable(others, {one.family for one in own})):
        curves[point.strategy].append(point)
    point = _point(ours, "default", row)
    return (
        _cheapest(curves, point, "seconds", SECONDS_TIMES),
        _cheapest(curves, point, "bad_requests", BAD_TIMES),
    )


def _comparable(others: Sequence[Found], families: set[str]) -> list[Found]:
    """On these families, of the settings that were run on all of them."""
    ran: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in others:
        ran[one.strategy, one.setting].add(one.family)
    return [
        one
        for one in others
        if one.family in families and families <= ran[one.strategy, one.setting]
    ]


def _cheapest(
    curves: Mapping[str, Sequence[Point]], own: Point, cost: str, goal: float
) -> Cheapest:
    spent = max(float(getattr(own, cost)), 1.0)
    times = {name: cost_of(curve, cost, own.error) / spent for name, curve in curves.items()}
    several = {name: times[name] for name, curve in curves.items() if len(curve) >= FEWEST_SETTINGS}
    single = {name: times[name] for name in curves if name not in several}
    return Cheapest(cost, goal, len(several), len(single), *_least(several), *_least(single))


def _least(times: Mapping[str, float]) -> tuple[str, float]:
    name = min(times, key=lambda name: times[name], default="")
    return (name, times[name]) if name and math.isfinite(times[name]) else ("", math.inf)


def cost_of(curve: Sequence[Point], cost: str, error: float) -> float:
    """Least cost at which one strategy's curve is at or below an error; inf where it never is."""
    ends = sorted((max(float(getattr(p, cost)), 1.0), p.error) for p in curve)
    before = None
    for spent, missed in ends:
        if missed <= error:
            return _between(before, (spent, missed), error)
        if before is None or missed < before[1]:
            before = (spent, missed)
    return math.inf


def _between(above: tuple[float, float] | None, below: tuple[float, float], error: float) -> float:
    """Where the line from a point over the error to one under it crosses the error."""
    if above is None or below[1] <= 0 or below[0] <= above[0]:
        return below[0]
    error = max(error, below[1])
    part = math.log(above[1] / error) / math.log(above[1] / below[1])
    return math.exp((1 - part) * math.log(above[0]) + part * math.log(below[0]))
