"""What became of every arrival of a probe, counted so that no report can lose one?

The hot path leaves its marks on permits and appends them; `settle` turns them into columns, a flush
counts. Arrivals enter the ledger in the order of their index, so that all below `through_index` are
in it and none above: one that waits for a user holds back those behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from contract.latency import LONGEST_S, Histogram
from contract.report import BUCKET_NS, Health, InFlight, Ledger, Report
from workers.clock import NS_PER_S, Now, monotonic_ns
from workers.columns import Floats, Ints, Starts, Times, counted
from workers.in_flight import in_flight_of
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
from workers.waiting import one_turn

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
        self._answered: list[Permit] = []  # with a first request of which only times are to be told
        self._done: list[Permit] = []  # ended well after that one request
        self._ended: list[Permit] = []  # ended in any other way
        self._open: list[Permit] = []  # entered as sent; those that have ended leave at a flush
        self._starts: list[Starts] = []
        self._times: list[Times] = []
        self._verdicts: list[Ints] = []
        self._ends: defaultdict[tuple[int, int, int, int], int] = defaultdict(int)
        self._slices: dict[int, Slice] = {}
        self._ticks: list[tuple[int, bool, int]] = []
        self._replicas = Replicas()
        self._phases = Phases()
        self.first_byte = self._phases.first_byte
        self._in_flight = 0
        self._totals: Counter[str] = Counter()
        self._requests = 0
        self._through_index = 0

    @property
    def totals(self) -> Ledger:
        """What the reports so far say of the probe; as of a flush."""
        return Ledger(**self._totals, in_flight=self._in_flight, extra_sends=self.extra_sends)

    def permit(self, index: int, due_ns: int) -> Permit:
        """A new arrival, due `due_ns` after the epoch; call in the order of indices."""
        permit = Permit(index, self._epoch_ns + due_ns, self)
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
        if first and error is None and replica is None and self._judge.is_plain:
            permit.requests, permit.answered_ns, permit.service_s = 1, now_ns, service_s
            self._answered.append(permit)
            return
        permit.requests += 1
        response_s = (now_ns - permit.due_ns) / NS_PER_S if first else service_s
        self._judge.request(permit, name, (response_s, service_s), phases)
        if error is not None:
            permit.failed = True
            self.count_error(error)
        self._requests += 1
        place = 0 if replica is None else self._replicas.place(replica)
        self._ticks.append((now_ns, error is not None, place))
        times = self._slice_of(permit)
        times.response_s.append(response_s)
        times.service_s.append(service_s)

    def end(self, permit: Permit, error: str | None = None) -> None:
        """The task of `permit` ended now, with `error` if it raised.

        A task that made no request counts as one request of its own length.
        """
        if permit.outcome != OPEN:
            return
        if permit.answered_ns and permit.requests == 1 and error is None:
            permit.outcome = SUCCEEDED
            self._done.append(permit)
            return
        if not permit.requests:
            age_s = (self._now() - permit.start_ns) / NS_PER_S
            self.request(permit, None, age_s, error=error)
            permit.requests = int(error is None)  # a failure before any request is everybody's
        elif error is not None:
            self.count_error(error)
        failed = permit.failed or error is not None
        self._close(permit, FAILED if failed else SUCCEEDED)

    def time_out(self, permit: Permit) -> None:
        """`permit` reached its time-out; when none of its requests ended, its age is counted."""
        now_ns = self._now()
        self.count_error("timed out")
        if not permit.requests:
            times = self._slice_of(permit)
            times.response_s.append((now_ns - permit.due_ns) / NS_PER_S)
            times.service_s.append((now_ns - permit.start_ns) / NS_PER_S)
        self._close(permit, TIMED_OUT)

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

        What it says is fixed at once; while it is put together the loop turns between the parts.
        """
        one_turn()  # after what its caller did before
        self.settle()
        times, lags_s = self._sort_into_slices()
        self._open = [permit for permit in self._open if permit.outcome == OPEN]
        still_open, now_ns = tuple(self._open), self._now()
        report = replace(
            self._header,
            through_ns=max(0, through_ns),
            through_index=self._through_index,
            totals=self.totals,
            requests=self._requests,
            errors=tuple(self.errors.most_common(KINDS_REPORTED)),
            health=health,
            final=final,
            replicas=self._replicas.names,
        )
        slices, ticks = self._slices, self._ticks
        self._slices, self._ticks = {}, []
        self._requests = 0
        self.errors = Counter()
        one_turn()
        in_flight = self._in_flight_of(still_open, now_ns)
        buckets = []
        for index in sorted(slices):
            one_turn()
            buckets.append(slices[index].bucket(index))
        one_turn()
        plain_ns = times.ended_ns if times is not None else np.empty(0, dtype=np.int64)
        counted_ticks = ticks_of(ticks, plain_ns, self._epoch_ns)
        one_turn()
        return replace(
            report,
            in_flight=in_flight,
            buckets=tuple(buckets),
            ticks=counted_ticks,
            send_lag=Histogram.of(np.concatenate(lags_s) if lags_s else ()),
            phases=self._phases.drain(),
        )

    def settle(self) -> None:
        """Enter into the ledger what can be; often, so that no flush has much to do."""
        released, epoch_ns = self._released, self._epoch_ns
        decided = []
        while released and released[0].start != PENDING:
            decided.append(released.popleft())
        if decided:
            self._through_index = decided[-1].index + 1
            self._starts.append(Starts.of(decided, epoch_ns))
            self._open += [permit for permit in decided if permit.start == SENT]
        if self._answered:
            self._times.append(Times.of(self._answered, epoch_ns))
            self._answered = []
        done, self._done = self._entered(self._done)
        if done:
            self._verdicts.append(self._verdicts_of(done))
        ended, self._ended = self._entered(self._ended)
        for permit in ended:
            if permit.answered_ns:
                self._judge_first(permit)
            judged, bad = self._judge.verdict(permit)
            self._ends[self._bucket(permit), permit.outcome, judged, bad] += 1

    def _entered(self, permits: list[Permit]) -> tuple[list[Permit], list[Permit]]:
        """Those whose start is in the ledger, and those behind one whose start is not decided."""
        through = self._through_index
        later = [permit for permit in permits if permit.index >= through]
        return ([p for p in permits if p.index < through] if later else permits), later

    def _verdicts_of(self, done: list[Permit]) -> Ints:
        """Columns of slice and mask of arrivals of one good request."""
        times = Times.of(done, self._epoch_ns)
        bad = self._judge.verdicts(times.response_s, times.service_s)
        columns: Ints = np.stack([times.bucket, bad])
        return columns

    def _judge_first(self, permit: Permit) -> None:
        """Judge a request of which only the times were noted: its arrival has more to it."""
        first = Times.of([permit], self._epoch_ns)
        permit.bad |= int(self._judge.verdicts(first.response_s, first.service_s)[0])

    def _sort_into_slices(self) -> tuple[Times | None, list[Floats]]:
        """Turn what has settled since the last flush into counts of slices, and of the probe.

        Gives the plain requests, and the send lags.
        """
        starts, self._starts = self._starts, []
        if starts:
            columns = (
                np.concatenate([part.bucket for part in starts]),
                np.concatenate([part.start for part in starts]),
            )
            for (bucket, start), arrivals in counted(*columns):
                self._count_starts(self._slice(bucket), start, arrivals)
        if self._verdicts:
            for (bucket, bad), arrivals in counted(*np.concatenate(self._verdicts, axis=1)):
                self._ends[bucket, SUCCEEDED, self._judge.all, bad] += arrivals
            self._verdicts = []
        for (bucket, outcome, judged, bad), arrivals in self._ends.items():
            counts = self._slice(bucket)
            counts.count(_OUTCOMES[outcome], arrivals)
            counts.judge(judged, bad, arrivals)
            self._in_flight -= arrivals
        self._ends.clear()
        for counts in self._slices.values():
            for name, arrivals in counts.counts.items():
                self._totals[name] += arrivals
        return self._sort_times(), [part.lag_s for part in starts]

    def _count_starts(self, counts: Slice, start: int, arrivals: int) -> None:
        counts.count("scheduled", arrivals)
        counts.count(_STARTS[start], arrivals)
        if start == SENT:
            self._in_flight += arrivals
        elif start == SHED_OVERDUE:
            counts.count("shed", arrivals)
            counts.judge(self._judge.all, self._judge.all, arrivals)

    def _sort_times(self) -> Times | None:
        if not self._times:
            return None
        times, self._times = Times.joined(self._times), []
        self._requests += len(times.bucket)
        for bucket in np.unique(times.bucket).tolist():
            here = times.bucket == bucket
            self._slice(bucket).add_times(times.response_s[here], times.service_s[here])
        return times

    def _in_flight_of(self, permits: Sequence[Permit], now_ns: int) -> tuple[InFlight, ...]:
        for permit in permits:
            if permit.answered_ns:
                self._judge_first(permit)
        return in_flight_of(permits, self._judge, self._epoch_ns, now_ns)

    def _close(self, permit: Permit, outcome: int) -> None:
        permit.outcome = outcome
        self._ended.append(permit)

    def _bucket(self, permit: Permit) -> int:
        return (permit.due_ns - self._epoch_ns) // BUCKET_NS

    def _slice_of(self, permit: Permit) -> Slice:
        return self._slice(self._bucket(permit))

    def _slice(self, bucket: int) -> Slice:
        found = self._slices.get(bucket)
        if found is None:
            found = self._slices[bucket] = Slice(self._judge.count)
        return found
