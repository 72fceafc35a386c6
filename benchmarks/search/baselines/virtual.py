"""What does a baseline see when the target is simulated?

TargetEnvironment puts load to a Target in virtual time. The target keeps its state from probe to
probe, requests in flight included; what has not ended by now on the clock is not shown. Every
probe draws its arrivals from a seed of its own, so that how one ends changes no other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.search.baselines.environment import (
    BudgetSpent,
    Cost,
    Flags,
    Floats,
    Probe,
    Spacing,
    Stop,
)
from benchmarks.search.baselines.judging import ROUNDING, Judge, response_time
from controller.sim.target import Keys, Served, Target
from controller.sim.traffic import Traffic

SLICE_S = 0.25
PATIENCE_S = 600.0
"""How long a client waits for responses before it gives them up."""
MOST_REQUESTS = 20_000_000
OVERLOAD = 1.02
_CHUNK = 5_000
_LOOK_S = 0.05
_TICK_S = 0.005
"""How finely a closed loop looks for ends that the target does not tell ahead."""


@dataclass(frozen=True, slots=True)
class Question:
    """`first` is a rate that the person asking takes for safe; `low` and `high` bound the rest."""

    limit_s: float
    low: float
    high: float
    first: float
    quantile: float = 0.99
    budget_s: float = 4 * 3600.0


class TargetEnvironment:
    """An Environment over a simulated target.

    `capacity` is the truth; it is used to count overload, and is shown to nobody.
    `traffic` makes its Poisson arrivals burstier; constant ones are the tool's own.
    """

    def __init__(
        self,
        target: Target,
        question: Question,
        *,
        seed: int,
        judge: Judge | None = None,
        capacity: float = math.inf,
        traffic: Traffic = Traffic(),  # noqa: B008 - frozen
    ) -> None:
        self.limit_s = question.limit_s
        self.quantile = question.quantile
        self.budget = 1.0 - question.quantile
        self.low = question.low
        self.high = question.high
        self.first = question.first
        self.budget_s = question.budget_s
        self._target = target
        self._judge = judge or response_time(question.limit_s)
        self._capacity = capacity
        self._seed = seed
        self._traffic = traffic
        self._draws = 0
        self._now_s = 0.0
        self._book = _Book()
        self._overload_s = 0.0
        self._probes = 0

    @property
    def now_s(self) -> float:
        return self._now_s

    def probe(
        self,
        rate: float,
        seconds: float,
        *,
        arrivals: Spacing = "poisson",
        stop: Stop | None = None,
        continued: bool = False,
    ) -> Probe:
        due_s = self._arrivals(rate, seconds, arrivals)
        return self._load(due_s, rate, seconds, stop=stop, continued=continued)

    def burst(self, count: int, rate: float, *, arrivals: Spacing = "poisson") -> Probe:
        if arrivals == "poisson" and self._traffic != Traffic():
            due_s = self._bursty(rate, count)
        else:
            poisson = arrivals == "poisson"
            gaps = self._random().exponential(size=count) if poisson else np.ones(count)
            due_s = np.cumsum(gaps) / rate
        return self._load(due_s, rate, float(due_s[-1]))

    def closed_loop(self, streams: int, seconds: float) -> Probe:
        start_s, first = self._now_s, self._book.count
        over_s = self._within(start_s + seconds)
        held = self._serve(np.full(streams, start_s), start_s)
        while self._now_s < over_s:
            ends_s = self._book.ends_s(held)
            ready = ends_s <= self._now_s
            if ready.any():
                held[ready] = self._serve(np.full(int(ready.sum()), self._now_s), self._now_s)
                continue
            next_s = float(ends_s.min())
            if not np.isfinite(ends_s).all():
                next_s = min(next_s, self._now_s + _TICK_S)
            self._serve(np.empty(0), min(next_s, over_s))
        rate = (self._book.count - first) / seconds
        return self._counted(first, rate, start_s, seconds)

    def look(self, probe: Probe) -> Probe:
        return self._seen(probe.name, len(probe.due_s), probe.rate, probe.start_s, probe.seconds)

    def finish(self, probe: Probe) -> Probe:
        self._wait_for(probe.name, probe.name + len(probe.due_s))
        return self.look(probe)

    def wait(self, seconds: float) -> None:
        end_s = self._now_s + seconds
        self._serve(np.empty(0), self._within(end_s))
        self._check(end_s)

    def drain(self) -> None:
        self._wait_for(self._book.settled(self._now_s), self._book.count)

    def spent(self) -> Cost:
        """Bad requests are those known by now."""
        bad = self._book.bad(self._now_s)
        return Cost(self._book.count, bad, self._overload_s, self._probes, self._now_s)

    def close(self) -> Cost:
        """Let what is in flight end, at no charge of time, and count it."""
        now_s = self._now_s
        self._serve(np.empty(0), now_s + PATIENCE_S)
        bad = self._book.bad(math.inf)
        return Cost(self._book.count, bad, self._overload_s, self._probes, now_s)

    def _random(self) -> np.random.Generator:
        self._draws += 1
        return np.random.default_rng((self._seed, self._draws))

    def _arrivals(self, rate: float, seconds: float, arrivals: Spacing) -> Floats:
        if arrivals == "constant":
            evenly: Floats = np.arange(1, math.floor(rate * seconds) + 1) / rate
            return evenly
        if self._traffic != Traffic():
            return self._bursty_until(rate, seconds)
        random = self._random()
        due_s = np.empty(0)
        while not len(due_s) or due_s[-1] < seconds:
            more = int(rate * seconds * 0.1 + 4 * math.sqrt(rate * seconds) + 20)
            more += 0 if len(due_s) else int(rate * seconds)
            begin_s = due_s[-1] if len(due_s) else 0.0
            due_s = np.append(due_s, begin_s + np.cumsum(random.exponential(size=more)) / rate)
        return due_s[due_s < seconds]

    def _bursty(self, rate: float, count: int) -> Floats:
        self._draws += 1
        return self._traffic.due_s(rate, count, (self._seed, self._draws))

    def _bursty_until(self, rate: float, seconds: float) -> Floats:
        count = int(1.5 * rate * seconds) + 100
        due_s = self._bursty(rate, count)
        while due_s[-1] < seconds:
            count *= 2
            due_s = self._bursty(rate, count)
        return due_s[due_s < seconds]

    def _load(
        self,
        due_s: Floats,
        rate: float,
        seconds: float,
        *,
        stop: Stop | None = None,
        continued: bool = False,
    ) -> Probe:
        """Send what is due, from now on, until it is over or somebody stops it."""
        start_s, first = self._now_s, self._book.count
        due_s = due_s + start_s
        over_s = self._within(start_s + seconds)
        due_s = due_s[due_s <= over_s]
        while len(due_s) or self._now_s < over_s:
            to_s = over_s if stop is None else min(self._now_s + SLICE_S, over_s)
            after = int(np.searchsorted(due_s, to_s, side="right"))
            if after > _CHUNK:
                after, to_s = _CHUNK, float(due_s[_CHUNK - 1])
            self._serve(due_s[:after], to_s)
            due_s = due_s[after:]
            taken_s = self._now_s - start_s
            count = self._book.count - first
            if stop is not None and stop(self._seen(first, count, rate, start_s, taken_s)):
                break
        return self._counted(first, rate, start_s, seconds, continued=continued)

    def _counted(
        self, first: int, rate: float, start_s: float, planned_s: float, *, continued: bool = False
    ) -> Probe:
        """Enter a load in the accounts, and see it."""
        seconds = self._now_s - start_s
        self._probes += not continued
        if rate > OVERLOAD * self._capacity:
            self._overload_s += seconds
        if self._now_s >= self.budget_s:
            self._check(start_s + planned_s)
        return self._seen(first, self._book.count - first, rate, start_s, seconds)

    def _seen(self, first: int, count: int, rate: float, start_s: float, seconds: float) -> Probe:
        due_s, end_s, took, failed = self._book.known(first, first + count, self._now_s)
        took_s = took * self.limit_s
        return Probe(
            first, rate, start_s, seconds, due_s - start_s, end_s - start_s, took_s, failed
        )

    def _serve(self, sent_s: Floats, through_s: float) -> Keys:
        if self._book.count + len(sent_s) > MOST_REQUESTS:
            raise BudgetSpent(f"more than {MOST_REQUESTS} requests")
        keys = self._book.enter(sent_s)
        through_s = max(through_s, self._now_s)
        served = self._target.serve(keys, sent_s, through_s)
        if len(served.keys):
            self._book.settle(served, self._judge)
        self._now_s = through_s
        return keys

    def _wait_for(self, first: int, last: int) -> None:
        """Until those have ended, in steps while it is not known when."""
        give_up_s = self._now_s + PATIENCE_S
        keys = np.arange(first, last)
        keys = keys[self._book.ends_s(keys) > self._now_s]
        while len(keys) and self._now_s < give_up_s:
            ends_s = self._book.ends_s(keys)
            known_s = float(ends_s.max())
            to_s = min(known_s if math.isfinite(known_s) else self._now_s + _LOOK_S, give_up_s)
            self._serve(np.empty(0), self._within(to_s))
            self._check(to_s)
            keys = keys[self._book.ends_s(keys) > self._now_s]

    def _within(self, to_s: float) -> float:
        return min(to_s, self.budget_s)

    def _check(self, wanted_s: float) -> None:
        if wanted_s > self.budget_s * (1 + ROUNDING):
            raise BudgetSpent(f"the budget of {self.budget_s:.0f} s is spent")


class _Book:
    """Every request there was; a key is its place."""

    def __init__(self) -> None:
        self.count = 0
        self._settled = 0
        self._due_s = np.empty(1024)
        self._end_s = np.empty(1024)
        self._took = np.empty(1024)

    def enter(self, sent_s: Floats) -> Keys:
        first, self.count = self.count, self.count + len(sent_s)
        while self.count > len(self._due_s):
            for name in ("_due_s", "_end_s", "_took"):
                held = getattr(self, name)
                setattr(self, name, np.concatenate((held, np.empty(len(held)))))
        self._due_s[first : self.count] = sent_s
        self._end_s[first : self.count] = math.inf
        self._took[first : self.count] = math.inf
        return np.arange(first, self.count)

    def settle(self, served: Served, judge: Judge) -> None:
        self._end_s[served.keys] = served.ends_s
        self._took[served.keys] = judge(served, self._due_s[served.keys])

    def ends_s(self, keys: Keys) -> Floats:
        ends_s: Floats = self._end_s[keys]
        return ends_s

    def settled(self, now_s: float) -> int:
        """How many from the first on have all ended."""
        going_on = np.flatnonzero(self._end_s[self._settled : self.count] > now_s)
        self._settled = self._settled + int(going_on[0]) if len(going_on) else self.count
        return self._settled

    def known(self, first: int, last: int, now_s: float) -> tuple[Floats, Floats, Floats, Flags]:
        """Due and end, how bad, failed; as far as it had come by then."""
        ended = self._end_s[first:last] <= now_s
        end_s = np.where(ended, self._end_s[first:last], math.inf)
        took = np.where(ended, self._took[first:last], math.inf)
        return self._due_s[first:last].copy(), end_s, took, ended & np.isinf(took)

    def bad(self, now_s: float) -> int:
        """Those that had ended by then and were bad; at the end of time, those without an end too."""
        ended = self._end_s[: self.count] <= now_s
        return int((ended & (self._took[: self.count] > 1.0 + ROUNDING)).sum())
