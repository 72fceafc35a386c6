"""Which rate does Triton's Perf Analyzer find with --binary-search?

Both ends of a range are profiled, then the middle, until the bracket is as narrow as a step that
the user chose. A profile is load in back-to-back windows until the last three are stable: highest
over lowest within 1.10, of completions per second and of the latency percentile. It ends as soon
as one of the three is over the threshold, and passes when the percentile of the three merged is
below. Unstable fails, except that stable completions alone will do in asynchronous mode. A window
sees the requests that *end* in it, whenever they were sent; queued ones it does not see.

Triton Perf Analyzer at 263c5f6: `inference_profiler.{h,cc}`, `command_line_parser.h` (window 5 s,
which `Measure()` stretches by 1.2; stability 10 %; at most 10 windows; constant arrivals). The tool
wants an absolute step; ours is relative to the upper end, as by a user who knew the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.search.baselines.environment import Answer, Environment, Floats, Probe, Spacing
from benchmarks.search.baselines.judging import slow

STRETCH = 1.2
STABLE_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class PerfAnalyzer:
    """`step_ratio` 3 %: the bracket's final width over its upper end."""

    arrivals: Spacing = "constant"
    window_s: float = 5.0
    stability: float = 0.10
    most_windows: int = 10
    step_ratio: float = 0.03

    def find(self, env: Environment) -> Answer:
        low, high = env.low, env.high
        if not self._passes(env, low):
            return Answer(low, high=low, note="the lower end fails", bound="at_most")
        if self._passes(env, high):
            return Answer(high, low=high, note="the upper end passes", bound="at_least")
        while high - low > self.step_ratio * high:
            middle = (low + high) / 2
            if self._passes(env, middle):
                low = middle
            else:
                high = middle
        return Answer(low, low, high)

    def _passes(self, env: Environment, rate: float) -> bool:
        length_s = self.window_s * STRETCH
        started_s = env.now_s
        edges_s, probes = [started_s], list[Probe]()
        stable = flowing = False
        windows: list[Floats] = []
        for window in range(self.most_windows):
            probes.append(env.probe(rate, length_s, arrivals=self.arrivals, continued=bool(window)))
            edges_s.append(env.now_s)
            if len(probes) < STABLE_WINDOWS:
                continue
            last = edges_s[-STABLE_WINDOWS - 1 :]
            windows = _windows([env.look(probe) for probe in probes], last)
            latencies = [slow(env, took_s) if len(took_s) else np.inf for took_s in windows]
            flowing = self._is_stable([len(took_s) for took_s in windows])
            stable = flowing and self._is_stable(latencies)
            if stable or max(latencies) >= env.limit_s:
                break
        env.drain()
        passes = slow(env, np.concatenate(windows)) < env.limit_s
        return (stable or flowing) and passes

    def _is_stable(self, values: list[int] | list[float]) -> bool:
        return min(values) > 0 and max(values) <= (1 + self.stability) * min(values) < np.inf


def _windows(probes: list[Probe], edges_s: list[float]) -> list[Floats]:
    """What the requests took that ended in each window."""
    end_s = np.concatenate([probe.start_s + probe.end_s for probe in probes])
    took_s = np.concatenate([probe.took_s for probe in probes])
    return [took_s[(end_s > from_s) & (end_s <= to_s)] for from_s, to_s in pairwise(edges_s)]
