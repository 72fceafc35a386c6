"""Which rate does evalscope's SLA auto-tuning find?

Whole rates: double from the start while it passes, or halve while it fails, then bisect until the
neighbours are found. A rate v is run three times with 2 v requests each, whatever v is, 5 s apart;
the mean of the three percentiles is compared with the limit, and every single request must succeed.

modelscope/evalscope at fde259d: `perf/sla/sla_run.py` (number = 2 × value, sla_num_runs 3,
sleep_interval 5 s, bounds from the user).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import slow


@dataclass(frozen=True, slots=True)
class Evalscope:
    runs: int = 3
    requests_times: float = 2.0
    pause_s: float = 5.0

    def find(self, env: Environment) -> Answer:
        lowest, highest = max(1, math.floor(env.low)), max(1, math.floor(env.high))
        verdicts: dict[int, bool] = {}

        def passes(rate: int) -> bool:
            if rate not in verdicts:
                verdicts[rate] = self._passes(env, rate)
            return verdicts[rate]

        low = high = max(lowest, min(int(env.first), highest))
        if passes(low):
            while passes(high):
                if high == highest:
                    return Answer(high, low=high, bound="at_least")
                low, high = high, min(2 * high, highest)
        else:
            while not passes(low):
                if low == lowest:
                    return Answer(low, high=low, bound="at_most")
                low, high = max(low // 2, lowest), low
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if passes(middle) else (low, middle)
        return Answer(low, low, high)

    def _passes(self, env: Environment, rate: int) -> bool:
        took_s = []
        failed = False
        for run in range(self.runs):
            if run:
                env.wait(self.pause_s)
            requests = max(1, round(self.requests_times * rate))
            sent = env.finish(env.burst(requests, rate))
            failed = failed or bool(np.isinf(sent.took_s).any())
            took_s.append(slow(env, sent.took_s))
        return not failed and float(np.mean(took_s)) <= env.limit_s
