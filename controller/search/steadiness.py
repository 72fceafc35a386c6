"""Has a warm-up become steady?

Windows of max(1 s, 20 requests) at the constant rate of the warm-up, those that have had time to be
answered, are read once a window by `controller.search.settling`, never before SHORTEST_S. It ends
at the latest with the probe: a target that is not steady by then is marked so, for no lower rate
would help it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from contract.latency import Histogram
from contract.units import Seconds, format_rate
from controller.search import explain
from controller.search.answer import Course
from controller.search.settling import Settled, Signals
from controller.search.settling import settled as settled_by
from controller.search.tally import BUCKET_S, Setting, Tally

Floats = NDArray[np.float64]

WINDOW_S, WINDOW_REQUESTS = 1.0, 20
SHORTEST_S = 12.0
TAIL_QUANTILE = 0.9
REFERENCE_WINDOWS = 60
"""So many steady windows at most are kept to compare with later."""
POINTS = 60


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How a warm-up ended; `kind` says whether there was anything to warm.

    `levels` are the mean ln(service time) of its steady windows, for the sentinel.
    """

    kind: Literal["flat", "warm_up", "slowdown", "cyclic", "not_steady", "fixed"]
    reason: str
    steady: bool = True
    course: Course | None = None
    levels: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Windows:
    """The whole windows of a warm-up: where each begins, in s after the ramp, and what it showed."""

    span_s: float
    begin_s: Floats
    signals: Signals


def settled(setting: Setting, tally: Tally) -> Steadiness | None:
    """How the warm-up ended; None while it goes on."""
    held_s = tally.through_s - setting.probe.ramp_s
    over = tally.through_s >= setting.probe.duration_s
    fixed = not isinstance(setting.goal.warm_up, str)
    if not over and (fixed or held_s < SHORTEST_S - 1e-6 or not _is_new(setting, tally)):
        return None
    windows = windows_of(setting, tally)
    found = settled_by(windows.signals, windows.span_s, last=over)
    if found is None:
        return None
    course, levels = _course(windows, found), _reference(windows, found)
    if fixed:
        return Steadiness(
            "fixed", f"held for {explain.duration(held_s)} as asked", True, course, levels
        )
    reason = _steady(found, windows, held_s) if found.steady else _unsteady(setting, found, held_s)
    return Steadiness(found.kind, reason, found.steady, course, levels)


def windows_of(setting: Setting, tally: Tally) -> Windows:
    """The whole windows so far whose arrivals have had time to be answered, oldest first."""
    span = _span(setting)
    first = math.ceil(setting.probe.ramp_s / BUCKET_S)
    count = _whole(setting, tally.through_s)
    counts, sums = np.zeros(count), np.zeros(count)
    for level in tally.levels:
        place = (level.index - first) // span
        if 0 <= place < count:
            counts[place] += level.count
            sums[place] += level.sum_log
    full = counts > 0
    tails, achieved = _judged_signals(tally, (first, span, count))
    signals = Signals(sums[full] / counts[full], counts[full], tails, achieved)
    span_s = span * BUCKET_S
    return Windows(span_s, np.flatnonzero(full).astype(np.float64) * span_s, signals)


def level_windows(setting: Setting, tally: Tally) -> tuple[float, ...]:
    """Mean ln(service time) of the judged windows of a probe, for the sentinel."""
    span = _span(setting)
    first = math.ceil(setting.probe.judged_from_s / BUCKET_S - 1e-6)
    counts: dict[int, int] = {}
    sums: dict[int, float] = {}
    for level in tally.levels:
        place = (level.index - first) // span
        if place >= 0:
            counts[place] = counts.get(place, 0) + level.count
            sums[place] = sums.get(place, 0.0) + level.sum_log
    return tuple(sums[place] / counts[place] for place in sorted(counts) if counts[place])


def _span(setting: Setting) -> int:
    span_s = max(WINDOW_S, WINDOW_REQUESTS / setting.probe.rate)
    return max(1, round(span_s / BUCKET_S))


def _whole(setting: Setting, through_s: float) -> int:
    first = math.ceil(setting.probe.ramp_s / BUCKET_S)
    settled_s = through_s - min(setting.goal.largest_limit_s, 1.0)
    return max(0, (math.floor(settled_s / BUCKET_S + 1e-6) - first) // _span(setting))


def _is_new(setting: Setting, tally: Tally) -> bool:
    """Whether the last report completed a window."""
    before_s = tally.samples[-2].through_s if len(tally.samples) > 1 else 0.0
    return _whole(setting, tally.through_s) > _whole(setting, before_s)


def _judged_signals(tally: Tally, grid: tuple[int, int, int]) -> tuple[Floats, Floats]:
    """Ln of the tail quantile, and succeeded over scheduled, of the windows that are judged."""
    first, span, count = grid
    times: dict[int, Histogram] = {}
    succeeded, scheduled = np.zeros(count), np.zeros(count)
    for bucket in tally.buckets:
        place = (bucket.index - first) // span
        if 0 <= place < count:
            succeeded[place] += bucket.succeeded
            scheduled[place] += bucket.scheduled - bucket.cancelled
            if bucket.service_time.count:
                times.setdefault(place, Histogram()).merge(bucket.service_time)
    tails = [math.log(times[place].quantile(TAIL_QUANTILE)) for place in sorted(times)]
    offered = scheduled > 0
    return np.array(tails), succeeded[offered] / scheduled[offered]


def _course(windows: Windows, found: Settled) -> Course | None:
    levels, begin_s = windows.signals.levels, windows.begin_s
    if not len(levels):
        return None
    middle_s = begin_s + windows.span_s / 2
    every = math.ceil(len(levels) / POINTS)
    curve = tuple(
        (float(middle_s[part].mean()), math.exp(float(levels[part].mean())))
        for part in (slice(at, at + every) for at in range(0, len(levels), every))
    )
    steady_s = None
    if found.steady:
        steady_s = Seconds(float(begin_s[found.since]))
    period_s = None if found.period is None else Seconds(found.period * windows.span_s)
    return Course(steady_s, curve, math.exp(found.initial), period_s)


def _reference(windows: Windows, found: Settled) -> tuple[float, ...]:
    if not found.steady:
        return ()
    steady = windows.signals.levels[found.since :][-REFERENCE_WINDOWS:]
    return tuple(float(level) for level in steady)


def _steady(found: Settled, windows: Windows, held_s: float) -> str:
    after = f"steady after {explain.duration(held_s)}"
    if found.kind == "cyclic" and found.period is not None:
        period = explain.duration(found.period * windows.span_s)
        return f"{after}; the target repeats itself every {period}"
    if found.kind == "flat":
        return f"{after}; the target was warm already"
    slower = explain.ratio(math.expm1(found.initial))
    return f"{after}; at first the target was {slower} slower"


def _unsteady(setting: Setting, found: Settled, held_s: float) -> str:
    held = f"after {explain.duration(held_s)} at {format_rate(setting.probe.rate)}"
    if math.isinf(found.drift):
        return f"{held} there were too few answers to tell; allow more in search.budget"
    if found.kind == "slowdown":
        return (
            f"{held} the target had become {explain.ratio(math.expm1(max(-found.initial, 0.0)))}"
            " slower, as one that leaks or gets hot does"
        )
    if found.kind == "cyclic":
        return f"{held} its service time still swung back and forth, in no cycle that a probe can cover"
    return f"{held} its service time still drifted by {explain.ratio(abs(math.expm1(found.drift)))}"
