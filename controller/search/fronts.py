"""Was the front of a probe another regime than the rest?

A batch size that is new is compiled, a cache refills at the new rate: for some seconds the target is
much slower, then not. Near the capacity levels wander by themselves, so the front is not compared
with the mean of the rest but with what the rest does: its blocks of the same length, all of them.
The front of d windows differs when

    front - M  >  EXCESS (M - m) + LEAST,     M, m: the slowest and the mean of the blocks of length d

for any d up to a quarter of the probe; the cut is where the sum of squares of two levels is least. Only
a slower front is cut: a faster one is a queue that fills. Nothing is assumed of the law or of the
memory of the levels but that it is shorter than the probe (cf. batch means, Schmeiser 1982).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contract.units import Seconds

Floats = NDArray[np.float64]

EXCESS, LEAST = 4.0, 0.3
MOST_PART = 4
FEWEST_WINDOWS = 16
SHORTEST_S = 0.5


def front_cut_s(levels: ArrayLike, window_s: float) -> Seconds:
    """Seconds of the front to leave out, 0 when it is like the rest.

    `levels`: mean ln(service time) of windows of `window_s`, oldest first; nan where nothing came.
    """
    series = np.asarray(levels, dtype=np.float64)
    known = np.isfinite(series)
    if known.sum() < FEWEST_WINDOWS:
        return Seconds(0.0)
    places = np.arange(len(series))
    series = np.interp(places, places[known], series[known])
    shortest = max(1, round(SHORTEST_S / window_s))
    longest = len(series) // MOST_PART
    if not any(_differs(series, d) for d in range(shortest, longest + 1)):
        return Seconds(0.0)
    return Seconds(_boundary(series, longest) * window_s)


def _differs(series: Floats, length: int) -> bool:
    sums = np.concatenate(([0.0], np.cumsum(series)))
    blocks = (sums[length:] - sums[:-length]) / length
    front, rest = float(blocks[0]), blocks[length:]
    slowest, mean = float(rest.max()), float(series[length:].mean())
    return front - slowest > EXCESS * (slowest - mean) + LEAST


def _boundary(series: Floats, longest: int) -> int:
    size = len(series)
    at = np.arange(1, longest + 1)
    sums = np.cumsum(series)
    between = (sums[at - 1] / at - (sums[-1] - sums[at - 1]) / (size - at)) ** 2
    return int(at[np.argmax(between * at * (size - at) / size)])
