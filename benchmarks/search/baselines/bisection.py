"""Which rate does plain bisection find, as anybody would write it?

Double from the first rate until a probe fails (halve if the first one does), then try the middle
until the bracket is 2.5 % of its upper end. Probes last a minute, or 20 s in the hurried variant;
the first 5 s are not judged, and all responses are waited for. A bound is never tried again.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import carried

SETTLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Bisection:
    probe_s: float = 60.0
    precision: float = 0.025

    def find(self, env: Environment) -> Answer:
        low = high = 0.0
        rate = env.first
        while True:
            probe = env.finish(env.probe(rate, self.probe_s))
            if carried(env, probe, settle_s=SETTLE_S):
                low = max(low, rate)
            else:
                high = min(high or rate, rate)
            if not high and low >= env.high:
                return Answer(low, low=low, bound="at_least")
            if not low and high <= env.low:
                return Answer(high, high=high, bound="at_most")
            if low and high and high - low <= self.precision * high:
                return Answer(low, low, high)
            rate = 2 * low if not high else (low + high) / 2
