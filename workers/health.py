"""Is this worker's own process fit to measure, or is it the limit itself?

A reading goes with every report. What is cheap is read each time; what is not, once a second at
most, by a greenlet of its own or in a thread.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection

import gevent

from contract.report import Health
from workers.clock import NS_PER_S, RedisClock
from workers.garbage import Garbage
from workers.kernel import (
    PROC,
    KernelFile,
    Quota,
    resident_bytes,
    tcp_sockets,
    throttled_ns,
    waited_ns,
)
from workers.limits import Limits, Need, raise_open_files, read_limits, shortages, too_few_files
from workers.sockets import Sockets, busiest

BEAT_S = 0.02
"""How often the loop is asked to be on time."""
CPU_OVER_S = 1.0
"""CPU is a mean over this: a short block is not a busy core."""
LOOK_S = 1.0
"""What costs more is looked at this often."""
LOOK_RATIO = 0.02
"""At most so much of the time is spent on it."""
COUNTED_FROM_RATIO = 0.25
"""Below this part of the local ports their number is an upper bound, told by one line."""

log = logging.getLogger(__name__)


def watching(
    clock: RedisClock, users: Callable[[], int], *, not_to: Collection[int]
) -> HealthProbe:
    """What watches this process from now on, its limits raised; what they lack is logged.

    Connections to the ports `not_to`, our own services', are not told of.
    """
    quota = Quota()
    limits = read_limits(raise_open_files(), quota)
    for sentence in shortages(limits, Need()):
        log.warning(sentence)
    sockets = Sockets(not_to=not_to)
    sockets.install()
    return HealthProbe(clock, users, limits=limits, quota=quota, sockets=sockets)


class HealthProbe:
    """Watches the process between two readings; `users` says how many users there are."""

    def __init__(
        self,
        clock: RedisClock,
        users: Callable[[], int] = int,
        *,
        limits: Limits | None = None,
        quota: Quota | None = None,
        sockets: Sockets | None = None,
        garbage: Garbage | None = None,
    ) -> None:
        self.users_most = 0
        self._users = users
        self.limits = limits or Limits()
        self.sockets = sockets or Sockets()
        self.garbage = garbage or Garbage()
        self._clock = clock
        self._lag_s = 0.0
        self._schedstat = KernelFile(PROC / "self" / "schedstat")
        self._statm = KernelFile(PROC / "self" / "statm")
        self._sockstat = KernelFile(PROC / "net" / "sockstat")
        self._cpu_stat = KernelFile(quota.stat if quota is not None else None)
        self._cpu: deque[tuple[float, float]] = deque()
        self._waited_ns = self._throttled_ns = 0
        self._ports, self._busiest = 0, ""
        self._forget()
        self._watches = (gevent.spawn(self._watch_loop), gevent.spawn(self._look_forever))

    def begin(self) -> None:
        """A probe begins: no garbage is collected, and what was before is forgotten."""
        self.garbage.keep_out()
        self._forget()

    def rest(self) -> None:
        """There is no probe: garbage may be collected. To be called at any time, at no cost."""
        self.garbage.let_in()

    def read(self) -> Health:
        """How the process was since the last `read`."""
        users, open_files = self._users(), self.limits.open_files
        lag_s, self._lag_s = self._lag_s, 0.0
        waited, self._waited_ns = self._waited_ns, waited_ns(self._schedstat.read())
        throttled, self._throttled_ns = self._throttled_ns, throttled_ns(self._cpu_stat.read())
        return Health(
            cpu_ratio=self._cpu_ratio(),
            loop_lag_s=lag_s,
            clock_offset_us=self._clock.offset_us,
            clock_error_us=self._clock.error_us if self._clock.known else 0,
            users=users,
            note=too_few_files(open_files, users) or self.garbage.note,
            gc_s=self.garbage.take_pause_s(),
            refused=self.sockets.take_refused(),
            ports_ratio=self._ports / self.limits.port_count,
            retransmits=self.sockets.take_retransmits(),
            throttled_s=max(0, self._throttled_ns - throttled) / NS_PER_S,
            rss_bytes=resident_bytes(self._statm.read()),
            waited_s=max(0, self._waited_ns - waited) / NS_PER_S,
            ports=self._ports,
            busiest=self._busiest,
            open_files=open_files,
            users_most=self.users_most,
        )

    def close(self) -> None:
        gevent.killall(self._watches, timeout=1)
        self.sockets.remove()
        self.garbage.close()
        for file in (self._schedstat, self._statm, self._sockstat, self._cpu_stat):
            file.close()

    def _forget(self) -> None:
        self._lag_s = 0.0
        self._cpu.clear()
        self._cpu.append((time.perf_counter(), time.process_time()))
        self._waited_ns = waited_ns(self._schedstat.read())
        self._throttled_ns = throttled_ns(self._cpu_stat.read())
        self.garbage.take_pause_s()
        self.sockets.take_refused()
        self.sockets.take_retransmits()

    def _cpu_ratio(self) -> float:
        now_s, cpu_s = time.perf_counter(), time.process_time()
        while len(self._cpu) > 1 and now_s - self._cpu[1][0] >= CPU_OVER_S:
            self._cpu.popleft()
        since_s, before_s = self._cpu[0]
        if now_s - self._cpu[-1][0] > BEAT_S:
            self._cpu.append((now_s, cpu_s))
        return (cpu_s - before_s) / max(now_s - since_s, BEAT_S)

    def _watch_loop(self) -> None:
        while True:
            due_ns = time.monotonic_ns() + round(BEAT_S * NS_PER_S)
            gevent.sleep(BEAT_S)
            self._lag_s = max(self._lag_s, (time.monotonic_ns() - due_ns) / NS_PER_S)

    def _look_forever(self) -> None:
        while True:
            self.garbage.look()
            began_s = time.perf_counter()
            self._count_ports()
            took_s = time.perf_counter() - began_s
            gevent.sleep(max(LOOK_S, took_s / LOOK_RATIO))

    def _count_ports(self) -> None:
        most = tcp_sockets(self._sockstat.read())
        if most < COUNTED_FROM_RATIO * self.limits.port_count:
            self._ports, self._busiest = most, ""
            return
        pool = gevent.get_hub().threadpool
        self._busiest, self._ports = pool.apply(busiest, (self.limits.ports,))
