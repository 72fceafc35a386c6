"""Reports of a probe written down as rates and counts per quarter of a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from contract.latency import Histogram
from contract.report import DueBucket, FleetReport, InFlight, Ledger
from contract.units import Rate, Seconds
from controller.search.capacity import start
from controller.search.goal import Goal
from controller.search.probe import Outcome, Probe, Purpose
from controller.search.trial import Trial, begin, decide, feed

By = int | Callable[[int], int]


@dataclass(frozen=True)
class Flow:
    """Per quarter: arrivals due, of those decided the bad and failed ones; and levels at its end.

    Nothing is due after `quarters`. `over` are the newest of `in_flight` arrivals that are over their limit.
    """

    due: int
    quarters: int = 1_000_000
    bad: By = 0
    failed: By = 0
    in_flight: By = 0
    over: By = 0
    lag_s: float = 0.001
    time_s: Callable[[int], float] = lambda _: 0.05


def at(value: By, quarter: int) -> int:
    return value if isinstance(value, int) else value(quarter)


def _bucket(
    quarter: int, counts: tuple[int, int, int, int], time_s: float, width: int
) -> DueBucket:
    due, done, failed, bad = counts
    times = Histogram.of(np.full(max(done - failed, 0), time_s))
    return DueBucket(
        quarter,
        scheduled=due,
        sent=due,
        succeeded=done - failed,
        failed=failed,
        judged=(done,) * width,
        bad=(bad,) * width,
        bad_any=bad,
        response_time=times,
        service_time=times,
    )


def stream(goal: Goal, flow: Flow, quarters: int) -> list[FleetReport]:
    """Reports 1 to `quarters`; what is due in a quarter is decided in it, but for a backlog."""
    width, reports = len(goal.objectives), []
    decided, failures, waited = 0, 0, 0
    for quarter in range(quarters):
        waiting, failed = at(flow.in_flight, quarter), at(flow.failed, quarter)
        due = flow.due if quarter < flow.quarters else 0
        done = due + waited - waiting
        bad = min(at(flow.bad, quarter) + failed, max(done, 0))
        decided, failures, waited = decided + done, failures + failed, waiting
        bucket = _bucket(quarter, (due, done, failed, bad), flow.time_s(quarter), width)
        sent = flow.due * min(quarter + 1, flow.quarters)
        over = (at(flow.over, quarter),) * width
        reports.append(
            FleetReport(
                probe=1,
                through_ns=(quarter + 1) * 250_000_000,
                workers=1,
                totals=Ledger(
                    scheduled=sent,
                    sent=sent,
                    succeeded=decided - failures,
                    failed=failures,
                    in_flight=waiting,
                ),
                buckets=(bucket,),
                in_flight=(InFlight(quarter, waiting, over),) if waiting else (),
                send_lag=Histogram.of(np.full(due, flow.lag_s)),
                requests=due,
                errors=(("ConnectionRefusedError", failed),) if failed else (),
            )
        )
    return reports


def a_probe_of(rate: float, measure_s: float, purpose: Purpose = "search") -> Probe:
    """A second of ramp, a second to settle, then `measure_s`."""
    return Probe(1, purpose, Rate(rate), Seconds(1.0), Seconds(1.0), Seconds(measure_s))


def a_trial(goal: Goal, probe: Probe) -> Trial:
    return begin(start(goal), probe)


def judged(trial: Trial, reports: list[FleetReport]) -> tuple[Outcome | None, Seconds]:
    """The outcome, and the time on the probe's schedule at which it was certain."""
    for report in reports:
        trial = feed(trial, report)
        outcome = decide(trial)
        if outcome is not None:
            return outcome, trial.tally.through_s
    return None, trial.tally.through_s


def changed(report: FleetReport, **ledger: int) -> FleetReport:
    """The report with other totals."""
    return replace(report, totals=replace(report.totals, **ledger))
