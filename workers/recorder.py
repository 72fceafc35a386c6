"""What became of every arrival of a probe, counted so that no report can lose one?

The hot path only appends: permits as they are released, permits as they end, times of requests.
A flush counts. Arrivals enter the ledger in the order of their index, so that all below
`through_index` are in it and none above: one that waits for a user holds back those behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import replace

import gevent

from contract.latency import LONGEST_S, Histogram
from contract.report import BUCKET_NS, Health, InFlight, Ledger, Report
from workers.clock import NS_PER_S, Now, monotonic_ns
from workers.judge import Judge
from workers.permit import (
    CANCELLED,
    FAILED,
    MISSED,
    OPEN,
    PENDING,
    SENT,
    SHED,
    SHED_OVERDUE,
    SUCCEEDED,
    TIMED_OUT,
    Permit,
)
from workers.phases import Phases
from workers.slices import Slice
from workers.ticks import Replicas, ticks_of

KINDS_KEPT = 100
"""Distinct kinds of error told apart; the rest are `other`."""
KINDS_REPORTED = 20
NO_PHASES: Mapping[str, object] = {}

_STARTS = {
    SENT: "sent",
    SHED: "shed",
    SHED_OVERDUE: "shed_overdue",
    MISSED: "missed",
    CANCELLED: "cancelled",
}
_OUTCOMES = {SUCCEEDED: "succeeded", FAILED: "failed", TIMED_OUT: "timed_out"}


class Recorder:
    """Counts one probe on this worker; `header` names it in every report."""

    def __init__(
        self, header: Report, judge: Judge, epoch_ns: int, *, now: Now = monotonic_ns
    ) -> None:
        self.extra_sends = 0
        self.errors: Counter[str] = Counter()
        self.samples: dict[str, str] = {}
        self._header = header
        self._judge = judge
        self._epoch_ns = epoch_ns
        self._now = now
        self._released: deque[Permit] = deque()
        self._ended: list[Permit] = []
        self._open: dict[int, Permit] = {}
        self._starts: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._ends: defaultdict[tuple[int, int, int, int], int] = defaultdict(int)
        self._slices: dict[int, Slice] = {}
        self._ticks: list[tuple[int, bool, int]] = []
        self._replicas = Replicas()
        self._phases = Phases()
        self._lags_s: list[float] = []
        self._totals: Counter[str] = Counter()
        self._requests = 0
        self._through_index = 0

    @property
    def totals(self) -> Ledger:
        """What the reports so far say of the probe; as of a flush."""
        return Ledger(**self._totals, in_flight=len(self._open), extra_sends=self.extra_sends)

    def permit(self, index: int, due_ns: int) -> Permit:
        """A new arrival, due `due_ns` after the epoch; call in the order of indices."""
        permit = Permit(index, self._epoch_ns + due_ns, due_ns // BUCKET_NS, self)
        self._released.append(permit)
        return permit

    def request(
        self,
        permit: Permit,
        name: str | None,
        service_s: float,
        *,
        phases: Mapping[str, object] = NO_PHASES,
        error: str | None = None,
        replica: str | None = None,
    ) -> None:
        """A request of `permit` ended now; the first one's response time counts from due."""
        if permit.outcome != OPEN:
            return
        now_ns = self._now()
        if not 0 <= service_s <= LONGEST_S:  # a client that did not measure it
            service_s = (now_ns - permit.start_ns) / NS_PER_S
        first = not permit.requests
        permit.requests += 1
        response_s = (now_ns - permit.due_ns) / NS_PER_S if first else service_s
        self._judge.request(permit, name, (response_s, service_s), phases)
        if error is not None:
            permit.failed = True
            self.count_error(error)
        self._requests += 1
        place = 0 if replica is None else self._replicas.place(replica)
        self._ticks.append((now_ns, error is not None, place))
        times = self._slice(permit.bucket)
        times.response_s.append(response_s)
        times.service_s.append(service_s)

    def end(self, permit: Permit, error: str | None = None) -> None:
        """The task of `permit` ended now, with `error` if it raised.

        A task that made no request counts as one request of its own length.
        """
        if permit.outcome != OPEN:
            return
        now_ns = self._now()
        if not permit.requests:
            self.request(permit, None, (now_ns - permit.start_ns) / NS_PER_S, error=error)
            permit.requests = int(error is None)  # a failure before any request is everybody's
        elif error is not None:
            self.count_error(error)
        failed = permit.failed or error is not None
        self._close(permit, FAILED if failed else SUCCEEDED, now_ns)

    def time_out(self, permit: Permit) -> None:
        """`permit` reached its time-out; when none of its requests ended, its age is counted."""
        now_ns = self._now()
        self.count_error("timed out")
        if not permit.requests:
            times = self._slice(permit.bucket)
            times.response_s.append((now_ns - permit.due_ns) / NS_PER_S)
            times.service_s.append((now_ns - permit.start_ns) / NS_PER_S)
        self._close(permit, TIMED_OUT, now_ns)

    def phase(self, name: str, seconds: float) -> None:
        """A phase of a request took `seconds`."""
        self._phases.add(name, seconds)

    def count_error(self, kind: str, sample: str = "") -> None:
        if kind not in self.samples and len(self.samples) >= KINDS_KEPT:
            kind = "other"
        self.errors[kind] += 1
        self.samples.setdefault(kind, sample or kind)

    def flush(self, through_ns: int, health: Health, *, final: bool = False) -> Report:
        """The report of everything since the last one; `through_ns` counts from the epoch.

        What it says is fixed at once; putting it together lets others run in between.
        """
        self.settle()
        self._sort_into_slices()
        report = replace(
            self._header,
            through_ns=max(0, through_ns),
            through_index=self._through_index,
            totals=self.totals,
            in_flight=self._in_flight(self._now()),
            requests=self._requests,
            errors=tuple(self.errors.most_common(KINDS_REPORTED)),
            health=health,
            final=final,
            replicas=self._replicas.names,
        )
        slices, ticks, lags_s = self._slices, self._ticks, self._lags_s
        self._slices, self._ticks, self._lags_s = {}, [], []
        self._requests = 0
        self.errors = Counter()
        buckets = []
        for index in sorted(slices):
            buckets.append(slices[index].bucket(index))
            gevent.sleep(0)
        return replace(
            report,
            buckets=tuple(buckets),
            ticks=ticks_of(ticks, self._epoch_ns),
            send_lag=Histogram.of(lags_s),
        )

    def _close(self, permit: Permit, outcome: int, now_ns: int) -> None:
        permit.outcome = outcome
        permit.end_ns = now_ns
        self._ended.append(permit)

    def _slice(self, bucket: int) -> Slice:
        found = self._slices.get(bucket)
        if found is None:
            found = self._slices[bucket] = Slice(self._judge.count)
        return found

    def settle(self) -> None:
        """Enter into the ledger what can be; often, so that no flush has much to do."""
        released, tally = self._released, self._starts
        while released and released[0].start != PENDING:
            permit = released.popleft()
            self._through_index = permit.index + 1
            tally[permit.bucket, permit.start] += 1
            if permit.start == SENT:
                self._open[permit.index] = permit
                self._lags_s.append((permit.start_ns - permit.due_ns) / NS_PER_S)
        later = []
        for permit in self._ended:
            if self._open.pop(permit.index, None) is None:
                later.append(permit)  # behind one whose start is not decided
            else:
                judged, bad = self._judge.verdict(permit)
                self._ends[permit.bucket, permit.outcome, judged, bad] += 1
        self._ended = later

    def _sort_into_slices(self) -> None:
        """Turn the tallies since the last flush into counts of slices, and of the probe."""
        for (bucket, start), arrivals in self._starts.items():
            counts = self._slice(bucket)
            counts.count("scheduled", arrivals)
            counts.count(_STARTS[start], arrivals)
            if start == SHED_OVERDUE:
                counts.count("shed", arrivals)
                counts.judge(self._judge.all, self._judge.all, arrivals)
        for (bucket, outcome, judged, bad), arrivals in self._ends.items():
            counts = self._slice(bucket)
            counts.count(_OUTCOMES[outcome], arrivals)
            counts.judge(judged, bad, arrivals)
        for counts in self._slices.values():
            for name, arrivals in counts.counts.items():
                self._totals[name] += arrivals
        self._starts.clear()
        self._ends.clear()

    def _in_flight(self, now_ns: int) -> tuple[InFlight, ...]:
        counts: Counter[int] = Counter()
        over: dict[int, list[int]] = {}
        for permit in self._open.values():
            counts[permit.bucket] += 1
            mask = self._judge.over_limit(permit, now_ns)
            place_counts = over.setdefault(permit.bucket, [0] * self._judge.count)
            for place in range(self._judge.count):
                place_counts[place] += mask >> place & 1
        return tuple(InFlight(b, counts[b], tuple(over[b])) for b in sorted(counts))
