"""When is arrival i of a probe due?

A sequence s_0 < s_1 < ... at rate 1 (`contract.gaps`, or recorded times, `contract.recorded`) is
bunched by a random clock where the law asks for it, and carried to time through the inverse of the
integrated rate (`contract.warp`): the ramp, then the profile of the probe, which without one is
its rate. All of it is fixed by (seed, probe), so every worker computes the same times and takes its
share (`contract.shares`) of them by index: a last-bit difference between two machines moves a due
time by less than 1 ns and never duplicates or loses an arrival.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contract.gaps import CHUNK, Floats, unit_times
from contract.laws import ArrivalsError, Law
from contract.recorded import Recorded
from contract.shares import Shares, check_position
from contract.units import Rate, Seconds
from contract.warp import Bursts, Knots, RateOverTime, ramped

__all__ = ["CHUNK", "ArrivalsError", "Due", "Law", "Schedule"]

Due = NDArray[np.int64]

MOST_RATIO = 10.0
"""A profile goes no higher than that, in multiples of the rate."""
_KEY_BITS = 64
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Schedule:
    """The due times of one probe, the same wherever they are computed.

    The rate goes linearly from `ramp_from` to `rate` over `ramp_s`, then stays until
    `duration_s`, which includes the ramp; with a `profile` of (s since the epoch, ratio) it is
    that times `rate` after the ramp. Due times are ns from the epoch, below the duration.
    `recorded` are the times of a law that replays.
    """

    law: Law
    seed: int
    probe: int
    rate: Rate
    duration_s: Seconds
    ramp_s: Seconds = Seconds(0.0)
    ramp_from: Rate = Rate(0.0)
    profile: Knots = ()
    recorded: Recorded | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, key in (("seed", self.seed), ("probe", self.probe)):
            if type(key) is not int or not 0 <= key < 2**_KEY_BITS:
                raise ArrivalsError(f"{name} {key!r} must be a whole number from 0 to 2**64 - 1")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ArrivalsError(f"rate {self.rate!r} must be above zero and finite, in arrivals/s")
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ArrivalsError(f"duration_s {self.duration_s!r} must be above zero and finite")
        if not 0 <= self.ramp_s <= self.duration_s:
            raise ArrivalsError(
                f"ramp_s {self.ramp_s!r} must lie between 0 and duration_s {self.duration_s!r}"
            )
        if not (math.isfinite(self.ramp_from) and self.ramp_from >= 0):
            raise ArrivalsError(f"ramp_from {self.ramp_from!r} must be finite and not negative")
        check_profile(self.profile)

    @property
    def expected_count(self) -> float:
        """Mean number of arrivals, L(duration)."""
        return self._over_time().count(self.duration_s)

    def chunks(self) -> Iterator[tuple[int, Due]]:
        """Yield (global index of the first, due times in ns) of `CHUNK` arrivals at a time.

        Raises:
            ArrivalsError: the law replays, and there are no recorded times.
        """
        end_ns = round(self.duration_s * _NS_PER_S)
        over_time, first = self._over_time(), 0
        for times in self._unit_times():
            due_ns = over_time.due_ns(times)
            kept = int(np.searchsorted(due_ns, end_ns))
            if kept:
                yield first, due_ns[:kept]
            if kept < CHUNK:
                return
            first += CHUNK

    def share(self, position: int, shares: Shares) -> Iterator[tuple[Due, Due]]:
        """Yield (global indices, due times in ns) of the worker's own arrivals, chunk by chunk.

        Raises:
            SharesError: no worker has that position.
        """
        check_position(position, shares.count)
        return self._share(position, shares)

    def times(self) -> Due:
        """All due times in ns, at once."""
        parts = [due_ns for _, due_ns in self.chunks()]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def _share(self, position: int, shares: Shares) -> Iterator[tuple[Due, Due]]:
        for first, due_ns in self.chunks():
            own = shares.own(position, first, due_ns)
            if len(own[0]):
                yield own

    def _over_time(self) -> RateOverTime:
        return RateOverTime(ramped(self.rate, self.ramp_s, self.ramp_from, self.profile))

    def _unit_times(self) -> Iterator[Floats]:
        key = (self.seed, self.probe)
        if self.law.kind == "replay":
            if self.recorded is None:
                raise ArrivalsError(f"the recorded times {self.law.times!r} are not there")
            return self.recorded.unit_times(key)
        times = unit_times(self.law, key)
        return map(Bursts(self.law, key).carry, times) if self.law.kind == "mmpp" else times


def check_profile(profile: Knots) -> None:
    """Refuse what is no rate over time.

    Raises:
        ArrivalsError: which knot, and why.
    """
    if not profile:
        return
    if profile[0][0] != 0:
        raise ArrivalsError(f"a profile begins at 0s, not at {profile[0][0]:g}s")
    before_s = 0.0
    for at_s, ratio in profile:
        if not (math.isfinite(at_s) and at_s >= before_s):
            raise ArrivalsError(f"{at_s:g}s comes after {before_s:g}s: write times that rise")
        if not 0 <= ratio <= MOST_RATIO:
            raise ArrivalsError(f"{ratio:.0%} at {at_s:g}s must be from 0% to {MOST_RATIO:.0%}")
        before_s = at_s
    if not any(ratio for _, ratio in profile):
        raise ArrivalsError("a profile that is 0% throughout sends nothing")
