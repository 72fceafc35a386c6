"""Where does the time of a request go before its answer: connecting, TLS, the pool, the target?"""

from __future__ import annotations

from collections import defaultdict

from contract.latency import Histogram


class Phases:
    """Seconds by phase of the requests of one probe, since the last `drain`."""

    def __init__(self) -> None:
        self._times_s: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, name: str, seconds: float) -> None:
        self._times_s[name].append(seconds)

    def drain(self) -> tuple[tuple[str, Histogram], ...]:
        """(phase, its times) in alphabetical order; those without any are left out."""
        times_s, self._times_s = self._times_s, defaultdict(list)
        return tuple((name, Histogram.of(times)) for name, times in sorted(times_s.items()))
