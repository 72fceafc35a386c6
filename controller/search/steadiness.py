"""Has a warm-up become steady?

The mean of ln(service time) over windows of max(2 s, 30 requests) must show no trend over the
last half of the windows (12 at most, 6 at least): Spearman's rank correlation with time has
p > 0.15 and the fitted line drifts by less than 6 %. Never before 12 s.

Source: Spearman 1904, with the t approximation of Kendall and Stuart 1979, section 31.19.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from contract.units import format_rate
from controller.search import explain
from controller.search.tally import BUCKET_S, Setting, Tally

Floats = NDArray[np.float64]

WINDOW_S, WINDOW_REQUESTS = 2.0, 30
SHORTEST_S = 12.0
FEWEST_WINDOWS, MOST_WINDOWS = 6, 12
TREND_P, DRIFT_RATIO = 0.15, 0.06
WARMED_RATIO = 0.1
"""A change since the first windows that is more than noise."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How a warm-up ended; `kind` says whether there was anything to warm."""

    kind: Literal["flat", "warm_up", "not_steady", "fixed"]
    reason: str


def settled(setting: Setting, tally: Tally) -> Steadiness | None:
    """How the warm-up ended; None while it goes on."""
    held_s = tally.through_s - setting.probe.ramp_s
    over = tally.through_s >= setting.probe.duration_s
    if not isinstance(setting.goal.warm_up, str):
        if not over:
            return None
        return Steadiness("fixed", f"held for {explain.duration(held_s)} as asked")
    levels = window_levels(setting, tally)
    if held_s >= SHORTEST_S - 1e-6 and is_steady(levels):
        return _ended(levels, held_s)
    if not over:
        return None
    return Steadiness("not_steady", _unsteady(setting, levels, held_s))


def window_levels(setting: Setting, tally: Tally) -> Floats:
    """Mean ln(service time) of the whole windows so far, oldest first."""
    probe = setting.probe
    span_s = max(WINDOW_S, WINDOW_REQUESTS / probe.rate)
    span = max(1, round(span_s / BUCKET_S))
    first = math.ceil(probe.ramp_s / BUCKET_S)
    settled_s = tally.through_s - min(setting.goal.largest_limit_s, 1.0)
    windows = max(0, (math.floor(settled_s / BUCKET_S) - first) // span)
    counts, sums = np.zeros(windows), np.zeros(windows)
    for level in tally.levels:
        place = (level.index - first) // span
        if 0 <= place < windows:
            counts[place] += level.count
            sums[place] += level.sum_log
    full = counts > 0
    means: Floats = sums[full] / counts[full]
    return means


def is_steady(levels: Floats) -> bool:
    """Whether the newest windows show neither a trend nor a drift."""
    if len(levels) < FEWEST_WINDOWS:
        return False
    newest = levels[-min(max(len(levels) // 2, FEWEST_WINDOWS), MOST_WINDOWS) :]
    return trend_p(newest) > TREND_P and abs(drift(newest)) < DRIFT_RATIO


def trend_p(levels: Floats) -> float:
    """Two-sided p of Spearman's correlation with time; ties, rare here, take their order."""
    size = len(levels)
    if np.ptp(levels) < 1e-9:
        return 1.0
    ranks = np.argsort(np.argsort(levels, kind="stable"), kind="stable")
    rho = float(np.corrcoef(np.arange(size), ranks)[0, 1])
    if abs(rho) > 1 - 1e-12:
        return 0.0
    t = rho * math.sqrt((size - 2) / (1 - rho**2))
    return float(2 * stdtr(size - 2, -abs(t)))


def drift(levels: Floats) -> float:
    """Change of the fitted line over the windows, in ln(seconds): 0.06 is 6 %."""
    x = np.arange(len(levels)) - (len(levels) - 1) / 2
    slope = float((x @ levels) / (x @ x))
    return slope * len(levels)


def _ended(levels: Floats, held_s: float) -> Steadiness:
    change = math.expm1(float(levels[:2].mean() - levels[-FEWEST_WINDOWS // 2 :].mean()))
    after = f"steady after {explain.duration(held_s)}"
    if abs(change) <= WARMED_RATIO:
        return Steadiness("flat", f"{after}; the target was warm already")
    side = "slower" if change > 0 else "faster"
    return Steadiness(
        "warm_up", f"{after}; at first the target was {explain.ratio(abs(change))} {side}"
    )


def _unsteady(setting: Setting, levels: Floats, held_s: float) -> str:
    rate = format_rate(setting.probe.rate)
    held = f"after {explain.duration(held_s)} at {rate}"
    if len(levels) < FEWEST_WINDOWS:
        return f"{held} there were too few answers to tell; allow more in search.budget"
    newest = levels[-min(max(len(levels) // 2, FEWEST_WINDOWS), MOST_WINDOWS) :]
    return f"{held} its service time still drifted by {explain.ratio(abs(drift(newest)))}"
