"""Which rate did vLLM's `bench sweep serve_sla` find, before it was taken out?

Whole rates only. The first is "infinite" (65,536 a second), the second 1; then a monotone cubic
(PCHIP, Fritsch and Carlson 1980) goes through every margin, percentile less limit, and its first
root is tried next, one more where that has been tried. It ends when the highest passing and the
lowest failing rate are neighbours.

vLLM at 0826bcf: `vllm/benchmarks/sweep/serve_sla.py` (solve_sla, sla_min_value 1, sla_max_value
65536); `vllm bench serve` sends 1,000 prompts as Poisson arrivals. Margins are means over the runs
at a rate; one run here, as vLLM's default is. A request that fails counts as 60 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import margin_s

LOWEST, HIGHEST = 1, 65_536
MOST_RATES = 40


@dataclass(frozen=True, slots=True)
class VllmPchip:
    prompts: int = 1000
    runs: int = 1

    def find(self, env: Environment) -> Answer:
        margins: dict[int, float] = {}
        for rate in (HIGHEST, LOWEST):
            margins[rate] = self._margin_s(env, rate)
        if margins[HIGHEST] <= 0:
            return Answer(HIGHEST, low=HIGHEST, note="all at once passes", bound="at_least")
        if margins[LOWEST] > 0:
            return Answer(LOWEST, high=LOWEST, note="one a second fails", bound="at_most")
        while len(margins) < MOST_RATES:
            rate = _root(margins)
            rate += rate in margins
            if _gap(margins) <= 1 or rate in margins:
                break
            margins[rate] = self._margin_s(env, rate)
        return Answer(_passing(margins), _passing(margins), _failing(margins))

    def _margin_s(self, env: Environment, rate: int) -> float:
        runs = [env.finish(env.burst(self.prompts, rate)) for _ in range(self.runs)]
        return float(np.mean([margin_s(env, run) for run in runs]))


def _passing(margins: dict[int, float]) -> int:
    return max(rate for rate, margin in margins.items() if margin <= 0)


def _failing(margins: dict[int, float]) -> int:
    return min(rate for rate, margin in margins.items() if margin > 0)


def _gap(margins: dict[int, float]) -> int:
    return _failing(margins) - _passing(margins)


def _root(margins: dict[int, float]) -> int:
    """Where the curve first crosses, in whole numbers; there is one, as an end lies on each side."""
    rates = sorted(margins)
    roots = PchipInterpolator(rates, [margins[rate] for rate in rates], extrapolate=False).roots()
    crossings = roots[np.isfinite(roots)]
    return min(max(int(crossings[0]), LOWEST), HIGHEST) if len(crossings) else rates[0]
