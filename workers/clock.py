"""What time is it on the Redis clock, and how sure is this worker of it?

Schedules run on the local monotonic clock; the Redis clock only fixes their epoch. From exchanges
(t0, T, t1), local ns before, Redis us, local ns after, the one with the shortest round trip gives

    offset = 1000 T - (t0 + t1) / 2,   error <= (t1 - t0) / 2     [ns]

The latest exchanges are kept, so that few are needed at a time: on a far Redis each takes as long
as a report. An older one is worth less by what the two clocks may have drifted apart since; one
that contradicts the next shows that the Redis clock was set, and is forgotten.

Source: Cristian 1989, probabilistic clock synchronization.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable

Now = Callable[[], int]
"""Monotonic time in ns."""

NS_PER_S = 1_000_000_000
NS_PER_US = 1_000
DRIFT = 50e-6
"""Two clocks drift apart by less, in s a second: crystals are within 20 to 50 ppm."""
KEPT = 20

SKEW_VARIABLE = "TONNAGE_TEST_CLOCK_SKEW_S"
"""For tests of distance: this worker's clocks are ahead by so many seconds."""

Exchange = tuple[int, int, int]
"""Local ns before, Redis us, local ns after."""


class Local:
    """The one clock of a worker: that of the kernel, or one `skew_ns` ahead of it."""

    def __init__(self, skew_ns: int = 0) -> None:
        self.skew_ns = skew_ns
        self.monotonic_ns: Now = self._ahead_ns if skew_ns else time.monotonic_ns

    def kernel_ns(self, at_ns: int) -> int:
        """The instant `at_ns` on the kernel's monotonic clock, which its timers want."""
        return at_ns - self.skew_ns

    def wall_ns(self) -> int:
        return time.time_ns() + self.skew_ns

    def _ahead_ns(self) -> int:
        return time.monotonic_ns() + self.skew_ns


LOCAL = Local(round(float(os.environ.get(SKEW_VARIABLE) or 0.0) * NS_PER_S))

monotonic_ns: Now = LOCAL.monotonic_ns


class RedisClock:
    """The Redis clock as seen from the local monotonic one; unknown until calibrated."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._error_ns = 0
        self._kept: deque[Exchange] = deque(maxlen=KEPT)

    @property
    def known(self) -> bool:
        return self._offset_ns is not None

    @property
    def error_us(self) -> int:
        """Half the round trip of the exchange in use and what may have drifted since, at least 1."""
        return max(1, self._error_ns // NS_PER_US)

    @property
    def offset_us(self) -> int:
        """Redis clock minus this host's wall clock."""
        if self._offset_ns is None:
            return 0
        return (self._offset_ns + monotonic_ns() - LOCAL.wall_ns()) // NS_PER_US

    def calibrate(self, exchanges: Iterable[Exchange]) -> None:
        """Take in exchanges; the surest of all that are kept sets the clock."""
        newest = min(exchanges, key=lambda exchange: exchange[2] - exchange[0])
        now_ns = newest[2]
        if any(_contradict(newest, kept, now_ns) for kept in self._kept):
            self._kept.clear()
        self._kept.append(newest)
        best = min(self._kept, key=lambda exchange: _error_ns(exchange, now_ns))
        self._offset_ns, self._error_ns = _offset_ns(best), _error_ns(best, now_ns)

    def local_ns(self, redis_us: int) -> int:
        """Monotonic ns of an instant of the Redis clock."""
        return redis_us * NS_PER_US - self._offset()

    def redis_us(self, local_ns: int) -> int:
        return (local_ns + self._offset()) // NS_PER_US

    def _offset(self) -> int:
        if self._offset_ns is None:
            raise RuntimeError("the Redis clock is not known yet: calibrate first")
        return self._offset_ns


def _offset_ns(exchange: Exchange) -> int:
    before_ns, redis_us, after_ns = exchange
    return redis_us * NS_PER_US - (before_ns + after_ns) // 2


def _error_ns(exchange: Exchange, now_ns: int) -> int:
    before_ns, _, after_ns = exchange
    return (after_ns - before_ns) // 2 + round(max(0, now_ns - after_ns) * DRIFT)


def _contradict(one: Exchange, other: Exchange, now_ns: int) -> bool:
    """Whether no offset could have given both; a Redis time is a us, cut off."""
    apart_ns = abs(_offset_ns(one) - _offset_ns(other))
    return apart_ns > _error_ns(one, now_ns) + _error_ns(other, now_ns) + NS_PER_US
