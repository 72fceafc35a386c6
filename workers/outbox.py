"""What has the controller not confirmed to have yet, and what may still be changed about it?

Messages leave in order. One that was tried may have arrived although the answer did not, so it is
repeated as it is, under the same sequence number; the reader drops repeats. Reports that were
never tried are added up when they become many: no count is lost, only resolution in time.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace

from contract.messages import Drained, Ready
from contract.report import DueBucket, Report
from workers import ticks

Reply = Ready | Report | Drained

MOST_WAITING = 40
"""Reports kept apart: ten seconds at the shortest cadence."""
MOST_AT_ONCE = 20
"""Messages in one round trip."""


class Outbox:
    """Replies on their way; sequence numbers are given when they are first tried."""

    def __init__(self) -> None:
        self._tried: deque[Reply] = deque()
        self._waiting: deque[Reply] = deque()
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._tried) + len(self._waiting)

    def put(self, reply: Reply) -> None:
        self._waiting.append(reply)
        if len(self._waiting) > MOST_WAITING:
            self._coalesce()

    def take(self) -> tuple[Reply, ...]:
        """What to send now, oldest first; the same again until `confirm`."""
        while self._waiting and len(self._tried) < MOST_AT_ONCE:
            self._tried.append(self._numbered(self._waiting.popleft()))
        return tuple(self._tried)

    def confirm(self, count: int) -> None:
        """The first `count` of `take` have arrived."""
        for _ in range(count):
            self._tried.popleft()

    def _numbered(self, reply: Reply) -> Reply:
        if isinstance(reply, Report):
            self._sequence += 1
            return replace(reply, sequence=self._sequence)
        if isinstance(reply, Drained):
            return replace(reply, sequence=self._sequence)
        return reply

    def _coalesce(self) -> None:
        """Add the two oldest reports of one probe that stand side by side."""
        replies = list(self._waiting)
        for place in range(len(replies) - 1):
            older, newer = replies[place], replies[place + 1]
            if not (isinstance(older, Report) and isinstance(newer, Report)):
                continue
            if (older.run, older.probe) == (newer.run, newer.probe):
                replies[place : place + 2] = [merged(older, newer)]
                self._waiting = deque(replies)
                return


def merged(older: Report, newer: Report) -> Report:
    """One report that says what both said."""
    buckets: dict[int, DueBucket] = {bucket.index: bucket for bucket in older.buckets}
    for bucket in newer.buckets:
        known = buckets.get(bucket.index)
        buckets[bucket.index] = bucket if known is None else _add_buckets(known, bucket)
    errors = Counter(dict(older.errors)) + Counter(dict(newer.errors))
    return replace(
        newer,
        buckets=tuple(buckets[index] for index in sorted(buckets)),
        ticks=ticks.added(older.ticks, newer.ticks),
        send_lag=older.send_lag + newer.send_lag,
        requests=older.requests + newer.requests,
        errors=tuple(errors.most_common(20)),
    )


def _add_buckets(a: DueBucket, b: DueBucket) -> DueBucket:
    return DueBucket(
        index=a.index,
        scheduled=a.scheduled + b.scheduled,
        sent=a.sent + b.sent,
        shed=a.shed + b.shed,
        shed_overdue=a.shed_overdue + b.shed_overdue,
        missed=a.missed + b.missed,
        cancelled=a.cancelled + b.cancelled,
        succeeded=a.succeeded + b.succeeded,
        failed=a.failed + b.failed,
        timed_out=a.timed_out + b.timed_out,
        judged=tuple(x + y for x, y in zip(a.judged, b.judged, strict=True)),
        bad=tuple(x + y for x, y in zip(a.bad, b.bad, strict=True)),
        bad_any=a.bad_any + b.bad_any,
        response_time=a.response_time + b.response_time,
        service_time=a.service_time + b.service_time,
    )
