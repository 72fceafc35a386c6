"""Which rate is tried next, and which is the highest that was sent on time?

Pure. Rates rise by half until one is not held, then the gap between the last that was and the first
that was not is halved three times. And what is to be expected of a cost alone: the load at which
waits stay short enough in a queue of one server (Kingman 1961, with constant work per arrival).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

LAG_S = 0.001
"""Send lag p99 that a worker is trusted with."""
LAG_QUANTILE = 0.99
RISE = 1.5
BISECTIONS = 3
FIRST_RATIO = 0.3
"""The first rate, of the most that the CPU would carry without any wait."""


@dataclass(frozen=True, slots=True)
class Stairs:
    """The rates tried so far: `held_per_s` the highest sent on time, `missed_per_s` the lowest not.

    `next_per_s` is None when nothing is left to try.
    """

    next_per_s: float | None
    held_per_s: float = 0.0
    missed_per_s: float = math.inf
    bisected: int = 0

    def told(self, *, held: bool) -> Stairs:
        """The stairs after a step at `next_per_s`."""
        rate_per_s = self.next_per_s
        if rate_per_s is None:
            return self
        if held:
            after = replace(self, held_per_s=rate_per_s)
        else:
            after = replace(self, missed_per_s=rate_per_s)
        if math.isinf(after.missed_per_s):
            return replace(after, next_per_s=rate_per_s * RISE)
        if not after.held_per_s:  # the very first was too much
            return replace(after, next_per_s=rate_per_s / RISE)
        if after.bisected == BISECTIONS:
            return replace(after, next_per_s=None)
        between = math.sqrt(after.held_per_s * after.missed_per_s)
        return replace(after, next_per_s=between, bisected=after.bisected + 1)


def first(cost_s: float) -> Stairs:
    """Where to begin when an arrival costs `cost_s` of CPU."""
    return Stairs(FIRST_RATIO / cost_s)


OPEN_RATIO = 0.5
"""An open loop carries so much of what a closed one's cost promises: it wakes up for each arrival
where the other finds many at once. Measured: 0.4 to 0.9, more the slower the client."""


def expected_per_s(cost_s: float, lag_s: float = LAG_S) -> float:
    """The highest rate at which `LAG_QUANTILE` of arrivals wait for `lag_s` at most.

    `cost_s` is that of a closed loop, which the arrivals of an open one exceed. With work that is alike, the wait at load r is longer than t with probability
    r exp(-2 (1 - r) t / (r cost_s)), nearly.
    """
    low, high = 0.0, 1.0
    for _ in range(40):
        load = (low + high) / 2
        exceeds = load * math.exp(-2 * (1 - load) * lag_s / (load * cost_s))
        low, high = (load, high) if exceeds <= 1 - LAG_QUANTILE else (low, load)
    return OPEN_RATIO * low / cost_s
