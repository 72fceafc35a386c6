"""Which rate does mutilate find with --search=99:LIMIT?

First it measures the peak with all its connections busy. If the percentile is over the limit there,
it bisects between one request a second and the peak down to 2 %, then steps down by 2 % while the
percentile is still over. Runs last 5 s; what has no response by then is not counted.

leverich/mutilate, `mutilate.cc` (the search in main) and `cmdline.ggo` (5 s; exponential gaps). Its
default of one connection cannot saturate anything parallel; its README drives 16 threads of 4
connections, and so do we.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.search.baselines.environment import Answer, Bound, Environment, Probe
from benchmarks.search.baselines.judging import achieved, slow

LOWEST = 1.0
FLOOR = 0.1
STEP_DOWN = 0.98
FLOOR_OF_STEPS = 0.9


@dataclass(frozen=True, slots=True)
class Mutilate:
    run_s: float = 5.0
    precision: float = 0.02
    connections: int = 64

    def find(self, env: Environment) -> Answer:
        run = env.closed_loop(self.connections, self.run_s)
        peak, took_s = achieved(run), _percentile(env, run)
        env.drain()
        if took_s <= env.limit_s:
            bound: Bound = "at_least" if peak >= env.high else ""
            return Answer(peak, low=peak, note="the peak passes", bound=bound)
        low, high, rate = LOWEST, peak, peak
        while high > low * (1 + self.precision) and rate > peak * FLOOR:
            rate = (low + high) / 2
            took_s = self._run(env, rate)
            low, high = (low, rate) if took_s > env.limit_s else (rate, high)
        while took_s > env.limit_s and rate > peak * FLOOR and rate > low * FLOOR_OF_STEPS:
            rate *= STEP_DOWN
            took_s = self._run(env, rate)
        if took_s > env.limit_s:
            return Answer(rate, high=rate, note="still over the limit", bound="at_most")
        return Answer(rate, low if low > LOWEST else None, high)

    def _run(self, env: Environment, rate: float) -> float:
        run = env.probe(rate, self.run_s)
        took_s = _percentile(env, run)
        env.drain()
        return took_s


def _percentile(env: Environment, run: Probe) -> float:
    return slow(env, run.took_s[run.ended])
