"""How much do bad arrivals come in clusters?

A probe is cut into twelve blocks by due time. Of the requests over the probe's own p95, the
variance between blocks over the variance of independent ones is the clustering:

    clustering = var(k_i - p n_i) / (n p (1 - p)),   p = sum k / sum n

1 means independent. The p95 is used, for bad arrivals are too few to tell.

Source: batch means, Schmeiser 1982.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from contract.latency import Histogram

BLOCKS = 12
FEWEST_BLOCKS = 6
FEWEST = 60
QUANTILE = 0.95


def clustering(totals: ArrayLike, exceeding: ArrayLike) -> float | None:
    """Clustering of `exceeding` among `totals`, counts per block; None when too few to tell."""
    n, k = np.asarray(totals, dtype=np.float64), np.asarray(exceeding, dtype=np.float64)
    full = n > 0.5 * np.median(n) if len(n) else np.zeros(0, dtype=bool)
    n, k = n[full], k[full]
    if len(n) < FEWEST_BLOCKS or n.sum() < FEWEST or k.sum() == 0:
        return None
    p = k.sum() / n.sum()
    if p >= 1:
        return None
    return float((k - p * n).var(ddof=1) / (n.mean() * p * (1 - p)))


def exceedance_clustering(windows: Sequence[tuple[int, Histogram]]) -> float | None:
    """Clustering of the requests over their p95, from (bucket index, times), in any order."""
    whole = Histogram()
    for _, times in windows:
        whole.merge(times)
    if whole.count < FEWEST:
        return None
    limit_s = whole.quantile(QUANTILE)
    totals = blocks([(index, times.count) for index, times in windows])
    over = blocks([(index, times.count_above(limit_s)) for index, times in windows])
    return clustering(totals, over)


def blocks(counts: Sequence[tuple[int, int]]) -> list[int]:
    """Sums of (bucket index, count) over twelve equal spans of the indices."""
    first = min(index for index, _ in counts)
    span = max(index for index, _ in counts) - first + 1
    sums = [0] * BLOCKS
    for index, number in counts:
        sums[(index - first) * BLOCKS // span] += number
    return sums
