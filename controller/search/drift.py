"""Does a series of hours drift, or did its level shift, or is that only noise with a memory?

Neighbouring windows of a target resemble each other, so a plain regression sees trends everywhere.

    trend   Theil-Sen slope over at most 24 batch means, its interval from the quantiles of the
            pairwise slopes by Kendall's S, whose variance is inflated by (1 + r)/(1 - r), r being
            the autocorrelation of neighbouring residuals
    shift   the largest excursion of the cumulative sums of deviations from the mean, over the
            long-run standard deviation of what the step leaves over, against the Brownian bridge

Both are at the 0.2 % level, for several series are looked at. Outliers beyond 5 median deviations
are pulled in before sums are taken.

Sources: Theil 1950; Sen 1968; Hamed and Rao 1998 for the inflation; Page 1954 and Ploberger and
Kraemer 1992 for the cumulative sums; Marriott and Pope 1954 for the bias of r, (1 + 3 r)/n for
each parameter that was fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FEWEST, MOST_BATCHES = 10, 24
FEWEST_TO_SHIFT = 40
Z = 3.09
"""Two-sided 0.2 % of the normal distribution."""
BRIDGE = 1.858
"""exceeded by the largest deviation of a Brownian bridge with 0.2 % probability."""
NEAREST = 5
"""A shift lies at least so many windows from either end."""
MOST_MEMORY = 0.9
_OUTLIER, _MAD_TO_SD = 5.0, 1.4826


@dataclass(frozen=True, slots=True)
class Trend:
    """Change per hour, with its 99.8 % interval."""

    per_h: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        return not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Shift:
    """The level before window `index` and from there on."""

    index: int
    before: float
    after: float


def trend(hours: ArrayLike, values: ArrayLike) -> Trend | None:
    """Slope of `values` over `hours`; None where there are too few to tell."""
    t, y = _finite(hours, values)
    if len(y) < FEWEST:
        return None
    t, y = _batched(t, y)
    slopes = _slopes(t, y)
    slope = float(np.median(slopes))
    size = len(y)
    variance = size * (size - 1) * (2 * size + 5) / 18 * _inflation(y - slope * t)
    reach = Z * math.sqrt(variance)
    pairs = len(slopes)
    lowest = math.floor((pairs - reach) / 2)
    if lowest < 0:
        return Trend(slope, -math.inf, math.inf)
    return Trend(slope, float(slopes[lowest]), float(slopes[pairs - 1 - lowest]))


def shift(values: ArrayLike) -> Shift | None:
    """Where the level of `values` shifted for good; None where it did not, or none can tell."""
    y = np.asarray(values, dtype=np.float64)
    if len(y) < FEWEST_TO_SHIFT or not np.isfinite(y).all():
        return None
    pulled = _pulled_in(y)
    sums = np.cumsum(pulled - pulled.mean())[:-1]
    inner = np.abs(sums[NEAREST - 1 : len(y) - NEAREST])
    index = NEAREST + int(np.argmax(inner))
    before, after = pulled[:index], pulled[index:]
    rest = np.concatenate((before - before.mean(), after - after.mean()))
    spread = math.sqrt(float(rest.var()) * _inflation(rest))
    if spread * BRIDGE * math.sqrt(len(y)) >= float(inner.max()):
        return None
    return Shift(index, float(np.median(y[:index])), float(np.median(y[index:])))


def is_step(values: ArrayLike, step: Shift) -> bool:
    """Whether a step leaves less of `values` unexplained than a straight line does."""
    y = _pulled_in(np.asarray(values, dtype=np.float64))
    x = np.arange(len(y)) - (len(y) - 1) / 2
    line = y - y.mean() - x * float((x @ y) / (x @ x))
    before, after = y[: step.index], y[step.index :]
    rest = np.concatenate((before - before.mean(), after - after.mean()))
    return float(rest @ rest) < float(line @ line)


def _finite(hours: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    t, y = np.asarray(hours, dtype=np.float64), np.asarray(values, dtype=np.float64)
    kept = np.isfinite(y)
    return t[kept], y[kept]


def _batched(t: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Means of neighbours, so that at most MOST_BATCHES are left; the first few go in none."""
    each = math.ceil(len(y) / MOST_BATCHES)
    whole = len(y) // each
    first = len(y) - whole * each
    times: Floats = t[first:].reshape(whole, each).mean(axis=1)
    means: Floats = _pulled_in(y)[first:].reshape(whole, each).mean(axis=1)
    return times, means


def _slopes(t: Floats, y: Floats) -> Floats:
    """Of all pairs, ascending."""
    left, right = np.triu_indices(len(y), 1)
    slopes: Floats = np.sort((y[right] - y[left]) / (t[right] - t[left]))
    return slopes


def _pulled_in(y: Floats) -> Floats:
    """Outliers of the deviations from a running median, brought to the edge."""
    level = _running_median(y)
    off = y - level
    spread = _MAD_TO_SD * float(np.median(np.abs(off)))
    if spread <= 0:
        return y
    pulled: Floats = level + np.clip(off, -_OUTLIER * spread, _OUTLIER * spread)
    return pulled


def _running_median(y: Floats) -> Floats:
    """Over 2 x NEAREST - 1 windows, fewer at the ends."""
    padded = np.pad(y, NEAREST - 1, mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEAREST - 1)
    medians: Floats = np.median(views, axis=1)
    return medians


def _inflation(rest: Floats) -> float:
    """By how much neighbours that resemble each other widen a mean.

    What a fitted line or step takes away hides part of their memory, which is given back.
    """
    rest = rest - rest.mean()
    power = float(rest @ rest)
    if power <= 0:
        return 1.0
    memory = float(rest[1:] @ rest[:-1]) / power
    memory += 2 * (1 + 3 * max(memory, 0.0)) / len(rest)
    memory = min(max(memory, 0.0), MOST_MEMORY)
    return (1 + memory) / (1 - memory)
