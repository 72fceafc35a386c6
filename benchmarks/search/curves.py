"""What does the cheapest baseline of equal accuracy cost?

Each strategy has a knob that buys accuracy with time (probe length, trials, precision). Its settings
make a curve: mean absolute error against a cost. Where the curve comes down to our error, between
two settings by a straight line in the logarithms of both, lies its cost of equal accuracy; a
cheaper setting that is as accurate counts at once. A setting that leaves more than a tenth of the
searches without an answer is no point of a curve.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.search.found import Found
from benchmarks.search.goals import OURS
from benchmarks.search.metrics import Summary, summary

MOST_SILENT = 0.1
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
    """The least cost of our accuracy among baselines; `times` our own, inf where none has it."""

    cost: str
    strategy: str
    times: float
    goal: float

    @property
    def met(self) -> bool:
        return self.times >= self.goal


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


def cheapest(found: Sequence[Found], ours: str = OURS) -> tuple[Cheapest, Cheapest] | None:
    """By seconds and by bad requests; None where our default or every baseline is missing."""
    known = points(found)
    own = next((p for p in known if (p.strategy, p.setting) == (ours, "default")), None)
    others = sorted({p.strategy for p in known} - {ours})
    if own is None or not others:
        return None
    answers = []
    for cost, goal in (("seconds", SECONDS_TIMES), ("bad_requests", BAD_TIMES)):
        costs = {
            name: cost_of([p for p in known if p.strategy == name], cost, own.error)
            for name in others
        }
        name = min(others, key=lambda name: costs[name])
        times = costs[name] / max(getattr(own, cost), 1.0)
        answers.append(Cheapest(cost, name if times < math.inf else "", times, goal))
    return answers[0], answers[1]


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
