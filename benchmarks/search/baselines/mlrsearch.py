"""Which rate does MLRsearch find, when a bad trial is one with too many bad requests?

Multiple Loss Ratio search (RFC 9971) repeats short trials at a load until it is decided: a load is
a lower bound when at most half of the required trial-seconds are bad, an upper bound when more are.
It is decided as soon as what is left of them cannot change that. The search goes through targets,
from coarse to fine: each has a sum of seconds and a width; before the last one there are two, with
sums falling geometrically towards one trial and widths twice and four times as wide. First load:
what comes through at the highest. From bounds on one side only it expands, twice as far each time;
between bounds it halves the logarithm. A new target checks its relevant bounds anew.

RFC 9971; FDio/csit at 78e52b9, `resources/libraries/python/MLRsearch/` (exceed ratio 0.5, two
preceding targets, expansion 2, a second of warm-up at the highest load, thrown away). There a
trial lasts 1 s of a sum of 21 s at 0.5 % width, for networks; latency needs trials of 3 s or 10 s,
a sum of 60 s, and 2 %. Between trials nothing is left in flight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import achieved, carried

WARM_UP_S = 1.0
EXPANSION = 2.0
MOST_LOADS = 60


@dataclass(frozen=True, slots=True)
class MlrSearch:
    trial_s: float = 3.0
    sum_s: float = 60.0
    width: float = 0.02
    exceed: float = 0.5
    preceding: int = 2

    def find(self, env: Environment) -> Answer:
        trials = _Trials(env, self.trial_s, self.exceed)
        env.probe(env.high, WARM_UP_S)
        env.drain()
        came = trials.measure(env.high)
        bounds = _Bounds(min(max(came, env.low), env.high))
        for sum_s, width in self._targets():
            self._narrow(env, trials, bounds, sum_s, width)
        if not bounds.low:
            return Answer(env.low, high=bounds.high, note="no lower bound", bound="at_most")
        if not bounds.high:
            return Answer(bounds.low, low=bounds.low, note="no upper bound", bound="at_least")
        return Answer(bounds.low, bounds.low, bounds.high)

    def _targets(self) -> list[tuple[float, float]]:
        """Seconds and widths, the coarsest first."""
        shrink = self.trial_s / self.sum_s
        back = range(self.preceding, -1, -1)
        sums_s = [self.sum_s * shrink ** (k / max(1, self.preceding)) for k in back]
        return [(s, self.width * 2**k) for s, k in zip(sums_s, back, strict=True)]

    def _narrow(
        self, env: Environment, trials: _Trials, bounds: _Bounds, sum_s: float, width: float
    ) -> None:
        """Until there are bounds on both sides, this close together, or an end of the range."""
        stride = EXPANSION * width
        for load in bounds.forgotten():
            bounds.enter(load, good=trials.is_good(load, sum_s))
        for _ in range(MOST_LOADS):
            if bounds.low and bounds.high:
                if bounds.high - bounds.low <= width * bounds.high * (1 + 1e-9):
                    break
                load = math.sqrt(bounds.low * bounds.high)
            elif bounds.low or bounds.high:
                if bounds.low >= env.high or 0 < bounds.high <= env.low:
                    break
                load = bounds.low * (1 + stride) or bounds.high * (1 - min(stride, 0.9))
                load = min(max(load, env.low), env.high)
                stride *= EXPANSION
            else:
                load = bounds.hint
            bounds.enter(load, good=trials.is_good(load, sum_s))


@dataclass(slots=True)
class _Trials:
    """Good and bad seconds at every load so far."""

    env: Environment
    trial_s: float
    exceed: float
    seconds: dict[float, list[float]] = field(default_factory=dict)

    def measure(self, load: float) -> float:
        """One trial; what came through, per second."""
        trial = self.env.probe(load, self.trial_s)
        self.env.drain()
        bad = not carried(self.env, self.env.look(trial))
        self.seconds.setdefault(load, [0.0, 0.0])[bad] += self.trial_s
        return achieved(trial)

    def is_good(self, load: float, sum_s: float) -> bool:
        """A lower bound? Trials are added until it is certain."""
        while True:
            good_s, bad_s = self.seconds.get(load, (0.0, 0.0))
            whole_s = max(sum_s, good_s + bad_s)
            if bad_s > self.exceed * whole_s:
                return False
            if whole_s - good_s <= self.exceed * whole_s:
                return True
            self.measure(load)


class _Bounds:
    """The tightest lower and upper bound; 0 while there is none."""

    def __init__(self, hint: float) -> None:
        self.hint = hint
        self.low = 0.0
        self.high = 0.0

    def forgotten(self) -> list[float]:
        """A longer target begins: what bounds there were are loads to look at again."""
        before = [load for load in (self.low, self.high) if load]
        self.low = self.high = 0.0
        return before

    def enter(self, load: float, *, good: bool) -> None:
        """Above what is bad nothing is good: a good load over the upper bound does not count."""
        if good:
            if not self.high or load < self.high:
                self.low = max(self.low, load)
        else:
            self.high = min(self.high or load, load)
            if self.low >= self.high:
                self.low = 0.0
