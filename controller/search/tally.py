"""What has a probe shown so far?

Reports are increments; the tally is their running sum, split at `judged_from`: only arrivals due
from there on are judged. It stays small, for it is fed four times a second.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from contract.latency import Histogram
from contract.report import BUCKET_NS, Connected, DueBucket, FleetReport, InFlight, Ledger, Tick
from contract.units import Rate, Seconds
from controller.search.connected import added, joined
from controller.search.estimate import Belief
from controller.search.goal import Goal
from controller.search.probe import Probe
from controller.search.strain import Strain, strained
from controller.search.times import sum_log
from controller.search.windows import compacted

BUCKET_S = BUCKET_NS / 1e9
RATE_SPAN_S = 1.0
"""Completions per second are counted over this."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the rules must know besides the reports.

    `unloaded_s` is the median and `idle_s` the mean service time of an idle target, `burst` its burst factor in earlier
    probes (`controller.search.stalls`), `batching` whether that is to be heeded.
    """

    probe: Probe
    goal: Goal
    beliefs: tuple[Belief, ...] = ()
    saturated_per_s: Rate | None = None
    unloaded_s: Seconds | None = None
    burst: float = 0.0
    batching: bool = True
    idle_s: Seconds = Seconds(0.0)

    @property
    def planned(self) -> float:
        """Arrivals that a whole probe judges, on average."""
        probe = self.probe
        if probe.profile:
            return probe.expected(probe.judged_from_s, probe.duration_s)
        return probe.rate * probe.measure_s

    def is_counting(self, through_s: float) -> bool:
        """Whether a report up to then tells of judged arrivals."""
        return through_s > self.probe.judged_from_s

    def is_judged(self, index: int) -> bool:
        """Whether arrivals of the due bucket `index` are judged."""
        return index * BUCKET_S >= self.probe.judged_from_s - 1e-6


@dataclass(frozen=True, slots=True)
class Sample:
    """Running counts of arrivals at one report; `per_s` succeeded over the last second.

    `send_lag_s` is the longest since the report before, `judged` how many judged ones are decided.
    """

    through_s: Seconds
    succeeded: int
    faults: int
    in_flight: int
    per_s: Rate
    send_lag_s: float = 0.0
    judged: int = 0
    timed_out: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """Service times of some requests of one due bucket: their number and the sum of their logs."""

    index: int
    count: int
    sum_log: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over a probe's reports; tuples of numbers have one entry per objective.

    `over_limit` are the judged ones in flight and already bad, `waiting` all judged ones in
    flight, `in_flight` the same by due bucket. What is due in the buckets `left_out` is in none. `send_lag` leaves out what was sent before anything
    was judged.
    """

    judged: tuple[int, ...]
    bad: tuple[int, ...]
    over_limit: tuple[int, ...]
    through_s: Seconds = Seconds(0.0)
    totals: Ledger = field(default_factory=Ledger)
    sent: int = 0
    decided: int = 0
    faults: int = 0
    waiting: int = 0
    in_flight: tuple[InFlight, ...] = ()
    bad_any: int = 0
    over_any: int = 0
    buckets: tuple[DueBucket, ...] = ()
    left_out: frozenset[int] = frozenset()
    levels: tuple[Level, ...] = ()
    samples: tuple[Sample, ...] = ()
    ticks: tuple[tuple[Tick, ...], ...] = ()
    replicas: tuple[str, ...] = ()
    send_lag: Histogram = field(default_factory=Histogram)
    requests: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    lost: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    unaccounted: int = 0
    strains: tuple[Strain, ...] = ()
    phases: tuple[tuple[str, Histogram], ...] = ()
    connections: tuple[Connected, ...] = ()

    @property
    def known_bad(self) -> tuple[int, ...]:
        """Bad already, whatever comes: decided so, or in flight for longer than the limit."""
        return _added(self.bad, self.over_limit)

    @property
    def undecided(self) -> bool:
        """Whether one in flight could still be good or bad for an objective."""
        return any(over < self.waiting for over in self.over_limit)

    @property
    def known(self) -> tuple[int, ...]:
        """Judged or in flight for longer than the limit: what `known_bad` is out of."""
        return _added(self.judged, self.over_limit)


def empty(setting: Setting) -> Tally:
    """Nothing reported yet."""
    none = (0,) * len(setting.goal.objectives)
    return Tally(none, none, none)


def fed(setting: Setting, tally: Tally, report: FleetReport) -> Tally:
    """Add one merged report."""
    width = len(tally.judged)
    judged = tuple(b for b in report.buckets if setting.is_judged(b.index))
    waiting = [entry for entry in report.in_flight if setting.is_judged(entry.index)]
    through_s = Seconds(report.through_ns / 1e9)
    counting = setting.is_counting(through_s)
    decided = tally.decided + sum(_decided(b) for b in judged)
    return replace(
        tally,
        judged=_added(tally.judged, _columns((b.judged for b in judged), width)),
        bad=_added(tally.bad, _columns((b.bad for b in judged), width)),
        over_limit=_columns((entry.over_limit for entry in waiting), width),
        through_s=through_s,
        totals=report.totals,
        sent=tally.sent + sum(b.sent for b in judged),
        decided=decided,
        faults=tally.faults + sum(b.failed + b.timed_out for b in judged),
        waiting=sum(entry.count for entry in waiting),
        in_flight=tuple(waiting),
        bad_any=tally.bad_any + sum(b.bad_any for b in report.buckets),
        over_any=_over_any(report.in_flight),
        buckets=compacted(setting.probe, tally.buckets + judged),
        levels=tally.levels + _levels(setting, report.buckets),
        samples=(*tally.samples, _sample(tally, through_s, report, decided)),
        ticks=(*tally.ticks, report.ticks) if report.ticks else tally.ticks,
        replicas=report.replicas or tally.replicas,
        send_lag=tally.send_lag + report.send_lag if counting else tally.send_lag,
        requests=tally.requests + report.requests,
        errors=_merged(tally.errors, report.errors),
        lost=tuple(dict.fromkeys((*tally.lost, *report.lost))),
        late=report.late,
        unaccounted=tally.unaccounted + report.unaccounted,
        strains=strained(
            tally.strains, report.health, anew=counting and not setting.is_counting(tally.through_s)
        ),
        phases=joined(tally.phases, report.phases),
        connections=added(tally.connections, report.connections),
    )


def settled(tally: Tally, age_s: float) -> Tally:
    """The judged arrivals of due buckets that ended `age_s` ago, and the time up to then.

    Of younger ones those that were quick have ended, and those that will be bad have not.
    """
    until_s = whole_s(tally.through_s - age_s)
    buckets = tuple(b for b in tally.buckets if ends_by(b.index, until_s))
    waiting = tuple(entry for entry in tally.in_flight if ends_by(entry.index, until_s))
    return replace(_limited(tally, buckets, waiting), through_s=until_s)


def without(tally: Tally, left_out: Collection[int]) -> Tally:
    """The judged arrivals of all due buckets but some."""
    if not left_out:
        return tally
    buckets = tuple(b for b in tally.buckets if b.index not in left_out)
    waiting = tuple(entry for entry in tally.in_flight if entry.index not in left_out)
    return replace(_limited(tally, buckets, waiting), left_out=frozenset(left_out))


def _limited(tally: Tally, buckets: tuple[DueBucket, ...], waiting: tuple[InFlight, ...]) -> Tally:
    width = len(tally.judged)
    return replace(
        tally,
        judged=_columns((b.judged for b in buckets), width),
        bad=_columns((b.bad for b in buckets), width),
        over_limit=_columns((entry.over_limit for entry in waiting), width),
        sent=sum(b.sent for b in buckets),
        decided=sum(_decided(b) for b in buckets),
        faults=sum(b.failed + b.timed_out for b in buckets),
        waiting=sum(entry.count for entry in waiting),
        in_flight=waiting,
        buckets=buckets,
    )


def behind(tally: Tally, from_s: float) -> Tally:
    """The judged arrivals due from `from_s` on; the time and the totals stay."""
    buckets = tuple(b for b in tally.buckets if b.index * BUCKET_S >= from_s - 1e-6)
    waiting = tuple(e for e in tally.in_flight if e.index * BUCKET_S >= from_s - 1e-6)
    return _limited(tally, buckets, waiting)


def scheduled(tally: Tally, until_s: float) -> int:
    """Judged arrivals due before `until_s`; reports tell of later ones too."""
    return sum(b.scheduled - b.cancelled for b in tally.buckets if ends_by(b.index, until_s))


def ends_by(index: int, until_s: float) -> bool:
    """Whether the due bucket ends by then."""
    return (index + 1) * BUCKET_S <= until_s + 1e-6


def whole_s(seconds: float) -> Seconds:
    """As many whole due buckets as fit."""
    return Seconds(math.floor((seconds + 1e-6) / BUCKET_S) * BUCKET_S)


def per_second(samples: Sequence[Sample], since_s: float) -> tuple[float, int]:
    """Successes per second since `since_s`, and their number, by the samples around it."""
    last = samples[-1]
    start = next((s for s in reversed(samples) if s.through_s <= since_s + 1e-6), None)
    begun_s, before = (0.0, 0) if start is None else (start.through_s, start.succeeded)
    span_s = last.through_s - begun_s
    done = last.succeeded - before
    return (done / span_s if span_s > 0 else 0.0), done


def _sample(tally: Tally, through_s: Seconds, report: FleetReport, judged: int) -> Sample:
    totals, lag = report.totals, report.send_lag
    faults = totals.failed + totals.timed_out
    lag_s = lag.max_s if lag.count else 0.0
    new = Sample(
        through_s,
        totals.succeeded,
        faults,
        totals.in_flight,
        Rate(0.0),
        lag_s,
        judged,
        totals.timed_out,
    )
    rate, _ = per_second((*tally.samples[-40:], new), through_s - RATE_SPAN_S)
    return replace(new, per_s=Rate(rate))


def _levels(setting: Setting, buckets: Iterable[DueBucket]) -> tuple[Level, ...]:
    if setting.probe.purpose not in ("warm_up", "sentinel"):
        return ()
    return tuple(
        Level(b.index, b.service_time.count, sum_log(b.service_time))
        for b in buckets
        if b.service_time.count
    )


def _decided(bucket: DueBucket) -> int:
    return bucket.succeeded + bucket.failed + bucket.timed_out


def _over_any(entries: Iterable[InFlight]) -> int:
    return sum(max(entry.over_limit, default=0) for entry in entries)


def _columns(rows: Iterable[tuple[int, ...]], width: int) -> tuple[int, ...]:
    columns = zip(*rows, strict=True)  # what does not decide is not summed
    return tuple(map(sum, islice(columns, width))) or (0,) * width


def _added(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True))


def _merged(
    left: tuple[tuple[str, int], ...], right: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    if not right:
        return left
    counts = Counter(dict(left))
    counts.update(dict(right))
    return tuple(counts.most_common(20))
