"""Does the benchmark of the demo target say rightly which runs met its aims?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.demo_rows import Row, line, meets_aims, read, summary, write
from benchmarks.demo_target import SETTINGS, Asked
from controller.api.schemas.faults import goal_of
from controller.api.schemas.reading import Rules


def row(**changes: Any) -> Row:
    """An answer of 230/s where the truth is 235/s."""
    plain: dict[str, Any] = {
        "setting": "demo",
        "run": 1,
        "status": "answered",
        "reason": "because",
        "estimate": 230.0,
        "low": 222.0,
        "high": 238.0,
        "truth": 235.0,
        "nominal": 235.3,
        "seconds": 120.0,
        "wall_s": 128.0,
        "probes": 14,
        "requests": 20_000,
        "bad_requests": 300,
        "void_probes": 0,
        "send_lag_p99_ms": 1.0,
        "busy_ratio": 0.6,
    }
    return Row(**(plain | changes))


def test_an_answer_within_five_percent_meets_the_aim() -> None:
    assert row().within_aim
    assert not row(estimate=220.0).within_aim


def test_a_run_without_an_answer_meets_no_aim() -> None:
    silent = row(status="no_verdict", estimate=None, low=None, high=None)
    assert not silent.within_aim
    assert silent.covered is None
    assert math.isnan(silent.error)
    assert "because" in line(silent)
    assert "of 1" in summary("demo", [silent])


def test_an_estimate_without_an_answer_meets_no_aim() -> None:
    assert not row(status="no_verdict").within_aim


@pytest.mark.parametrize(("low", "covered"), [(222.0, True), (236.0, False)])
def test_a_row_says_whether_the_truth_is_inside(low: float, covered: bool) -> None:
    assert row(low=low).covered is covered


def test_a_slow_median_misses_the_aim() -> None:
    assert meets_aims([row(seconds=170.0), row(seconds=175.0), row(seconds=400.0)])
    assert not meets_aims([row(seconds=170.0), row(seconds=190.0), row(seconds=400.0)])


def test_runs_done_before_are_read_again(tmp_path: Path) -> None:
    rows = [row(run=1), row(run=2, estimate=None)]
    write(tmp_path / "rows.json", rows)
    assert read(tmp_path / "rows.json") == rows
    assert read(tmp_path / "none.json") == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_asks_a_goal_that_is_right(setting: Any) -> None:
    rules = Rules(check_target=lambda _: None, check_user=lambda _: None)
    goal = goal_of(setting.goal("http://127.0.0.1:9100", 3, Asked()), rules)
    assert (goal.seed, goal.precision, goal.closing_probes) == (3, 0.10, 0)
    assert (goal.gentle, goal.require, goal.features.off) == (setting.name == "gentle", None, ())


def test_features_are_switched_off_and_a_rate_is_required_where_it_is_asked() -> None:
    rules = Rules(check_target=lambda _: None, check_user=lambda _: None)
    asked = Asked(require="200/s", off=("warm_up", "open_loop"))
    goal = goal_of(SETTINGS[0].goal("http://127.0.0.1:9100", 3, asked), rules)
    assert (goal.require, goal.features.off) == (200.0, ("warm_up", "open_loop"))


@pytest.mark.parametrize(("exit_status", "met"), [(1, True), (3, False)])
def test_a_required_rate_that_stalls_break_must_end_in_exit_1(exit_status: int, met: bool) -> None:
    stalls = row(setting="stalls", status="at_most", require="200/s", exit_status=exit_status)
    assert stalls.within_aim is met


def test_a_row_says_what_it_was_found_without() -> None:
    assert "without batching" in line(row(off="batching"))
