"""Which rate do AIPerf's search planners find, monotonic_sla and smooth_isotonic?

Both double from the lowest rate until one fails, and end when the bracket is 5 % of its upper end.

monotonic_sla bisects; a verdict stands when two runs agree on it. A verdict that contradicts
monotony changes no bound.

smooth_isotonic runs three rates inside the bracket, then makes the margins monotone (pool adjacent
violators, Barlow et al. 1972), lays a PCHIP curve through them and runs its root, or the middle
where there is none between the bounds. Where pooling has left fewer than three levels, up to three
refits run the middle of the gap's outer eighths first. Each run is preceded by a warm-up at its own
rate: 60 s the first time, 30 s again. Bounds latch from single verdicts.

AIPerf (ai-dynamo/aiperf, 2026-11): `orchestrator/search_planner/monotonic.py`,
`smooth_isotonic.py`, `_smooth_isotonic_phases.py` (SLA_PRECISION_DEFAULT 0.05, stability trials 2,
internal probes 3, "normal" precision 1,000 requests a run). Replicates and their bootstrap are off
there by default, and here. The tools search whole concurrencies; the rule is moved to real rates,
and the lowest is the rate that the user takes for safe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import margin_s, slow

MOST_RATES = 30
INSIDE = (0.25, 0.5, 0.75)
OUTER = (0.125, 0.625)
FEWEST_LEVELS = 3
MOST_REFITS = 3
SAME = 1e-3


@dataclass(frozen=True, slots=True)
class AiperfMonotonic:
    requests: int = 1000
    agreeing: int = 2
    precision: float = 0.05

    def find(self, env: Environment) -> Answer:
        bracket = _Bracket()
        rate = env.first
        for _ in range(MOST_RATES):
            bracket.enter(rate, good=self._verdict(env, rate))
            ended = bracket.ended(env, self.precision)
            if ended:
                return ended
            rate = bracket.middle() if bracket.bad else min(2 * rate, env.high)
        return bracket.answer("iterations spent")

    def _verdict(self, env: Environment, rate: float) -> bool:
        passes = fails = 0
        while max(passes, fails) < self.agreeing:
            good = slow(env, env.finish(env.burst(self.requests, rate)).took_s) < env.limit_s
            passes, fails = passes + good, fails + (not good)
        return passes > fails


@dataclass(frozen=True, slots=True)
class AiperfIsotonic:
    requests: int = 1000
    warm_up_s: float = 60.0
    warm_up_again_s: float = 30.0
    precision: float = 0.05

    def find(self, env: Environment) -> Answer:
        bracket = _Bracket()
        margins: dict[float, list[float]] = {}
        rate = env.first
        while not bracket.bad:
            self._run(env, rate, bracket, margins)
            ended = bracket.ended(env, self.precision)
            if ended:
                return ended
            rate = min(2 * rate, env.high)
        self._run_inside(env, INSIDE, bracket, margins)
        refits = 0
        while len(margins) < MOST_RATES:
            ended = bracket.ended(env, self.precision)
            if ended:
                return ended
            if refits < MOST_REFITS and _levels(margins) < FEWEST_LEVELS:
                refits += 1
                self._run_inside(env, OUTER, bracket, margins)
                continue
            rate = _root(margins, bracket)
            if any(abs(rate / tried - 1) < SAME for tried in margins):
                return bracket.answer("the root has been tried")
            self._run(env, rate, bracket, margins)
        return bracket.answer("iterations spent")

    def _run_inside(
        self,
        env: Environment,
        parts: tuple[float, ...],
        bracket: _Bracket,
        margins: dict[float, list[float]],
    ) -> None:
        low, gap = bracket.good, bracket.bad - bracket.good
        for part in parts:
            self._run(env, low + part * gap, bracket, margins)

    def _run(
        self, env: Environment, rate: float, bracket: _Bracket, margins: dict[float, list[float]]
    ) -> None:
        env.probe(rate, self.warm_up_again_s if rate in margins else self.warm_up_s)
        run = env.finish(env.burst(self.requests, rate))
        margin = margin_s(env, run)
        margins.setdefault(rate, []).append(margin)
        bracket.enter(rate, good=margin < 0)


class _Bracket:
    """Highest good and lowest bad rate; 0 while there is none. Contradictions are dropped."""

    def __init__(self) -> None:
        self.good = 0.0
        self.bad = 0.0

    def enter(self, rate: float, *, good: bool) -> None:
        if good and (not self.bad or rate < self.bad):
            self.good = max(self.good, rate)
        if not good and rate > self.good:
            self.bad = min(self.bad or rate, rate)

    def middle(self) -> float:
        return (self.good + self.bad) / 2

    def ended(self, env: Environment, precision: float) -> Answer | None:
        if self.bad and not self.good:
            return Answer(self.bad, high=self.bad, note="no pass in range", bound="at_most")
        if not self.bad and self.good >= env.high:
            return Answer(self.good, low=self.good, note="no failure in range", bound="at_least")
        if self.bad and (self.bad - self.good) / self.bad < precision:
            return self.answer("")
        return None

    def answer(self, note: str) -> Answer:
        return Answer(self.good, self.good, self.bad or None, note)


def _pooled(margins: dict[float, list[float]]) -> tuple[list[float], list[float]]:
    rates = sorted(margins)
    fitted = isotonic_regression([float(np.mean(margins[rate])) for rate in rates], increasing=True)
    return rates, fitted.x.tolist()


def _levels(margins: dict[float, list[float]]) -> int:
    return len(np.unique(np.round(_pooled(margins)[1], 12)))


def _root(margins: dict[float, list[float]], bracket: _Bracket) -> float:
    rates, pooled = _pooled(margins)
    rising = np.array(pooled) + 1e-9 * np.arange(len(pooled))
    roots = PchipInterpolator(rates, rising, extrapolate=False).roots()
    inside = [float(root) for root in roots if bracket.good < root < bracket.bad]
    return inside[0] if inside else bracket.middle()
