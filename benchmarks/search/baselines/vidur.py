"""Which rate does the capacity search of Vidur and Sarathi-Serve find?

Bisection between 0 and twice the start, at most 20 times, until the bracket is 2.5 % of the rate.
A pass with plenty of room moves the upper end away: four times as far when the delay is below an
eighth of the limit, twice below a quarter, and twice too near the upper end; never beyond the
lowest rate that has failed.

Vidur at 7d47513, `capacity_search.py` and `main.py`; Sarathi-Serve at 96f9911, the same code. There
16,000 simulated requests make a run; 2,000 here, what a live system stands. The judged delay is the
objective's percentile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.search.baselines.environment import Answer, Bound, Environment
from benchmarks.search.baselines.judging import margin_s

PLENTY, SOME = 1 / 8, 1 / 4
NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Vidur:
    requests: int = 2000
    most_runs: int = 20
    precision: float = 0.025

    def find(self, env: Environment) -> Answer:
        left, right, rate = 0.0, 2 * env.first, 0.0
        best, failing = 0.0, math.inf
        for _ in range(self.most_runs):
            if abs(left - right) < self.precision * rate:
                break
            rate = (left + right) / 2
            delay_s = margin_s(env, env.finish(env.burst(self.requests, rate))) + env.limit_s
            if delay_s > env.limit_s:
                right, failing = rate, min(failing, rate)
                continue
            best = max(best, rate)
            left = rate
            right = min(right * _growth(delay_s / env.limit_s, rate / right), failing)
        if not best:
            return Answer(rate, high=rate, note="no rate passed", bound="at_most")
        bound: Bound = "at_least" if best >= env.high and math.isinf(failing) else ""
        return Answer(best, best, failing if math.isfinite(failing) else None, "", bound)


def _growth(delay: float, place: float) -> float:
    """Times the upper end, by delay over limit and rate over upper end."""
    if delay < PLENTY:
        return 4.0
    return 2.0 if delay < SOME or place > NEAR else 1.0
