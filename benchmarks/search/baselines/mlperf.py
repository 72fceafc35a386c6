"""Which rate does MLPerf LoadGen's FindPeakPerformance find in the server scenario?

From a rate that must pass, double until a run fails, then halve the bracket until both ends agree
to a tenth of a query per second. A run passes when the sorted latencies at 99 % are within the
target, over all queries; it waits for every response, and the minimum duration and the early
stopping of a submission are left out in the search.

MLCommons inference at b66003e: `loadgen.cc` (FindBoundaries, FindPeakPerformanceBinarySearch: step
size 1, one decimal of precision), `results.cc` (PerfConstraintsMet), `test_settings_internal.h`
(10 s and 100 queries at least). Poisson arrivals. The tool knows no highest rate: where four times
the question's passes, it is stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import slow

CEILING_TIMES = 4


@dataclass(frozen=True, slots=True)
class MlPerf:
    duration_s: float = 10.0
    fewest_queries: int = 100
    decimals: int = 1

    def find(self, env: Environment) -> Answer:
        low = env.first
        if not self._passes(env, low):
            return Answer(low, high=low, note="the lower bound fails", bound="at_most")
        high = 2 * low
        while self._passes(env, high):
            low, high = high, 2 * high
            if high > CEILING_TIMES * env.high:
                return Answer(low, low=low, note="no boundary found", bound="at_least")
        scale = 10.0**self.decimals
        while math.floor(low * scale) + 1 < math.floor(high * scale):
            middle = low + (high - low) / 2
            if self._passes(env, middle):
                low = middle
            else:
                high = middle
        return Answer(low, low, high)

    def _passes(self, env: Environment, rate: float) -> bool:
        seconds = max(self.duration_s, self.fewest_queries / rate)
        return slow(env, env.finish(env.probe(rate, seconds)).took_s) <= env.limit_s
