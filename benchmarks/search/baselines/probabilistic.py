"""Which rate does probabilistic bisection find?

A posterior of the capacity over a grid of rates, uniform in the logarithm. The median is probed; a
verdict multiplies the side that it speaks for by p and the other by 1 − p, as if every verdict were
right with probability p and independent (Horstein 1963; Waeber, Frazier and Henderson 2013). It
ends when the middle 90 % are narrower than 5 %, after 25 probes at most. Probes last 20 s, the
first 2 s are not judged; p is 0.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.search.baselines.environment import Answer, Bound, Environment, Floats
from benchmarks.search.baselines.judging import carried

SETTLE_S = 2.0
POINTS = 800
EDGE = 0.5
"""The grid reaches down to half the lowest rate."""


@dataclass(frozen=True, slots=True)
class ProbabilisticBisection:
    probe_s: float = 20.0
    right: float = 0.8
    most_probes: int = 25
    width: float = 0.05

    def find(self, env: Environment) -> Answer:
        grid = np.linspace(math.log(EDGE * env.low), math.log(env.high), POINTS)
        weight = np.full(POINTS, 1 / POINTS)
        for _ in range(self.most_probes):
            q05, median, q95 = _quantiles(grid, weight)
            if q95 - q05 < self.width:
                break
            probe = env.finish(env.probe(math.exp(median), self.probe_s))
            good = carried(env, probe, settle_s=SETTLE_S)
            weight = np.where((grid >= median) == good, self.right, 1 - self.right) * weight
            weight = weight / weight.sum()
        low, rate, high = (math.exp(value) for value in _quantiles(grid, weight))
        bound: Bound = ""
        if high >= env.high * (1 - self.width):
            bound = "at_least"
        elif rate < env.low:
            bound = "at_most"
        return Answer(rate, low, high, bound=bound)


def _quantiles(grid: Floats, weight: Floats) -> tuple[float, float, float]:
    """5 %, 50 % and 95 % points."""
    places = np.searchsorted(np.cumsum(weight), (0.05, 0.5, 0.95)).clip(max=len(grid) - 1)
    q05, median, q95 = grid[places]
    return float(q05), float(median), float(q95)
