"""Did the target stall, and did it recover by itself?

Work conservation: a target that has work completes it. Between two completions a and b, with N
arrivals in flight on average, a time s to serve one and a highest rate X, as many were expected as

    S = (b - a) min(N / s, X)

but no more than are in flight at a and arrive before b, which tells once arrivals have ended.

A batching target completes in bursts, so its ordinary gaps are long. Its burst factor is the
largest S of the probe once so many of its gaps are left out as a stall every LEAST_APART_S could
make: learned in every probe, and no stall hides in it. A gap is a stall where

    S > max(10, 3 burst),  S' > ln(1000 n),  b - a >= 0.1 s,  3 or more are in flight at b

where S' is S with X no more than the rest of the probe shows. Of n completions that come singly and
at random one leaves such a gap in less than a thousandth of the probes. Two that touch are one where less was served between them than a tenth of what either lacks.

It has recovered when the number in flight is back at 1.3 N(a) + 3, at the latest 12 (b - a) +
0.5 s after b. Overload is never excused, for a queue that grows is worked off at full speed; nor is
a gap before which a backlog was there already, or in which arrivals timed out. Where
answers name their replica, the same holds of each of them with its own completions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contract.report import TICK_NS, Tick
from contract.units import Seconds
from controller.search.probe import Stall
from controller.search.tally import BUCKET_S, Setting, Tally

Floats = NDArray[np.float64]

TICK_S = TICK_NS / 1e9
LEAST_S, LONGEST_S = 0.1, 5.0
"""What may be called a stall; a target silent for longer than the second has failed."""
LEAST_EXPECTED, BURSTS, FEWEST_IN_FLIGHT = 10.0, 3.0, 3
TRICKLE_RATIO = 0.1
"""So little between two gaps, of what was due in either, leaves them one."""
LEAST_APART_S = 5.0
PROBES = 1000.0
"""Completions at random leave a gap that is called a stall in less than one of so many probes."""
FEWEST_BACKLOG, MOST_GIVEN_UP_RATIO = 10, 0.1
RECOVERED_TIMES, RECOVERED_FEWEST = 1.3, 3.0
RECOVERY_TIMES, RECOVERY_S = 12.0, 0.5
MOST_LEFT_OUT_RATIO = 0.5
"""A probe that lies in stalls for more than this is judged as it is."""
SERVICE_RATIO = 0.25
"""Of the tightest limit: the time to serve one while no probe has told."""
_BY_GENERATOR_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """The stalls of a probe, the due buckets that lie in them, and its burst factor.

    `ours`: the part of `buckets` in which it was the generator that stalled. A soak counts
    its stalls: nothing is left out of it.
    """

    stalls: tuple[Stall, ...] = ()
    buckets: frozenset[int] = frozenset()
    burst: float = 0.0
    ours: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Between completions: begin, end, in flight at both, and expected completions.

    `random` is that number where no more are expected than the whole probe shows.
    """

    begun_s: Floats
    ended_s: Floats
    before: Floats
    after: Floats
    expected: Floats
    random: Floats


def found(setting: Setting, tally: Tally) -> Found:
    """The stalls that have recovered or still may."""
    gaps = _gaps(setting, tally, _served(tick for part in tally.ticks for tick in part), 1.0)
    if gaps is None:
        return Found()
    burst = _burst(gaps, tally)
    known = max(burst, setting.burst) if setting.batching else 0.0
    stalls = _recovered(setting, tally, gaps, max(LEAST_EXPECTED, BURSTS * known))
    stalls += _apart(stalls, _of_replicas(setting, tally))
    spans = {stall: _span(setting, tally, stall) for stall in stalls}
    buckets = frozenset(index for span in spans.values() for index in span)
    judged = sum(1 for index in buckets if setting.is_judged(index))
    if judged * BUCKET_S > MOST_LEFT_OUT_RATIO * setting.probe.measure_s:
        return Found(burst=burst)
    ours = frozenset(i for s, span in spans.items() if _by_generator(tally, s) for i in span)
    counted = tuple(
        _counted(tally, stall, span) if setting.is_judged(span.start) else stall
        for stall, span in spans.items()
        if not ours & set(span)
    )
    if setting.probe.purpose == "soak":
        return Found(counted, burst=burst)
    return Found(counted, buckets, burst, ours)


def _served(ticks: Iterable[Tick]) -> NDArray[np.int64]:
    """Shape (ticks, 2): index, and what was served, of those in which something was."""
    served: dict[int, int] = {}
    for tick in ticks:
        if tick.completed > tick.errors:
            served[tick.index] = served.get(tick.index, 0) + tick.completed - tick.errors
    return np.array(sorted(served.items()), dtype=np.int64).reshape(-1, 2)


def _gaps(setting: Setting, tally: Tally, served: NDArray[np.int64], share: float) -> _Gaps | None:
    """The gaps of a target, or of a replica that serves `share` of what it is sent."""
    busy = served[:, 0]
    if len(busy) < 2 or len(tally.samples) < 2:
        return None
    open_end = max(int(tally.through_s / TICK_S), int(busy[-1]))
    edges = np.append(busy, open_end) * TICK_S
    begun_s, ended_s = edges[:-1], edges[1:]
    at_s = np.array([sample.through_s for sample in tally.samples])
    held = np.array([float(sample.in_flight) for sample in tally.samples])
    before, after = np.interp(begun_s, at_s, held), np.interp(ended_s, at_s, held)
    serve_s = setting.unloaded_s or Seconds(SERVICE_RATIO * setting.goal.tightest_limit_s)
    highest = _highest(setting, ended_s)
    long_s = ended_s - begun_s
    able = share * np.minimum((before + after) / 2 / serve_s, highest)
    seen_per_s = served[:, 1].sum() / max(float(long_s.sum() - long_s.max()), TICK_S)
    most = _left(setting, begun_s, ended_s, before)
    expected, random = (
        np.minimum(long_s * per_s, most) for per_s in (able, np.minimum(able, seen_per_s))
    )
    gaps = _Gaps(begun_s, ended_s, before, after, expected, random)
    return _joined(gaps, served[:, 1].astype(np.float64))


def _joined(gaps: _Gaps, served: Floats) -> _Gaps:
    """Neighbouring gaps as one where hardly anything was served between them.

    `served[i]` is what was at the begin of gap i. A target that all but stops lets one through now
    and then; the whole of its stall, and not the pieces, says how long it may take to recover.
    """
    each = gaps.expected
    begins = np.ones(len(served), dtype=bool)
    begins[1:] = served[1:] > TRICKLE_RATIO * np.minimum(each[1:], each[:-1])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(served)) - 1
    return _Gaps(
        gaps.begun_s[starts],
        gaps.ended_s[ends],
        gaps.before[starts],
        gaps.after[ends],
        np.add.reduceat(each, starts),
        np.add.reduceat(gaps.random, starts),
    )


def _left(setting: Setting, begun_s: Floats, ended_s: Floats, before: Floats) -> Floats:
    """Most that can be completed in a gap after which nothing arrives; infinite in the others.

    What is left in flight then is what takes long, and says nothing of the others' pace.
    """
    probe = setting.probe
    arriving = probe.rate * np.maximum(probe.duration_s - begun_s, 0.0)
    return np.where(ended_s > probe.duration_s, before + arriving, np.inf)


def _highest(setting: Setting, at_s: Floats) -> Floats:
    """Most completions a second: in the ramp no more than is offered by then."""
    probe = setting.probe
    most = max(float(probe.peak), float(setting.saturated_per_s or 0.0))
    part = np.clip(at_s / max(float(probe.ramp_s), 1e-9), 0.0, 1.0)
    offered = probe.ramp_from + (probe.rate - probe.ramp_from) * part
    return np.where(part < 1, np.minimum(offered, most), most)


def _burst(gaps: _Gaps, tally: Tally) -> float:
    """The largest expected number of an ordinary gap."""
    left_out = 1 + int(tally.through_s / LEAST_APART_S)
    ordered = np.sort(gaps.expected)[::-1]
    return float(ordered[left_out]) if len(ordered) > left_out else 0.0


def _most_before(setting: Setting) -> float:
    """More in flight before a gap is a backlog already: an arrival would wait beyond its limit."""
    return max(setting.probe.rate * setting.goal.largest_limit_s, FEWEST_BACKLOG)


def _given_up(tally: Tally, begun_s: float, until_s: float) -> int:
    """Arrivals that timed out meanwhile: what gives up waiting has not been served.

    Those that a full queue turned away have been answered, and go with the stall.
    """
    at = [s.timed_out for s in tally.samples if s.through_s <= until_s + 1e-9]
    before = [s.timed_out for s in tally.samples if s.through_s <= begun_s + 1e-9]
    return (at[-1] if at else 0) - (before[-1] if before else 0)


def _recovered(
    setting: Setting, tally: Tally, gaps: _Gaps, least: float, replica: str = ""
) -> tuple[Stall, ...]:
    long = gaps.ended_s - gaps.begun_s
    few = (gaps.expected <= least) | (gaps.after < FEWEST_IN_FLIGHT) | (long < LEAST_S - 1e-9)
    few |= gaps.random <= math.log(max(PROBES * setting.probe.rate * setting.probe.duration_s, 1.0))
    stalls = []
    for index in np.flatnonzero(~few & (long <= LONGEST_S)):
        begun_s, ended_s = float(gaps.begun_s[index]), float(gaps.ended_s[index])
        before = _held_before(tally, begun_s)
        held = _held_late(tally, begun_s, ended_s)
        if held < FEWEST_IN_FLIGHT or before > _most_before(setting):
            continue
        until_s = ended_s + RECOVERY_TIMES * (ended_s - begun_s) + RECOVERY_S
        back = (
            s.through_s
            for s in tally.samples
            if s.through_s >= ended_s and s.in_flight <= RECOVERED_TIMES * before + RECOVERED_FEWEST
        )
        recovered_s = next(back, None)
        last_s = tally.through_s if recovered_s is None else recovered_s
        if last_s > until_s or _given_up(tally, begun_s, last_s) > MOST_GIVEN_UP_RATIO * held:
            continue
        stalls.append(
            Stall(
                Seconds(begun_s),
                Seconds(ended_s),
                recovered_s,
                float(gaps.expected[index]),
                before,
                replica=replica,
            )
        )
    return tuple(stalls)


def _of_replicas(setting: Setting, tally: Tally) -> tuple[Stall, ...]:
    """Stalls of single replicas, which the others hide from the sum."""
    names = tally.replicas
    if len(names) < 2:
        return ()
    stalls: tuple[Stall, ...] = ()
    ticks = [tick for part in tally.ticks for tick in part]
    whole = max(sum(t.completed for t in ticks), 1)
    for number, name in enumerate(names, start=1):
        own = [tick for tick in ticks if tick.replica == number]
        gaps = _gaps(setting, tally, _served(own), sum(t.completed for t in own) / whole)
        if gaps is not None:
            burst = _burst(gaps, tally) if setting.batching else 0.0
            least = max(LEAST_EXPECTED, BURSTS * burst)
            stalls += _recovered(setting, tally, gaps, least, name)
    return stalls


def _apart(known: tuple[Stall, ...], more: tuple[Stall, ...]) -> tuple[Stall, ...]:
    """Those that overlap none before them: what stalls together stalls once."""
    found: list[Stall] = []
    for stall in sorted(more, key=lambda one: one.begun_s):
        others = (*known, *found)
        if all(stall.ended_s < o.begun_s or stall.begun_s > o.ended_s for o in others):
            found.append(stall)
    return tuple(found)


def _held_before(tally: Tally, at_s: float) -> int:
    """In flight at the last report before a gap, which the gap has not swollen yet."""
    before = [s.in_flight for s in tally.samples if s.through_s <= at_s + 1e-9]
    return before[-1] if before else 0


def _held_late(tally: Tally, begun_s: float, ended_s: float) -> int:
    """In flight at the last report within a gap, or at the first after it: it rises while nothing ends.

    Between reports it is only guessed, and a pause of the arrivals is no stall.
    """
    within = [s.in_flight for s in tally.samples if begun_s < s.through_s <= ended_s]
    if within:
        return within[-1]
    return next((s.in_flight for s in tally.samples if s.through_s > ended_s), 0)


def _span(setting: Setting, tally: Tally, stall: Stall) -> range:
    """Due buckets of the arrivals that a stall held up, as the target worked off its queue."""
    serve_s = float(setting.unloaded_s or SERVICE_RATIO * setting.goal.tightest_limit_s)
    ahead_s = stall.in_flight / max(float(setting.probe.rate), 1e-9)
    until_s = tally.through_s if stall.recovered_s is None else stall.recovered_s
    first = int(max(0.0, stall.begun_s - max(2 * serve_s, ahead_s)) / BUCKET_S)
    return range(first, int(until_s / BUCKET_S - 1e-9) + 1)


def _by_generator(tally: Tally, stall: Stall) -> bool:
    """Whether arrivals were sent late all through it, so that nothing can be said of the target."""
    late = max(
        (
            s.send_lag_s
            for s in tally.samples
            if stall.begun_s <= s.through_s <= stall.ended_s + BUCKET_S
        ),
        default=0.0,
    )
    return late > _BY_GENERATOR_RATIO * stall.seconds


def _counted(tally: Tally, stall: Stall, span: range) -> Stall:
    """The stall with what it cost."""
    width = len(tally.judged)
    judged, bad, failed = [0] * width, [0] * width, 0
    for bucket in tally.buckets:
        if bucket.index in span:
            failed += bucket.failed
            for row in range(width):
                judged[row] += bucket.judged[row]
                bad[row] += bucket.bad[row]
    return replace(stall, judged=tuple(judged), bad=tuple(bad), failed=failed)
