"""What did the last second of a probe look like?"""

from __future__ import annotations

from itertools import zip_longest

from contract.latency import Histogram
from contract.objectives import Objective
from contract.report import FleetReport
from contract.units import Rate, Seconds
from controller.search.health import Slice, limit_ratio
from controller.search.journal import Measured

SLICE_NS = 1_000_000_000
_NS_PER_S = 1e9


class Measuring:
    """Sums one probe's reports into measurements of about a second each."""

    def __init__(self, probe: int, objectives: tuple[Objective, ...] = ()) -> None:
        self._probe = probe
        self._objectives = objectives
        self._judged: tuple[int, ...] = ()
        self._bad_of: tuple[int, ...] = ()
        self._from_ns = 0
        self._clear()

    def add(self, report: FleetReport, at: float) -> Measured | None:
        """Take in a report; the measurement that it completes, if it completes one."""
        for bucket in report.buckets:
            self._scheduled += bucket.scheduled
            self._sent += bucket.sent
            self._succeeded += bucket.succeeded
            shed = bucket.shed_overdue
            self._decided += bucket.succeeded + bucket.failed + bucket.timed_out + shed
            self._bad += bucket.bad_any
            self._response_time.merge(bucket.response_time)
            self._service_time.merge(bucket.service_time)
            if bucket.judged:
                self._judged = _added(self._judged, bucket.judged)
                self._bad_of = _added(self._bad_of, bucket.bad)
        self._send_lag.merge(report.send_lag)
        if report.through_ns - self._from_ns < SLICE_NS:
            return None
        measured = self._measured(report, at)
        self._from_ns = report.through_ns
        self._clear()
        return measured

    def _measured(self, report: FleetReport, at: float) -> Measured:
        seconds = (report.through_ns - self._from_ns) / _NS_PER_S
        times = self._response_time
        return Measured(
            at=at,
            probe=self._probe,
            through_s=Seconds(report.through_ns / _NS_PER_S),
            offered_per_s=Rate(self._scheduled / seconds),
            sent_per_s=Rate(self._sent / seconds),
            achieved_per_s=Rate(self._succeeded / seconds),
            bad_ratio=self._bad / self._decided if self._decided else 0.0,
            p50_s=times.quantile(0.5),
            p90_s=times.quantile(0.9),
            p99_s=times.quantile(0.99),
            in_flight=sum(entry.count for entry in report.in_flight),
            send_lag_p99_s=self._send_lag.quantile(0.99),
            limit_ratio=self._limit_ratio(report),
        )

    def _limit_ratio(self, report: FleetReport) -> float | None:
        overdue = (0,) * len(self._objectives)
        for entry in report.in_flight:
            if entry.over_limit:
                overdue = _added(overdue, entry.over_limit)
        seen = Slice(self._judged, self._bad_of, overdue, self._response_time, self._service_time)
        return limit_ratio(self._objectives, seen)

    def _clear(self) -> None:
        self._judged = self._bad_of = (0,) * len(self._objectives)
        self._service_time = Histogram()
        self._scheduled = self._sent = self._succeeded = self._decided = self._bad = 0
        self._response_time = Histogram()
        self._send_lag = Histogram()


def _added(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip_longest(left, right, fillvalue=0))
