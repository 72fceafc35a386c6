"""A batching queue in virtual time that reports as a fleet would: what the search is tried on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from contract.latency import Histogram
from contract.report import DueBucket, FleetReport, InFlight, Ledger, Tick
from contract.units import Seconds
from controller.search.answer import Capacity
from controller.search.capacity import Search, observe, propose, start
from controller.search.goal import Goal
from controller.search.probe import Outcome, Probe
from controller.search.trial import begin, conclude, decide, feed

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CADENCE_S = 0.25
TICK_S = 0.02
OVERHEAD_S = 1.0
"""Telling the workers and stopping them."""


@dataclass
class BatchingTarget:
    """Greedy batching: up to `max_batch`, oldest first, held for base_s + per_item_s * n.

    `slow_start` = (extra share of time at first, time constant in s) makes it warm up;
    until `half_until_s` it is half as fast;
    `refuses_above` answers what comes beyond that many waiting with an error at once.
    """

    base_s: float = 0.020
    per_item_s: float = 0.0025
    max_batch: int = 16
    slow_start: tuple[float, float] = (0.0, 1.0)
    half_until_s: float = 0.0
    refuses_above: int | None = None
    dead_from_s: float = math.inf
    free_s: float = 0.0

    def serve(self, due: Floats) -> tuple[Floats, Bools]:
        """Completion times of arrivals at `due` on the target's clock, and which failed."""
        done = np.empty(len(due))
        failed = due >= self.dead_from_s
        done[failed] = due[failed] + 0.001
        alive = np.flatnonzero(~failed)
        times = due[alive].tolist()
        first, count = 0, len(times)
        while first < count:
            begun = max(times[first], self.free_s)
            last = first + 1
            while last < count and last - first < self.max_batch and times[last] <= begun:
                last += 1
            extra = self.slow_start[0] * math.exp(-begun / self.slow_start[1])
            halved = 2 if begun < self.half_until_s else 1
            work_s = (self.base_s + self.per_item_s * (last - first)) * (1 + extra) * halved
            self.free_s = begun + work_s
            done[alive[first:last]] = self.free_s
            first = last
        return done, failed


@dataclass
class VirtualFleet:
    """Sends a probe's arrivals to a target and reports them; `now_s` is virtual time."""

    target: BatchingTarget
    goal: Goal
    seed: int
    lag_s: float = 0.0005
    now_s: float = 0.0
    sent: int = 0
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def measure(self, search: Search, probe: Probe) -> Outcome:
        """Offer `probe` until the trial decides."""
        begun_s = self.now_s
        self.now_s += probe.rest_s
        trial = begin(search, probe)
        outcome = None
        due = self._due(probe)
        kept = (self.target.free_s, self.now_s)
        done, failed = self.target.serve(due + self.now_s)
        for report in reports(self.goal, probe, due, done - self.now_s, failed, lag_s=self.lag_s):
            trial = feed(trial, report)
            outcome = decide(trial)
            if outcome is not None:
                break
        outcome = outcome or conclude(trial)
        until_s = trial.tally.through_s
        if until_s < probe.duration_s:
            self.target.free_s = kept[0]
            due = due[due <= until_s]
            done, _ = self.target.serve(due + self.now_s)
        drained_s = float(done.max(initial=0.0)) - self.now_s
        self.now_s += max(until_s, drained_s) + OVERHEAD_S
        self.sent += len(due)
        return _timed(outcome, self.now_s - begun_s)

    def _due(self, probe: Probe) -> Floats:
        count = int(probe.rate * probe.duration_s * 1.3 + 6 * math.sqrt(probe.rate) + 50)
        times = np.cumsum(self._rng.exponential(1 / probe.rate, count))
        half_s = probe.ramp_s / 2  # a linear ramp sends half of it: stretch what falls into it
        times = np.where(times < half_s, np.sqrt(4 * half_s * times), times + half_s)
        kept: Floats = np.sort(times)
        return kept[kept < probe.duration_s]


def reports(
    goal: Goal, probe: Probe, due: Floats, done: Floats, failed: Bools, *, lag_s: float
) -> Iterator[FleetReport]:
    """The merged reports of a probe, every quarter of a second, until nothing is in flight."""
    ended = np.argsort(done, kind="stable")
    done_in_order = done[ended]
    index_of = (due / CADENCE_S).astype(int)
    step, ended_before, due_before, faults = 0, 0, 0, 0
    while True:
        step += 1
        through_s = step * CADENCE_S
        due_now = int(np.searchsorted(due, through_s))
        ended_now = int(np.searchsorted(done_in_order, through_s))
        new = ended[ended_before:ended_now]
        faults += int(failed[new].sum())
        waiting = np.flatnonzero(done[:due_now] > through_s)
        totals = Ledger(
            scheduled=due_now,
            sent=due_now,
            succeeded=ended_now - faults,
            failed=faults,
            in_flight=due_now - ended_now,
        )
        yield FleetReport(
            probe=probe.number,
            through_ns=round(through_s * 1e9),
            workers=1,
            totals=totals,
            buckets=_buckets(goal, index_of, (due_before, due_now), new, done - due, failed),
            ticks=_ticks(done[new], failed[new]),
            in_flight=_in_flight(goal, index_of, waiting, through_s - due),
            send_lag=Histogram.of(np.full(due_now - due_before, lag_s)),
            requests=due_now - due_before,
            errors=(("ConnectionRefusedError", int(failed[new].sum())),)
            if failed[new].any()
            else (),
        )
        ended_before, due_before = ended_now, due_now
        if through_s >= probe.duration_s + 3 and ended_now == len(due):
            return


def _ticks(done: Floats, failed: Bools) -> tuple[Tick, ...]:
    index_of = (done / TICK_S).astype(int)
    return tuple(
        Tick(int(index), int((index_of == index).sum()), int(failed[index_of == index].sum()))
        for index in np.unique(index_of)
    )


def _buckets(
    goal: Goal,
    index_of: NDArray[np.int64],
    due_span: tuple[int, int],
    new: NDArray[np.int64],
    response_s: Floats,
    failed: Bools,
) -> tuple[DueBucket, ...]:
    fresh = index_of[slice(*due_span)]
    indices = sorted({*fresh.tolist(), *index_of[new].tolist()})
    buckets = []
    for index in indices:
        here = new[index_of[new] == index]
        times, faulty = response_s[here], failed[here]
        bad = [_bad(limit, times, faulty) for limit in limits(goal)]
        scheduled = int((fresh == index).sum())
        histogram = Histogram.of(times[~faulty])
        buckets.append(
            DueBucket(
                index=index,
                scheduled=scheduled,
                sent=scheduled,
                succeeded=int((~faulty).sum()),
                failed=int(faulty.sum()),
                judged=(len(here),) * len(bad),
                bad=tuple(int(b.sum()) for b in bad),
                bad_any=int(np.any(bad, axis=0).sum()) if len(here) else 0,
                response_time=histogram,
                service_time=histogram,
            )
        )
    return tuple(buckets)


def _in_flight(
    goal: Goal, index_of: NDArray[np.int64], waiting: NDArray[np.int64], age_s: Floats
) -> tuple[InFlight, ...]:
    entries = []
    for index in sorted(set(index_of[waiting].tolist())):
        here = waiting[index_of[waiting] == index]
        over = tuple(int((age_s[here] > limit).sum()) for limit in limits(goal))
        entries.append(InFlight(index, len(here), over))
    return tuple(entries)


def limits(goal: Goal) -> tuple[float, ...]:
    return tuple(math.inf if o.limit_s is None else float(o.limit_s) for o in goal.objectives)


def _bad(limit_s: float, times: Floats, failed: Bools) -> Bools:
    bad: Bools = (times > limit_s) | failed
    return bad


def _timed(outcome: Outcome, seconds: float) -> Outcome:
    return replace(outcome, seconds=Seconds(seconds))


def searched(
    goal: Goal, target: BatchingTarget, seed: int
) -> tuple[Search, Capacity, list[Outcome]]:
    """A whole search in virtual time."""
    fleet = VirtualFleet(target, goal, seed)
    search, outcomes = start(goal), []
    while isinstance(step := propose(search), Probe):
        outcome = fleet.measure(search, step)
        outcomes.append(outcome)
        search = observe(search, outcome)
    assert isinstance(step, Capacity)
    return search, step, outcomes
