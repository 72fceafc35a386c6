"""At which rate does a k6 breakpoint test stop?

The executor ramping-arrival-rate raises the rate linearly, and a threshold with abortOnFail ends
the test. Thresholds look at everything since the start, every 2 s, at completed requests only, so
that a long good beginning outvotes a bad end for a while. The answer is the rate at the end.

Grafana k6's documentation: "breakpoint testing", thresholds (evaluated every 2 s). The ramp goes
from the first rate to the highest in 10 minutes; the rate stands still for 2 s at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.search.baselines.environment import Answer, Bound, Environment, Floats, Probe
from benchmarks.search.baselines.judging import slow

LOOK_EVERY_S = 2.0
FEWEST_COMPLETED = 100


@dataclass(frozen=True, slots=True)
class K6Ramp:
    """`delay_s`: how long the threshold may not abort yet (delayAbortEval)."""

    ramp_s: float = 600.0
    delay_s: float = 0.0

    def find(self, env: Environment) -> Answer:
        started_s = env.now_s
        completed: list[Floats] = []
        going_on: list[Probe] = []
        rate = env.first
        while env.now_s - started_s < self.ramp_s:
            rate = env.first + (env.high - env.first) * (env.now_s - started_s) / self.ramp_s
            sent = env.probe(rate, LOOK_EVERY_S, continued=bool(completed))
            going_on = [*(env.look(probe) for probe in going_on), sent]
            completed += [probe.took_s[probe.ended] for probe in going_on if probe.ended.all()]
            going_on = [probe for probe in going_on if not probe.ended.all()]
            took_s = np.concatenate(
                [*completed, *(probe.took_s[probe.ended] for probe in going_on)]
            )
            late = env.now_s - started_s >= self.delay_s
            if late and len(took_s) > FEWEST_COMPLETED and slow(env, took_s) > env.limit_s:
                bound: Bound = "at_most" if rate <= env.first else ""
                return Answer(rate, note="aborted", bound=bound)
        return Answer(rate, low=rate, note="the ramp went through", bound="at_least")
