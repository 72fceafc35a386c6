"""What a tally holds of a probe of a queue, made straight from due and completion times.

Faster than reports, so that a claim can be tried on very many probes.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contract.report import DueBucket, Tick
from contract.units import Rate, Seconds
from controller.search.goal import Goal
from controller.search.probe import Probe
from controller.search.tally import BUCKET_S, Sample, Setting, Tally, empty

Floats = NDArray[np.float64]

TICK_S = 0.02


@dataclass(frozen=True)
class Halt:
    """The queue does nothing from `at_s` for `seconds`; `speed` of it goes on."""

    at_s: float
    seconds: float
    speed: float = 0.0


def poisson(rate: float, seconds: float, rng: np.random.Generator) -> Floats:
    times = np.cumsum(rng.exponential(1 / rate, int(rate * seconds * 1.2 + 50)))
    kept: Floats = times[times < seconds]
    return kept


def _worked(at_s: float, work_s: float, halts: tuple[Halt, ...]) -> float:
    """When work begun at `at_s` is done."""
    for halt in halts:
        over_s = halt.at_s + halt.seconds
        if at_s >= over_s or at_s + work_s <= halt.at_s:
            continue
        before_s = max(halt.at_s - at_s, 0.0)
        left_s, at_s = work_s - before_s, max(at_s, halt.at_s)
        if left_s <= (over_s - at_s) * halt.speed:
            return at_s + left_s / halt.speed
        work_s, at_s = left_s - (over_s - at_s) * halt.speed, over_s
    return at_s + work_s


def fifo(
    due: Floats, rng: np.random.Generator, halts: tuple[Halt, ...] = (), servers: int = 8
) -> Floats:
    """Completions of `servers` places of 40 ms with cv 0.6: 200/s at most."""
    free = [0.0] * servers
    work_s = rng.gamma(0.6**-2, 0.04 * 0.6**2, len(due))
    done = np.empty(len(due))
    for index, (at_s, takes_s) in enumerate(zip(due.tolist(), work_s.tolist(), strict=True)):
        end_s = _worked(max(at_s, free[0]), takes_s, halts)
        heapq.heapreplace(free, end_s)
        done[index] = end_s
    return done


def batches(due: Floats, halts: tuple[Halt, ...] = (), most: int = 16) -> Floats:
    """Completions of one replica, 20 ms + 2.5 ms an arrival and up to 16 a batch: 266/s at most."""
    done, first, free_s = np.empty(len(due)), 0, 0.0
    times = due.tolist()
    while first < len(times):
        begun_s = max(times[first], free_s)
        last = first + 1
        while last < len(times) and last - first < most and times[last] <= begun_s:
            last += 1
        free_s = _worked(begun_s, 0.020 + 0.0025 * (last - first), halts)
        done[first:last] = free_s
        first = last
    return done


def seen(
    goal: Goal,
    due: Floats,
    done: Floats,
    *,
    until_s: float,
    replica_of: NDArray[np.int64] | None = None,
) -> Tally:
    """The tally at `until_s`; the limit of the first objective decides what is bad."""
    names: NDArray[np.int64] = np.zeros(len(due), np.int64) if replica_of is None else replica_of
    buckets = _buckets(due, done, goal.tightest_limit_s, until_s)
    return replace(
        empty(Setting(a_steady_probe(1.0, until_s), goal)),
        through_s=Seconds(until_s),
        buckets=buckets,
        samples=_samples(due, done, until_s),
        ticks=(_ticks(done, names, until_s),),
        judged=(sum(b.judged[0] for b in buckets),),
        bad=(sum(b.bad[0] for b in buckets),),
        replicas=tuple(f"r{n}" for n in range(1, int(names.max(initial=0)) + 1)),
    )


def _buckets(due: Floats, done: Floats, limit_s: float, until_s: float) -> tuple[DueBucket, ...]:
    index_of, size = (due / BUCKET_S).astype(np.int64), int(until_s / BUCKET_S)
    scheduled, of, bad = (
        np.bincount(index_of[which], minlength=size)
        for which in (due <= until_s, done <= until_s, (done <= until_s) & (done - due > limit_s))
    )
    return tuple(
        DueBucket(
            i,
            scheduled=int(scheduled[i]),
            sent=int(scheduled[i]),
            judged=(int(of[i]),),
            bad=(int(bad[i]),),
        )
        for i in range(size)
    )


def _samples(due: Floats, done: Floats, until_s: float) -> tuple[Sample, ...]:
    at_s = np.arange(1, int(until_s / BUCKET_S) + 1) * BUCKET_S
    sent = np.searchsorted(due, at_s, side="right")
    ended = np.searchsorted(np.sort(done), at_s, side="right")
    return tuple(
        Sample(Seconds(t), int(e), 0, int(s - e), Rate(0))
        for t, s, e in zip(at_s, sent, ended, strict=True)
    )


def _ticks(done: Floats, names: NDArray[np.int64], until_s: float) -> tuple[Tick, ...]:
    places, ended = (done / TICK_S).astype(np.int64), done <= until_s
    return tuple(
        Tick(int(i), int(n), 0, int(name))
        for name in np.unique(names)
        for i, n in zip(
            *np.unique(places[ended & (names == name)], return_counts=True), strict=True
        )
    )


def a_steady_probe(rate: float, seconds: float) -> Probe:
    """Judged from its first second on."""
    return Probe(1, "search", Rate(rate), Seconds(0.0), Seconds(1.0), Seconds(seconds - 1.0))
