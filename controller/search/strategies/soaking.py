"""How did a soak change over its hours: which series drifted or shifted, and is it for the worse?

Latencies are compared by their logarithms, the numbers in flight and achieved by their share of
the median, bad arrivals by the share of the budget that they use. What is significant and comes to
more than WORSE over the soak makes the target unsteady, if it is for the worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.units import Seconds, format_duration
from controller.search import explain
from controller.search.drift import FEWEST, Shift, Trend, is_step, shift, trend
from controller.search.goal import Goal
from controller.search.probe import Window

WORSE = 0.05
BUDGET_WORSE = 0.25
"""Of an objective's budget: growth of the bad share that matters, however little it is used."""
NOW = 10
"""Windows that say where a series stands at the end."""
_QUANTILE_OF = {"p50": 0.5, "p99": 0.99}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Held:
    """What a soak has seen."""

    goal: Goal
    windows: tuple[Window, ...]
    soaked_s: Seconds


@dataclass(frozen=True, slots=True)
class Series:
    """One number a window. `logs`: of their logarithms; `sign` -1 where less is worse."""

    name: str
    values: Floats
    logs: bool = False
    sign: int = 1
    worse: float = WORSE


@dataclass(frozen=True, slots=True)
class Change:
    """What a series did. `matters`: significant, for the worse, and large enough."""

    series: Series
    trend: Trend | None
    step: Shift | None
    matters: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Every series' change, and the sentence about those that do not matter."""

    of: tuple[Change, ...]
    told: str


def changes(held: Held) -> Changes:
    """How every series changed over the soak."""
    if held.goal.workload.profile:
        return Changes((), "the rate followed its profile, so no trend was looked for")
    if len(held.windows) < FEWEST:
        return Changes((), f"too short to tell a trend, which takes {FEWEST} minutes")
    hours = np.array([(w.from_s + 30.0) / 3600 for w in held.windows])
    found = tuple(_changed(series, hours) for series in _series(held))
    tail = next((c for c in found if c.series.name == "p99" and c.trend), None)
    if tail is None or tail.trend is None:
        return Changes(found, "no trend shows")
    per_h = math.expm1(tail.trend.per_h)
    side = "grew" if per_h >= 0 else "fell"
    sure = "significant, but little" if tail.trend.significant and per_h >= 0 else "not significant"
    if tail.trend.significant and per_h < 0:
        sure = "for the better"
    return Changes(found, f"p99 {side} by {_percent(per_h)} an hour ({sure})")


def steadiness(held: Held, found: Changes) -> str | None:
    """What made the target unsteady, in words; None when nothing did."""
    mattering = [change for change in found.of if change.matters]
    if not mattering:
        return None
    return " and ".join(_told(held, change) for change in mattering[:2])


def _series(held: Held) -> Iterator[Series]:
    windows = held.windows
    yield Series("p99", _logs([w.p99_s for w in windows]), logs=True)
    yield Series("p50", _logs([w.p50_s for w in windows]), logs=True)
    yield Series("in flight", _of_median([w.in_flight for w in windows]))
    achieved = np.array([w.achieved_per_s for w in windows]) / held.goal.high
    yield Series("the achieved rate", achieved, sign=-1)
    yield Series("the share of bad arrivals", _of_budget(held), worse=BUDGET_WORSE)


def _changed(series: Series, hours: Floats) -> Change:
    line = trend(hours, series.values)
    step = shift(series.values)
    if step is not None and not is_step(series.values, step):
        step = None
    span_h = float(hours[-1] - hours[0])
    worst = 0.0
    if line is not None and line.significant:
        worst = line.per_h * span_h
    if step is not None:
        worst = step.after - step.before
    if series.logs:
        worst = math.expm1(worst)
    return Change(series, line, step, matters=series.sign * worst > series.worse)


def _told(held: Held, change: Change) -> str:
    series = change.series
    verb = "fell" if series.sign < 0 else "rose"
    if change.step is not None:
        size = change.step.after - change.step.before
        at = format_duration(round(held.windows[change.step.index].from_s))
        return f"{series.name} {verb} {_by(series, size)} after {at} and stayed there"
    assert change.trend is not None
    verb = "falls" if series.sign < 0 else "rises"
    told = f"{series.name} {verb} {_by(series, change.trend.per_h)} an hour"
    left_h = _hours_left(held, change)
    if left_h is None:
        return told
    if left_h <= 0:
        return f"{told}, and the limit is reached"
    return f"{told}: at this pace the limit is reached in {_hours(left_h)}"


def _by(series: Series, size: float) -> str:
    size = math.expm1(size) if series.logs else size
    of = " of the budget" if series.name == "the share of bad arrivals" else ""
    return f"by {_percent(size)}{of}"


def _percent(size: float) -> str:
    return explain.ratio(abs(float(f"{size:.2g}")))


def _hours_left(held: Held, change: Change) -> float | None:
    """Hours until a growing quantile reaches the limit of an objective on it."""
    quantile = _QUANTILE_OF.get(change.series.name)
    limits = [
        float(o.limit_s)
        for o in held.goal.objectives
        if o.limit_s is not None
        and o.metric in ("response_time", "e2e")
        and o.request_name is None
        and o.quantile == quantile
    ]
    if not limits or change.trend is None:
        return None
    now = float(np.nanmedian(change.series.values[-NOW:]))
    return (math.log(min(limits)) - now) / change.trend.per_h


def _hours(hours: float) -> str:
    return (
        format_duration(round(hours, 1 if hours < 10 else 0) * 3600) if hours < 1000 else "months"
    )


def _logs(values: list[float]) -> Floats:
    """Logarithms; a window without any answer takes the value before it."""
    kept, last = [], math.nan
    for value in values:
        last = math.log(value) if math.isfinite(value) and value > 0 else last
        kept.append(last)
    return np.array(kept)


def _of_median(values: list[float]) -> Floats:
    series = np.array(values)
    shares: Floats = series / max(float(np.median(series)), 1e-9)
    return shares


def _of_budget(held: Held) -> Floats:
    """Of every window, the largest share of an objective's budget that its bad arrivals use."""
    return np.array(
        [
            max(
                bad / max(judged, 1) / max(objective.budget, 1e-9)
                for objective, judged, bad in zip(
                    held.goal.objectives, window.judged, window.bad, strict=True
                )
            )
            for window in held.windows
        ]
    )
