"""Do the numbers beside each tool's own say what the server's stalls make of a schedule?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import own_server, stalling_target
from benchmarks.open_loop import Row
from benchmarks.stalling_server import Stalls
from benchmarks.stalling_target import Case, Seen, scheduled_in_stalls
from benchmarks.stock_run import read_summary

SUMMARY = """
[2026-11-23 22:00:01] host/INFO/locust.main: Shutting down (exit code 0)
Type     Name        # reqs      # fails |    Avg     Min     Max    Med |   req/s  failures/s
--------||-------|-------------|-------|-------|-------|-------|--------|-----------
GET      /work          310     0(0.00%) |     38       5    1004      6 |   77.50        0.00
         Aggregated     310     0(0.00%) |     38       5    1004      6 |   77.50        0.00

Response time percentiles (approximated)
Type     Name      50%    66%    75%    80%    90%    95%    98%    99%  99.9% 99.99%   100% # reqs
--------|--------|--------|------|------|------|------|------|------|------|------|------|------
GET      /work       6      7      8      9     12     34    970   1000   1000   1000   1000    310
         Aggregated  6      7      8      9     12     34    970   1000   1000   1000   1000    310
"""


def seen(**changes: Any) -> Seen:
    """A server that stalls from 1.5 s to 2.5 s and takes 6 ms otherwise."""
    arrivals_s = np.arange(0.0, 1.0, 0.1)
    plain = Seen(arrivals_s, arrivals_s + 0.006, np.array([[1.5, 2.5]]))
    return replace(plain, **changes)


def test_arrivals_on_schedule_wait_for_the_end_of_the_stall() -> None:
    schedule = Case("once", rate=100.0, seconds=4.0, stall_at_s=1.5).schedule("constant")
    p50_ms, p95_ms, p99_ms = seen().on_schedule_ms(schedule)
    # 100 of 400 arrivals wait from 1000 ms downwards, 10 ms apart: the 20th longest waits 800.
    assert (p50_ms, p95_ms, p99_ms) == pytest.approx((6, 806, 966), abs=11)


def test_a_quarter_of_the_schedule_is_due_while_the_server_stalls() -> None:
    schedule = Case("once", rate=100.0, seconds=4.0, stall_at_s=1.5).schedule("constant")
    assert scheduled_in_stalls(seen(), schedule) == 100


def test_service_times_leave_the_stall_out() -> None:
    late = seen(arrivals_s=np.array([1.4, 2.0]), answers_s=np.array([1.406, 2.508]))
    assert late.during_stalls == 1
    assert late.service_s == pytest.approx([0.006, 0.008])


def test_requests_without_an_answer_have_no_time() -> None:
    open_one = seen(arrivals_s=np.array([0.0, 0.1]), answers_s=np.array([0.006, np.nan]))
    assert open_one.at_server_ms == pytest.approx((6, 6, 6))


def test_stalls_come_back_when_asked_to() -> None:
    assert Stalls(1.5, 1.0).windows() == [(1.5, 2.5)]
    assert Stalls(5.0, 1.0, 5.0).windows()[:2] == [(5.0, 6.0), (10.0, 11.0)]


def test_the_summary_that_locust_prints_is_read() -> None:
    told = read_summary(SUMMARY)
    assert told.requests == 310
    assert told.reported_ms == (6, 34, 1000)


def test_a_summary_without_percentiles_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no percentiles"):
        read_summary("locust: error: no such file")


@pytest.mark.parametrize(
    ("sent", "p95_ms", "open_loop"),
    [(400, 830.0, True), (399, 830.0, False), (400, 34.0, False)],
)
def test_an_open_loop_sends_everything_and_hides_nothing(
    sent: int, p95_ms: float, open_loop: bool
) -> None:
    row = Row("once", "Tonnage", 400, sent, 100, 100, (6, p95_ms, 980), (6, 806, 966), (6, 6, 6), 1)
    assert row.is_open_loop is open_loop


def test_the_server_counts_from_the_first_request_after_a_reset(tmp_path: Path) -> None:
    case = Case("once", rate=100.0, seconds=1.0, stall_at_s=60.0)
    module = "benchmarks.stalling_server"
    with own_server.running(module, case.server_options, tmp_path) as url:
        for _ in range(2):
            stalling_target._ask(f"{url}/work", "GET")
        assert len(stalling_target.seen(url).arrivals_s) == 2
        stalling_target.reset(url)
        stalling_target._ask(f"{url}/work", "GET")
        counted = stalling_target.seen(url)
    assert counted.arrivals_s.tolist() == [0.0]
    assert counted.answers_s[0] >= 0.005
