"""Where does a series of levels change?

The partition of a series y into segments that minimises

    sum over segments of sum (y_i - mean)^2 / variance  +  penalty ln n  per change,

found exactly by dynamic programming (optimal partitioning, Jackson et al. 2005), over positions that
may yet win (the pruning of PELT, Killick, Fearnhead and Eckley 2012). The variance is that of
neighbours, half the mean squared difference, which no change of level inflates (von Neumann 1941).

Barrett et al. 2017 classify warm-ups by such segments, with a penalty of 15 ln n for thousands of
iterations; a warm-up has some dozens of windows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PENALTY = 4.0
FEWEST_WINDOWS = 4
"""A segment is no shorter."""
LEAST_SPREAD = 1e-4
"""Of neighbours: below 0.01 % it is rounding."""


def neighbour_spread(levels: Floats) -> float:
    """Standard deviation of a level, from differences of neighbours and of those two apart."""
    if len(levels) < 3:
        return LEAST_SPREAD
    near, far = np.diff(levels), levels[2:] - levels[:-2]
    variance = max(float(np.mean(near**2)), float(np.mean(far**2))) / 2
    return max(math.sqrt(variance), LEAST_SPREAD)


def changes(levels: Floats, spread: float, penalty: float = PENALTY) -> tuple[int, ...]:
    """Where new segments begin, in order, without 0; `spread` is a level's standard deviation."""
    size = len(levels)
    if size < 2 * FEWEST_WINDOWS:
        return ()
    sums = np.concatenate(([0.0], np.cumsum(levels - levels[0])))
    squares = np.concatenate(([0.0], np.cumsum((levels - levels[0]) ** 2)))
    price = penalty * math.log(size) * spread**2
    best = np.full(size + 1, math.inf)
    best[0] = -price
    before = np.zeros(size + 1, dtype=np.int64)
    starts = np.zeros(1, dtype=np.int64)
    for end in range(FEWEST_WINDOWS, size + 1):
        within = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        total = best[starts] + within + price
        place = int(np.argmin(total))
        best[end], before[end] = total[place], starts[place]
        kept = starts[total - price <= best[end]]
        starts = (
            np.append(kept, end - FEWEST_WINDOWS + 1) if end >= 2 * FEWEST_WINDOWS - 1 else kept
        )
    return _traced(before)


def _traced(before: NDArray[np.int64]) -> tuple[int, ...]:
    found = []
    at = int(before[-1])
    while at > 0:
        found.append(at)
        at = int(before[at])
    return tuple(reversed(found))
