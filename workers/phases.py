"""Where does the time of a request go before its answer: connecting, TLS, the pool, the target?"""

from __future__ import annotations

from collections import defaultdict

from contract.latency import Histogram


class Phases:
    """Seconds by phase of the requests of one probe, since the last `drain`.

    `first_byte` takes those of each request, from its being sent to the first of its answer.
    """

    def __init__(self) -> None:
        self._first_s: list[float] = []
        self._times_s: defaultdict[str, list[float]] = defaultdict(list)
        self.first_byte = self._first_s.append

    def add(self, name: str, seconds: float) -> None:
        self._times_s[name].append(seconds)

    def drain(self) -> tuple[tuple[str, Histogram], ...]:
        """(phase, its times) in alphabetical order; those without any are left out."""
        times_s, self._times_s = self._times_s, defaultdict(list)
        if self._first_s:
            times_s["first_byte"] = self._first_s[:]
            self._first_s.clear()
        return tuple((name, Histogram.of(times)) for name, times in sorted(times_s.items()))
