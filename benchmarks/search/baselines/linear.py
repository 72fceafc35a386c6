"""Which rate do fixed linear steps find?

Each step ramps to its rate for 30 s and holds it for 60 s; the highest one before the first failure
is the answer. The steps are half the first rate, as 1,000 + 500 a second are where this is
recommended: artur-shlyapnikov/grpc-service-benchmark at 32b423e, ADR-02 (there it ends when errors
exceed 1 % or the p99 is twice that of the first step; here when the objective fails).
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import carried

RAMP_SLICES = 6


@dataclass(frozen=True, slots=True)
class LinearSteps:
    ramp_s: float = 30.0
    hold_s: float = 60.0
    step_ratio: float = 0.5

    def find(self, env: Environment) -> Answer:
        rate, passed = env.first, 0.0
        step = self.step_ratio * env.first
        while self._passes(env, passed, rate):
            passed = rate
            if rate >= env.high:
                return Answer(rate, low=rate, bound="at_least")
            rate += step
        if not passed:
            return Answer(rate, high=rate, note="the first step fails", bound="at_most")
        return Answer(passed, passed, rate)

    def _passes(self, env: Environment, before: float, rate: float) -> bool:
        for part in range(RAMP_SLICES):
            ramped = before + (rate - before) * (part + 1) / RAMP_SLICES
            env.probe(ramped, self.ramp_s / RAMP_SLICES, continued=bool(part))
        return carried(env, env.finish(env.probe(rate, self.hold_s, continued=True)))
