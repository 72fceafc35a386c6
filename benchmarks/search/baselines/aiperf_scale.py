"""Which rate does AIPerf's adaptive_scale find?

One run whose rate goes up while it passes (ramp_until_fail). Every window it takes the percentile
of the requests that *completed* in it; fewer than 20 say nothing. A pass raises the rate by a base
step times 1 to 4, by how much of the limit is left; the first failure goes back to the last rate
that passed and holds it. In a hold one failed window is forgiven, by going a step lower; the next ends the run as
failed, and we count its last rate all the same. Nothing is drained, and the rate never goes up
again.

AIPerf (ai-dynamo/aiperf, 2026-11): `timing/strategies/adaptive_scale.py`,
`adaptive_scale_controller.py`, `adaptive_scale_sla.py` (policy sla_margin, multiplier at most 4, 20
completed requests, assessment period 30 s, or 60 s in the documentation; the hold's length is the
user's). The tool takes 10 a second for its base step, whatever the target: a quarter of the first rate here, which lies between 1 % and
6 % of capacity when the first rate is 4 % to 24 % of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.search.baselines.environment import Answer, Environment, Probe
from benchmarks.search.baselines.judging import slow

FEWEST_COMPLETED = 20
MOST_TIMES = 4
MOST_WINDOWS = 400


@dataclass(frozen=True, slots=True)
class AiperfScale:
    window_s: float = 30.0
    hold_s: float = 60.0
    step_ratio: float = 0.25

    def find(self, env: Environment) -> Answer:
        load = _Load(env, self.window_s, env.first)
        passed = 0.0
        for took in load.windows():
            if took > env.limit_s:
                break
            passed = load.rate
            if passed >= env.high:
                return Answer(passed, low=passed, note="highest rate passes", bound="at_least")
            load.rate = min(env.high, passed + self._step(env, took))
        else:
            return Answer(passed or None, note="windows spent")
        failed = load.rate
        if not passed:
            return Answer(failed, high=failed, note="nothing sustainable found", bound="at_most")
        load.rate = passed
        return self._hold(env, load, failed)

    def _hold(self, env: Environment, load: _Load, failed: float) -> Answer:
        until_s = env.now_s + self.hold_s
        forgiven = False
        for took in load.windows():
            if took <= env.limit_s:
                forgiven = False
                if env.now_s >= until_s:
                    break
            elif forgiven:
                note = "the hold failed after a recovery"
                return Answer(load.rate, high=failed, note=note)
            else:
                forgiven = True
                load.rate = max(env.first, load.rate - self._step(env, took))
        return Answer(load.rate, load.rate, failed)

    def _step(self, env: Environment, took_s: float) -> float:
        left = max((env.limit_s - took_s) / env.limit_s, 0.0)  # failed windows took for ever
        times = max(1, min(MOST_TIMES, int(left * MOST_TIMES)))
        return self.step_ratio * env.first * times


class _Load:
    """Load that never pauses, seen through what completes in each window."""

    def __init__(self, env: Environment, window_s: float, rate: float) -> None:
        self.rate = rate
        self._env = env
        self._window_s = window_s
        self._open: list[Probe] = []
        self._begun = False

    def windows(self) -> Iterator[float]:
        """The percentile of every window that has enough completions, in seconds."""
        env = self._env
        for _ in range(MOST_WINDOWS):
            began_s = env.now_s
            sent = env.probe(self.rate, self._window_s, continued=self._begun)
            self._begun = True
            seen = [*(env.look(probe) for probe in self._open), sent]
            completed = [
                probe.took_s[(probe.start_s + probe.end_s > began_s) & probe.ended]
                for probe in seen
            ]
            self._open = [probe for probe in seen if not probe.ended.all()]
            took_s = np.concatenate(completed)
            if len(took_s) >= FEWEST_COMPLETED:
                yield slow(env, took_s)
