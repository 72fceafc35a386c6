"""Does a series repeat itself?

The periodogram of the levels, a line taken off. A cycle is there when one frequency holds SHARE of
the variance, or PART of it and with its first two overtones WHOLE: noise without a period spreads it
over all of them, and slow noise puts it where few turns fit. The test is on the share,
as in Fisher 1929, with a threshold far beyond chance, for it is put once a second.

A cycle is steady when the mean over its last whole turns is that of the turns before.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_WINDOWS = 24
FEWEST_CYCLES, SUSPECT_CYCLES = 4, 2
"""Turns that make a cycle, and those that are enough to wait for more."""
SHORTEST_WINDOWS = 4
SHARE, PART, WHOLE = 0.65, 0.4, 0.9
SWING = 0.05
"""Root mean square of a cycle that is worth the name, in ln(seconds)."""
CYCLE_DRIFT = 0.05


def period_of(levels: Floats) -> float | None:
    """Length in windows of what may be a cycle; None when there is none."""
    size = len(levels)
    if size < FEWEST_WINDOWS:
        return None
    x = np.arange(size) - (size - 1) / 2
    rest = levels - levels.mean() - x * float(x @ levels) / float(x @ x)
    power = np.abs(np.fft.rfft(rest * np.hanning(size))) ** 2
    total = float(power.sum())
    if float(rest.std()) < SWING or total <= 0:
        return None
    last = size // SHORTEST_WINDOWS
    best = SUSPECT_CYCLES + int(np.argmax(power[SUSPECT_CYCLES : last + 1]))
    shares = [
        float(power[k * best - 1 : k * best + 2].sum()) / total
        for k in (1, 2, 3)
        if k * best < len(power)
    ]
    if shares[0] < SHARE and (shares[0] < PART or sum(shares) < WHOLE):
        return None
    around = power[best - 1 : best + 2]
    centre = float((np.arange(best - 1, best - 1 + len(around)) @ around) / around.sum())
    return size / centre


def is_repeating(levels: Floats, period: float) -> bool:
    """Whether the newer half of the whole turns has the mean of the older half."""
    turns = math.floor(len(levels) / period)
    half = round(turns // 2 * period)
    if turns < FEWEST_CYCLES or not half:
        return False
    newer, older = levels[-half:], levels[-2 * half : -half]
    return abs(float(newer.mean() - older.mean())) < CYCLE_DRIFT
