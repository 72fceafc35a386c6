"""How much of the front of a series is transient?

MSER-5: of batch means Y_1 .. Y_k of five neighbours, the truncation d that minimises the squared
standard error of what is left,

    z(d) = sum_{i > d} (Y_i - mean of those)^2 / (k - d)^2.

A d beyond half of the series says that the series is too short to tell (White, Cobb and Spratt
2000). The last FEWEST_BATCHES are never cut off, for a few alike by chance would win. Wang and
Glynn 2016 give queues for which the minimum comes too early, so nothing rests on it alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BATCH = 5
FEWEST_BATCHES = 5


def truncation(series: Floats, batch: int = BATCH) -> int:
    """How many values to cut off the front; the newest that fill no batch take no part."""
    count = len(series) // batch
    if count <= FEWEST_BATCHES:
        return 0
    means = series[: count * batch].reshape(count, batch).mean(axis=1)
    means = means - means.mean()
    left = np.arange(count, 0, -1)
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum(means[::-1] ** 2)[::-1]
    errors = np.maximum(squares - sums**2 / left, 0.0) / left**2
    considered = errors[: count - FEWEST_BATCHES + 1]
    return batch * int(np.argmin(np.round(considered, 15)))
