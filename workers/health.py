"""Is this worker's own process fit to measure, or is it the limit itself?"""

from __future__ import annotations

import time

import gevent

from contract.report import Health
from workers.clock import NS_PER_S, RedisClock

BEAT_S = 0.02
"""How often the loop is asked to be on time."""


class HealthProbe:
    """Watches CPU and the loop between two readings; `note` tells people what is wrong."""

    def __init__(self, clock: RedisClock) -> None:
        self.note: str | None = None
        self.users = 0
        self._clock = clock
        self._lag_s = 0.0
        self._read_at_s = time.perf_counter()
        self._cpu_s = time.process_time()
        self._cpu_ratio = 0.0
        self._watch = gevent.spawn(self._watch_loop)

    def read(self) -> Health:
        """CPU ratio and worst loop lag since the last `read`."""
        now_s, cpu_s = time.perf_counter(), time.process_time()
        if now_s - self._read_at_s > BEAT_S:
            self._cpu_ratio = (cpu_s - self._cpu_s) / (now_s - self._read_at_s)
            self._read_at_s, self._cpu_s = now_s, cpu_s
        lag_s, self._lag_s = self._lag_s, 0.0
        return Health(
            cpu_ratio=self._cpu_ratio,
            loop_lag_s=lag_s,
            clock_offset_us=self._clock.offset_us,
            clock_error_us=self._clock.error_us if self._clock.known else 0,
            users=self.users,
            note=self.note,
        )

    def close(self) -> None:
        self._watch.kill(timeout=1)

    def _watch_loop(self) -> None:
        while True:
            due_ns = time.monotonic_ns() + round(BEAT_S * NS_PER_S)
            gevent.sleep(BEAT_S)
            self._lag_s = max(self._lag_s, (time.monotonic_ns() - due_ns) / NS_PER_S)
