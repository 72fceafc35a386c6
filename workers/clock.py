"""What time is it on the Redis clock, and how sure is this worker of it?

Schedules run on the local monotonic clock; the Redis clock only fixes their epoch. From exchanges
(t0, T, t1), local ns before, Redis us, local ns after, the one with the shortest round trip gives

    offset = 1000 T - (t0 + t1) / 2,   error <= (t1 - t0) / 2     [ns]

Source: Cristian 1989, probabilistic clock synchronization.
"""

import time
from collections.abc import Callable, Iterable

Now = Callable[[], int]
"""Monotonic time in ns."""

monotonic_ns: Now = time.monotonic_ns

NS_PER_S = 1_000_000_000
NS_PER_US = 1_000


class RedisClock:
    """The Redis clock as seen from the local monotonic one; unknown until calibrated."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._error_ns = 0

    @property
    def known(self) -> bool:
        return self._offset_ns is not None

    @property
    def error_us(self) -> int:
        """Half the round trip of the exchange in use, at least 1."""
        return max(1, self._error_ns // NS_PER_US)

    @property
    def offset_us(self) -> int:
        """Redis clock minus this host's wall clock."""
        if self._offset_ns is None:
            return 0
        return (self._offset_ns + monotonic_ns() - time.time_ns()) // NS_PER_US

    def calibrate(self, exchanges: Iterable[tuple[int, int, int]]) -> None:
        """Take the exchange (before in ns, Redis time in us, after in ns) that took least."""
        before, redis_us, after = min(exchanges, key=lambda exchange: exchange[2] - exchange[0])
        self._offset_ns = redis_us * NS_PER_US - (before + after) // 2
        self._error_ns = (after - before) // 2

    def local_ns(self, redis_us: int) -> int:
        """Monotonic ns of an instant of the Redis clock."""
        return redis_us * NS_PER_US - self._offset()

    def redis_us(self, local_ns: int) -> int:
        return (local_ns + self._offset()) // NS_PER_US

    def _offset(self) -> int:
        if self._offset_ns is None:
            raise RuntimeError("the Redis clock is not known yet: calibrate first")
        return self._offset_ns
