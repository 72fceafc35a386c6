"""How long did the arrivals of some due buckets take?"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from contract.latency import BUCKETS, GAMMA, MIN_S, Histogram
from contract.report import DueBucket

_LOG_TIMES = np.log(MIN_S) + (np.arange(BUCKETS) + 0.5) * np.log(GAMMA)


def sum_log(times: Histogram) -> float:
    """Sum of ln(time in s) over a histogram that has any."""
    return float(times.counts @ _LOG_TIMES)


def judged_levels(buckets: Iterable[DueBucket], first: int) -> list[float]:
    """Mean ln(service time) of the due buckets from `first` on; nan where nothing was answered."""
    sums: dict[int, tuple[int, float]] = {}
    for bucket in buckets:
        count, total = sums.get(bucket.index, (0, 0.0))
        added = sum_log(bucket.service_time) if bucket.service_time.count else 0.0
        sums[bucket.index] = count + bucket.service_time.count, total + added
    nothing = (0, 0.0)
    found = (sums.get(index, nothing) for index in range(first, max(sums, default=first) + 1))
    return [total / count if count else math.nan for count, total in found]


def response_times(buckets: Iterable[DueBucket]) -> Histogram:
    """Response times of the judged arrivals."""
    return Histogram.summed(bucket.response_time for bucket in buckets)


def service_times(buckets: Iterable[DueBucket]) -> Histogram:
    """Service times of the judged arrivals."""
    return Histogram.summed(bucket.service_time for bucket in buckets)
