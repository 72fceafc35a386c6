"""Which rate can this server truly carry inside an objective, by event simulation of its batches?

Arrivals are seeded and the same at every rate up to the time scale (common random numbers, Law and
Kelton 2000, ch. 11), so the fraction of late responses rises with the rate and bisection finds where
it crosses the budget. Each batch takes up to `max_batch` waiting requests, lasts as long as one of
the durations seen for its size, and its responses are written a delivery time after its end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deploy.demo.batching import Stalls

Arrivals = Literal["poisson", "constant"]
Floats = NDArray[np.float64]

ARRIVALS = 2_000_000
"""Per rate simulated: the capacity at p99 then repeats within about 0.2 % from seed to seed."""

SETTLING = 5_000
"""Arrivals left out at the beginning, while the queue fills from nothing."""

PILOT_RATIO = 1 / 8
"""Share of the arrivals tried first; they decide where the late fraction is far from the budget."""

RESOLUTION = 1e-4
"""Width of the last bracket over the highest rate."""

PURPOSE = int.from_bytes(b"truth")
"""Beside the seed: keeps these draws apart from others made with the same seed."""

FEW = 30
"""Batches of one size below which its durations are drawn around the fitted line instead."""

NO_STALLS = Stalls()


@dataclass(frozen=True, slots=True)
class Durations:
    """What batches took: `by_size[n - 1]` holds seconds of batches of n requests, never empty.

    `delivery_s` are times from the end of a batch to the moment a response of it was written.
    """

    by_size: tuple[Floats, ...]
    delivery_s: Floats

    def __post_init__(self) -> None:
        if not self.by_size or 0 in map(len, (*self.by_size, self.delivery_s)):
            raise ValueError("every batch size and the delivery need at least one duration")
        if min(float(seen.min()) for seen in self.by_size) <= 0 or float(self.delivery_s.min()) < 0:
            raise ValueError("batches take time, and no response is written before its batch ends")

    @property
    def peak(self) -> float:
        """Requests per second when every batch has its best size: no rate above it can last."""
        return max(size / float(seen.mean()) for size, seen in enumerate(self.by_size, start=1))


def nominal(base_s: float, per_item_s: float, max_batch: int) -> Durations:
    """Durations of a server that keeps `base_s + per_item_s * n` exactly and writes in no time."""
    sizes = range(1, max_batch + 1)
    return Durations(tuple(np.array([base_s + per_item_s * n]) for n in sizes), np.zeros(1))


def measured(
    seen_s: Mapping[int, Sequence[float]],
    delivery_s: Sequence[float],
    *,
    max_batch: int,
    per_item_s: float,
) -> Durations:
    """Durations a server really had, by batch size.

    Sizes seen fewer than `FEW` times get the line `base + per_item * n` fitted by least squares to
    all batches, plus every residual; with one size seen the slope is the nominal `per_item_s`.

    Raises:
        ValueError: no batch was seen.
    """
    seen = {n: np.asarray(times, dtype=np.float64) for n, times in seen_s.items() if len(times)}
    if not seen:
        raise ValueError("no batch has been measured: send the server some load first")
    sizes = np.repeat(list(seen), [len(times) for times in seen.values()]).astype(np.float64)
    times = np.concatenate(list(seen.values()))
    slope = float(np.polyfit(sizes, times, 1)[0]) if len(seen) > 1 else per_item_s
    base = float(np.mean(times - slope * sizes))
    residuals = times - base - slope * sizes
    floor_s = float(times.min()) * 0.5
    by_size = tuple(
        seen[n]
        if n in seen and len(seen[n]) >= FEW
        else np.maximum(base + slope * n + residuals, floor_s)
        for n in range(1, max_batch + 1)
    )
    delivery = np.maximum(np.asarray(delivery_s, dtype=np.float64), 0.0)
    return Durations(by_size, delivery if len(delivery) else np.zeros(1))


def capacity(
    durations: Durations,
    slo_limit_s: float,
    budget: float,
    *,
    max_batch: int,
    arrivals: Arrivals = "poisson",
    seed: int = 1,
    stalls: Stalls = NO_STALLS,
    count: int = ARRIVALS,
) -> float:
    """The highest rate, in requests/s, at which at most `budget` of the responses are late.

    Late is over `slo_limit_s`; 0.0 where no rate is low enough. Takes seconds of processor time for
    `count` simulated arrivals a rate.

    Raises:
        ValueError: `durations` do not reach up to `max_batch`, or the limit or budget is senseless.
    """
    if max_batch != len(durations.by_size):
        known = len(durations.by_size)
        raise ValueError(f"durations of {known} batch sizes for max_batch {max_batch!r}")
    if slo_limit_s <= 0 or not 0 <= budget < 1:
        raise ValueError(f"limit {slo_limit_s!r} s must be above 0 and budget {budget!r} in [0, 1)")
    draw = _Draw.seeded(durations, arrivals, seed, count)
    high = durations.peak
    low = high * 1e-3
    if not draw.meets(low, slo_limit_s, budget, stalls):
        return 0.0
    if draw.meets(high, slo_limit_s, budget, stalls):
        return high
    while high - low > RESOLUTION * durations.peak:
        middle = (low + high) / 2
        if draw.meets(middle, slo_limit_s, budget, stalls):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def response_times(
    durations: Durations,
    rate: float,
    *,
    arrivals: Arrivals = "poisson",
    seed: int = 1,
    stalls: Stalls = NO_STALLS,
    count: int = ARRIVALS,
) -> Floats:
    """Seconds from arrival to written response at `rate` requests/s, in order of arrival."""
    return _Draw.seeded(durations, arrivals, seed, count).response_times(rate, stalls, count)


@dataclass(frozen=True, slots=True)
class _Draw:
    """Everything random of a simulation, fixed before a rate is chosen."""

    unit_arrivals: Floats
    by_batch: tuple[list[float], ...]
    delivery_s: Floats

    @classmethod
    def seeded(cls, durations: Durations, arrivals: Arrivals, seed: int, count: int) -> _Draw:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, PURPOSE))))
        gaps = random.exponential(size=count) if arrivals == "poisson" else np.ones(count)
        # A batch of n takes the value at its number, modulo a prime number of draws for its size.
        by_batch = tuple(
            seen.tolist() if len(seen) == 1 else random.choice(seen, 20_011).tolist()
            for seen in durations.by_size
        )
        return cls(np.cumsum(gaps), by_batch, random.choice(durations.delivery_s, count))

    def meets(self, rate: float, limit_s: float, budget: float, stalls: Stalls) -> bool:
        """Whether the late fraction at `rate` is within `budget`."""
        count = len(self.unit_arrivals)
        pilot = self.late_fraction(rate, limit_s, stalls, int(count * PILOT_RATIO))
        if not budget / 2 <= pilot <= budget * 2:
            return pilot < budget
        return self.late_fraction(rate, limit_s, stalls, count) <= budget

    def late_fraction(self, rate: float, limit_s: float, stalls: Stalls, count: int) -> float:
        times = self.response_times(rate, stalls, count)[min(SETTLING, count // 2) :]
        # A duration that equals the limit is inside it, whatever the last bits of the sums.
        return float(np.count_nonzero(times > limit_s + 1e-9)) / len(times)

    def response_times(self, rate: float, stalls: Stalls, count: int) -> Floats:
        arrived = self.unit_arrivals[:count] / rate
        ends, sizes = _serve(arrived.tolist(), self.by_batch, stalls)
        return np.repeat(ends, sizes) - arrived + self.delivery_s[:count]


def _serve(
    arrived: list[float], by_batch: tuple[list[float], ...], stalls: Stalls
) -> tuple[Floats, NDArray[np.int64]]:
    """End and size of each batch: the free accelerator takes all that wait, up to the maximum."""
    max_batch, count = len(by_batch), len(arrived)
    stalling = stalls.length_s > 0
    ends: list[float] = []
    sizes: list[int] = []
    first, free_s, number = 0, 0.0, 0
    while first < count:
        start_s = arrived[first]
        if start_s < free_s:
            start_s = free_s
        if stalling:
            start_s = stalls.resume(start_s)
        after = bisect_right(arrived, start_s, first + 1, min(first + max_batch, count))
        seen = by_batch[after - first - 1]
        work_s = seen[number % len(seen)]
        free_s = stalls.finish(start_s, work_s) if stalling else start_s + work_s
        ends.append(free_s)
        sizes.append(after - first)
        first, number = after, number + 1
    return np.array(ends), np.array(sizes)
