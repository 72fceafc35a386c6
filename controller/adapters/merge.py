"""What did the whole fleet see, given what each worker reports, late, twice or not at all?

Reports of one probe go in as they come; a merged report comes out when every worker has sent
something since the last one, or GRACE_S after it was due. No clock and no socket: the caller
says what time it is, on its own monotonic clock.

The audit: `contract.shares` says how many indices below `through_index` a worker owns. Its totals
must say as many were scheduled, its increments must sum to its totals, and its ledger must balance;
what does not is unaccounted. A lost worker leaves what it owed: its own of the indices between its
last report and the furthest that anybody has accounted for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter

import numpy as np

from contract.messages import Drained, Plan
from contract.packed import PackedReport, packed
from contract.report import FATES, FleetReport, Ledger, Report
from controller.adapters.merge_connections import merged_connections
from controller.adapters.merge_packed import Ints, added, added_in_flight
from controller.adapters.merge_ticks import Ticks
from controller.ports import Burden
from controller.search.strain import joined, most_strained

GRACE_S = 1.0
"""A merged report waits this long for a worker whose report is due."""
SILENT_S = 3.0
"""A worker that was not heard of for this long is lost."""
EARLY_S = 0.5
"""A worker that is drained by this much before the plan's end stopped by itself."""
MOST_ERRORS = 20

_fates_of = attrgetter(*FATES)
_counts_of = attrgetter(*(f.name for f in fields(Ledger)))


@dataclass(slots=True)
class _Source:
    """One worker of the probe: what it said so far, and what of it is not merged yet."""

    position: int
    boot: str
    heard_s: float
    sequence: int | None = None
    through_ns: int = 0
    totals: Ledger = field(default_factory=Ledger)
    summed: Ints = field(default_factory=lambda: np.zeros(len(FATES), dtype=np.int64))
    unaccounted: int = 0
    newly_unaccounted: int = 0
    latest: PackedReport | None = None
    requests: int = 0
    bad_any: int = 0
    pending: list[PackedReport] = field(default_factory=list)
    final: bool = False
    drained: bool = False
    lost: str | None = None
    through_index: int = 0
    owed: int = 0

    @property
    def awaited(self) -> bool:
        """Whether another report must come."""
        return not (self.final or self.drained or self.lost)


class Merge:
    """Reports of one probe from every worker, merged.

    `boots` says which process of each worker was prepared; `epoch_s` is the plan's epoch on the
    caller's clock.
    """

    def __init__(self, plan: Plan, boots: Mapping[str, str], epoch_s: float) -> None:
        self._plan = plan
        self._epoch_s = epoch_s
        self._merged_s = epoch_s
        self._through_ns = 0
        self._stopped = False
        self._named_lost: frozenset[str] = frozenset()
        self._ticks = Ticks()
        self._owes = plan.shares().counter()
        self._furthest = 0
        self._sources = {
            worker: _Source(position, boots[worker], epoch_s)
            for position, worker in enumerate(plan.workers)
        }

    @property
    def lost(self) -> dict[str, str]:
        """Lost workers, and how in a few words."""
        return {w: s.lost for w, s in self._sources.items() if s.lost is not None}

    @property
    def burden(self) -> Burden:
        """Of all reports so far, merged or not, and of what was in flight in each worker's last.

        `Report.requests` leaves out those that were given up on.
        """
        known = Burden()
        for source in self._sources.values():
            waiting, late = source.totals.timed_out, 0
            if source.latest is not None:
                in_flight = source.latest.in_flight
                waiting += int(in_flight[:, 1].sum())
                late = int(in_flight[:, 2:].max(axis=1, initial=0).sum())
            known += Burden(source.requests + waiting, source.bad_any + late)
        return known

    @property
    def draining(self) -> tuple[str, ...]:
        """Workers that have not said that nothing is in flight, lost ones aside."""
        return tuple(w for w, s in self._sources.items() if not (s.drained or s.lost))

    def is_done(self) -> bool:
        """Whether every worker has drained or is lost, and all of it is merged."""
        return not self.draining and not any(s.pending for s in self._sources.values())

    def stop(self) -> None:
        """The workers are told to stop: being drained early is no loss from here on."""
        self._stopped = True

    def lose(self, worker: str, how: str) -> None:
        """Somebody else knows that the worker is gone."""
        source = self._sources.get(worker)
        if source is not None and source.lost is None:
            self._lose(source, how)

    def take(self, message: Report | PackedReport | Drained, now_s: float) -> None:
        """Take in a message; what is not of this probe, or was seen before, changes nothing."""
        if isinstance(message, Report):
            message = packed(message)
        source = self._sources.get(message.worker)
        plan = self._plan
        told = (message.run, message.fence, message.probe)
        if source is None or source.lost or told != (plan.run, plan.fence, plan.probe):
            return
        if message.boot != source.boot:
            self._lose(source, "restarted")
            return
        source.heard_s = now_s
        if isinstance(message, Drained):
            source.drained = True
            ends_s = self._epoch_s + plan.duration_s
            if not self._stopped and now_s < ends_s - EARLY_S:
                self._lose(source, f"stopped by itself: {message.reason}")
        elif source.sequence is None or message.sequence > source.sequence:
            self._furthest = max(self._furthest, message.through_index)
            _take_report(source, message, self._owes(source.position, message.through_index))

    def pop(self, now_s: float) -> FleetReport | None:
        """The next merged report, when it is due."""
        self._lose_silent(now_s)
        if frozenset(self.lost) != self._named_lost:
            self._named_lost = frozenset(self.lost)
            return self._merged(now_s, late=())
        if not any(s.pending for s in self._sources.values()):
            return None
        late = tuple(w for w, s in self._sources.items() if s.awaited and not s.pending)
        if late and now_s < self._merged_s + self._plan.cadence_s + GRACE_S:
            return None
        return self._merged(now_s, late)

    def _lose_silent(self, now_s: float) -> None:
        for source in self._sources.values():
            silent_s = now_s - max(source.heard_s, self._epoch_s)
            if not (source.drained or source.lost) and silent_s > SILENT_S:
                self._lose(source, f"was silent for {SILENT_S:.0f} s")

    def _lose(self, source: _Source, how: str) -> None:
        through = source.through_index
        owed = self._owes(source.position, self._furthest) - self._owes(source.position, through)
        source.owed = owed
        source.lost = how if not owed else f"{how} and owed {owed:,} arrivals from {through:,} on"

    def _merged(self, now_s: float, late: tuple[str, ...]) -> FleetReport:
        alive = {w: s for w, s in self._sources.items() if s.lost is None}
        known = [s for w, s in alive.items() if s.awaited and w not in late]
        through_ns = min((s.through_ns for s in known or alive.values()), default=0)
        self._through_ns = max(self._through_ns, through_ns)
        self._merged_s = now_s
        reports = [report for s in self._sources.values() for report in s.pending]
        latest = [s.latest for s in alive.values() if s.latest is not None]
        numbers = added(reports)
        merged = FleetReport(
            probe=self._plan.probe,
            through_ns=self._through_ns,
            workers=len(alive),
            totals=_sum_of(s.totals for s in self._sources.values()),
            buckets=numbers.buckets,
            ticks=self._ticks.merged(reports),
            in_flight=added_in_flight(latest),
            send_lag=numbers.send_lag,
            requests=sum(r.requests for r in reports),
            errors=_merge_errors(e for r in reports for e in r.errors),
            health=most_strained(
                (w, joined(r.health for r in s.pending)) for w, s in alive.items() if s.pending
            ),
            lost=tuple(sorted(self._named_lost)),
            late=late,
            unaccounted=sum(s.newly_unaccounted for s in self._sources.values()),
            notes=tuple(f"worker {worker} {how}" for worker, how in sorted(self.lost.items())),
            replicas=self._ticks.replicas,
            owed=tuple(
                (w, s.through_index, s.owed) for w, s in sorted(self._sources.items()) if s.lost
            ),
            phases=numbers.phases,
            connections=merged_connections(reports, (r.connections for r in latest)),
        )
        for source in self._sources.values():
            source.pending.clear()
            source.newly_unaccounted = 0
        return merged


def _take_report(source: _Source, report: PackedReport, owes: int) -> None:
    gap = 0 if source.sequence is None else report.sequence - source.sequence - 1
    source.sequence = report.sequence
    source.through_ns = max(source.through_ns, report.through_ns)
    source.through_index = report.through_index
    source.totals = report.totals
    source.latest = report
    source.final = report.final
    source.pending.append(report)
    source.requests += report.requests
    source.bad_any += int(report.buckets[:, 1 + len(FATES)].sum())
    source.summed += report.buckets[:, 1 : 1 + len(FATES)].sum(axis=0, dtype=np.int64)
    found = _unexplained(source, owes)
    found = max(found, source.unaccounted + min(gap, 1))
    source.newly_unaccounted += found - source.unaccounted
    source.unaccounted = found


def _unexplained(source: _Source, owes: int) -> int:
    """Arrivals that the worker's ledger cannot explain, at least."""
    totals = source.totals
    told = zip(_fates_of(totals), source.summed.tolist(), strict=True)
    missing: int = max(abs(total - summed) for total, summed in told)
    started = totals.sent + totals.shed + totals.missed + totals.cancelled
    ended = totals.succeeded + totals.failed + totals.timed_out + totals.in_flight
    imbalance = abs(totals.scheduled - started) + abs(totals.sent - ended)
    return max(missing, imbalance) + abs(totals.scheduled - owes)


def _sum_of(totals: Iterable[Ledger]) -> Ledger:
    return Ledger(*(sum(column) for column in zip(*map(_counts_of, totals), strict=True)))


def _merge_errors(errors: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    counts: Counter[str] = Counter()
    for kind, count in errors:
        counts[kind] += count
    return tuple(sorted(counts.items(), key=lambda e: (-e[1], e[0]))[:MOST_ERRORS])
