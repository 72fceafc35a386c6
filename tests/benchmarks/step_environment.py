"""A target without chance for baselines: it carries every rate up to its truth, and none above."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.search.baselines.environment import BudgetSpent, Cost, Probe, Spacing, Stop

PER_STREAM = 10.0
"""What one closed-loop stream sends per second."""


@dataclass
class StepEnvironment:
    """`steep`: above its truth everything is bad; otherwise what the truth leaves over."""

    truth: float
    low: float = 20.0
    high: float = 1000.0
    first: float = 40.0
    limit_s: float = 0.2
    quantile: float = 0.99
    budget: float = 0.01
    budget_s: float = 100_000.0
    steep: bool = True
    now_s: float = 0.0
    rates: list[float] = field(default_factory=list)

    def probe(
        self,
        rate: float,
        seconds: float,
        *,
        arrivals: Spacing = "poisson",
        stop: Stop | None = None,
        continued: bool = False,
    ) -> Probe:
        return self._sent(rate, np.arange(1, math.floor(rate * seconds) + 1) / rate, seconds)

    def burst(self, count: int, rate: float, *, arrivals: Spacing = "poisson") -> Probe:
        return self._sent(rate, np.arange(1, count + 1) / rate, count / rate)

    def closed_loop(self, streams: int, seconds: float) -> Probe:
        return self.probe(streams * PER_STREAM, seconds)

    def look(self, probe: Probe) -> Probe:
        ended = probe.start_s + probe.due_s + self._took_s(probe) <= self.now_s
        took_s = np.where(ended, self._took_s(probe), math.inf)
        return replace(probe, end_s=probe.due_s + took_s, took_s=took_s)

    def finish(self, probe: Probe) -> Probe:
        self.wait(2 * self.limit_s)
        return self.look(probe)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        if self.now_s > self.budget_s:
            raise BudgetSpent("spent")

    def drain(self) -> None:
        self.wait(2 * self.limit_s)

    def spent(self) -> Cost:
        return Cost(0, 0, 0.0, len(self.rates), self.now_s)

    def _sent(self, rate: float, due_s: np.ndarray, seconds: float) -> Probe:
        self.rates.append(rate)
        nothing = np.full(len(due_s), math.inf)
        probe = Probe(
            len(self.rates), rate, self.now_s, seconds, due_s, nothing, nothing, nothing < 0
        )
        self.wait(seconds)
        return self.look(probe)

    def _took_s(self, probe: Probe) -> np.ndarray:
        left_over = max(0.0, 1 - self.truth / probe.rate)
        share = float(left_over > 0) if self.steep else left_over
        place = np.arange(1, len(probe.due_s) + 1)
        bad = np.floor(place * share) > np.floor((place - 1) * share)
        return np.where(bad, 2.0, 0.5) * self.limit_s
