"""Does the benchmark of the control plane read, forecast and count rightly?"""

from __future__ import annotations

import os
import resource

import pytest

from benchmarks.control_plane import filled
from benchmarks.control_plane.fleet import Cost, cost
from benchmarks.control_plane.line import line_through
from benchmarks.control_plane.proc import TooFewFiles, allow_files, cpu_s, cpu_s_of
from benchmarks.control_plane.resp import RedisSays, command, parsed
from benchmarks.control_plane.table import NOTHING_LOST, goals
from contract import codec
from contract.report import Report
from contract.shares import Stride

STAT = "42 (a (b) c) S 1 42 42 0 -1 4194560 900 0 0 0 150 50 7 8 20 0 1 0 100 1000 10"


def a_cost(workers: int, ratio: float, **changes: int) -> Cost:
    counts = {"late": 0, "lost": 0, "unaccounted": 0, "missing": 0} | changes
    return Cost(workers, ratio, ratio, 0.5, 12, **counts, prepared_s=0.1)


def test_cpu_time_is_read_behind_a_command_with_parentheses() -> None:
    assert cpu_s_of(STAT, 100) == 2.0


def test_a_line_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="no line of /proc"):
        cpu_s_of("MemTotal: 1 kB", 100)


def test_our_own_cpu_time_is_that_of_the_kernel() -> None:
    before = sum(os.times()[:2])
    assert before - 0.05 <= cpu_s(os.getpid()) <= sum(os.times()[:2]) + 0.05


def test_a_limit_that_cannot_be_raised_is_told_with_the_fix() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        allow_files(100)
        return
    with pytest.raises(TooFewFiles, match=f"hard limit is {hard}"):
        allow_files(hard + 1)


def test_points_on_a_line_are_forecast_exactly() -> None:
    line = line_through([(500, 0.06), (1_000, 0.11), (2_000, 0.21)])
    assert line.at(10_000) == pytest.approx(1.01)
    assert line.residual == pytest.approx(0.0, abs=1e-12)


def test_the_residual_is_the_largest_distance_of_a_point() -> None:
    line = line_through([(0, 0.0), (1, 0.3), (2, 0.0)])
    assert line.at(5) == pytest.approx(0.1)
    assert line.residual == pytest.approx(0.2)


def test_one_point_is_no_line() -> None:
    with pytest.raises(ValueError, match="two different numbers"):
        line_through([(500, 0.1), (500, 0.2)])


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"+OK\r\n", b"OK"),
        (b":12\r\n", 12),
        (b"$-1\r\n", None),
        (b"*2\r\n$3\r\na\r\n\r\n*1\r\n:1\r\n", [b"a\r\n", [1]]),
    ],
)
def test_an_answer_is_read_once_it_is_whole(data: bytes, answer: object) -> None:
    assert parsed(data + b":9\r\n") == (answer, len(data))
    assert [parsed(data[:end]) for end in range(len(data))] == [None] * len(data)


def test_an_error_of_redis_is_raised() -> None:
    with pytest.raises(RedisSays, match="OOM"):
        parsed(b"-OOM command not allowed\r\n")


def test_a_command_is_sent_as_bulk_strings() -> None:
    assert command("GET", b"k", 7) == b"*3\r\n$3\r\nGET\r\n$1\r\nk\r\n$1\r\n7\r\n"


def test_a_simulated_ledger_is_exact_against_its_share() -> None:
    count, seconds = 7, 3
    templates = [filled.report(second, seconds) for second in range(1, seconds + 1)]
    for position in range(count):
        for second, data in enumerate(filled.encoded(position, count, templates), 1):
            report = codec.decode(data)
            assert isinstance(report, Report)
            assert report.totals.balanced
            owed = Stride(count).owed(position, report.through_index)
            assert report.totals.scheduled == owed == second * filled.REQUESTS
            assert sum(b.response_time.count for b in report.buckets) == filled.REQUESTS
            assert sum(tick.completed for tick in report.ticks) == filled.REQUESTS
            assert report.final == (second == seconds)


def test_a_goal_is_missed_by_a_lost_report_and_by_cpu_alike() -> None:
    costs = [a_cost(1_000, 0.04), a_cost(2_000, 0.08, missing=100)]
    fits = tuple(line_through([(c.workers, c.redis_ratio) for c in costs]) for _ in range(2))
    met = {goal.name: goal.met for goal in goals(costs, (fits[0], fits[1]))}
    assert met == {
        "controller, 2,000 workers": True,
        "Redis, 2,000 workers": True,
        NOTHING_LOST: False,
        "controller, 10,000 workers, extrapolated": True,
        "Redis, 10,000 workers, extrapolated": True,
    }


@pytest.mark.needs_redis_server
def test_four_workers_lose_nothing_on_a_real_redis() -> None:
    told = cost(4, 2)
    assert (told.lost, told.unaccounted, told.missing) == (0, 0, 0)
    assert told.merged >= 2
