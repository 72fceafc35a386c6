"""Which rate does the paper's adaptive strategy find, exactly as published?

Abdelfattah et al. (2026), "Load Testing for Machine Learning Model Serving Systems at Scale",
Algorithm 1, α 0.5, τ 2. From the lowest rate in steps of a quarter of the range: healthy (20 %
headroom) goes a step up; warn too, with a step shrunk by α; up to τ spikes go up by α steps without
counting as a pass; anything worse goes a step down and shrinks it. It ends when the last three best
rates vary by less than ε, which is so after the first hard overshoot: three equal bests.

The paper does not say what a spike is, how long a round lasts, or how many there are. Here a round
is a minute in windows of 10 s, a spike a window over the limit, and there are 50 rounds at most; a
search that no round of passed ends as at_most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import slow

SHRINK = 0.5
MOST_SPIKES = 2
STEPS = 4
HEALTHY = 0.8
LOOK_BACK = 3


@dataclass(frozen=True, slots=True)
class Vanguard:
    round_s: float = 60.0
    windows: int = 6
    epsilon: float = 0.05
    most_rounds: int = 50

    def find(self, env: Environment) -> Answer:
        rate, step = env.low, (env.high - env.low) / STEPS
        bests: list[float] = []
        best = 0.0
        while len(bests) < self.most_rounds and not self._converged(bests):
            used, spikes = self._round(env, rate)
            if used <= 1:
                best = max(best, rate)
                step *= 1 if used <= HEALTHY else SHRINK
                rate += step
            elif spikes <= MOST_SPIKES:
                rate += step * SHRINK
            else:
                rate -= step
                step *= SHRINK
            rate = min(max(rate, env.low), env.high)
            bests.append(best)
        if not best:
            return Answer(env.low, high=env.low, note="no round passed", bound="at_most")
        return Answer(best, bound="at_least" if best >= env.high else "")

    def _converged(self, bests: list[float]) -> bool:
        """A coefficient of variation below ε; three times nothing at all counts as that."""
        last = bests[-LOOK_BACK:]
        mean = float(np.mean(last)) if last else 0.0
        return len(last) == LOOK_BACK and float(np.std(last)) <= self.epsilon * mean

    def _round(self, env: Environment, rate: float) -> tuple[float, int]:
        """Percentile over limit, and the windows in which it was above 1."""
        probe = env.finish(env.probe(rate, self.round_s))
        place = (probe.due_s * self.windows / self.round_s).astype(int)
        over = [
            slow(env, probe.took_s[place == window]) > env.limit_s for window in range(self.windows)
        ]
        return slow(env, probe.took_s) / env.limit_s, sum(over)
