"""Is a goal called met when its numbers and its facts hold, and a rate clean when its ledger is?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.generator import ours
from benchmarks.generator.exactness import joined
from benchmarks.generator.probed import Ask, Probed
from benchmarks.generator.table import Bound, Measured, Row, line

FAST_ENOUGH = Bound("of hey", 0.9, "×")
SOON_ENOUGH = Bound("p99", 0.5, "ms", at_most=True)
CLEAN = Probed(
    rate=100.0,
    scheduled=300,
    sent=300,
    shed=0,
    missed=0,
    failed=0,
    timed_out=0,
    lag_ms=(0.1, 0.2, 0.3),
    response_ms=(1.0, 2.0, 3.0),
    cpu_ratio=0.9,
    user_us=10.0,
    system_us=10.0,
    switches=0.1,
    rss_mb=100.0,
    in_flight_most=3,
    users=10,
    slow=0,
    retimed=None,
)


def row(*measured: Measured, facts: tuple[tuple[str, bool], ...] = ()) -> Row:
    return Row("goal", "what", measured, "why", 0.5, facts)


def test_the_median_of_the_rounds_decides() -> None:
    assert row(Measured(FAST_ENOUGH, (0.5, 0.95, 1.2))).is_met
    assert not row(Measured(FAST_ENOUGH, (0.5, 0.6, 1.2))).is_met


def test_a_limit_may_be_the_most_or_the_least() -> None:
    assert row(Measured(SOON_ENOUGH, (0.5,))).is_met
    assert not row(Measured(SOON_ENOUGH, (0.51,))).is_met
    assert row(Measured(FAST_ENOUGH, (0.9,))).is_met


def test_one_number_or_fact_that_fails_fails_the_goal() -> None:
    good, bad = Measured(SOON_ENOUGH, (0.1,)), Measured(FAST_ENOUGH, (0.1,))
    assert not row(good, bad).is_met
    assert not row(good, facts=(("every arrival sent", False),)).is_met
    assert row(good, facts=(("every arrival sent", True),)).is_met


def test_a_row_shows_goal_value_spread_verdict_and_reason() -> None:
    shown = line(row(Measured(FAST_ENOUGH, (0.8, 0.7, 0.9)), facts=(("clean", True),)))
    assert shown == (
        "| what | of hey ≥ 0.900×, clean | of hey 0.800× (0.700–0.900), clean: yes "
        "| **no** | 50% | why |"
    )


def test_a_row_is_json_with_all_rounds() -> None:
    told = json.loads(json.dumps(row(Measured(FAST_ENOUGH, (0.8, 0.7, 0.9))).as_json()))
    assert told["values"] == {"of hey": [0.8, 0.7, 0.9]}
    assert told["met"] is False


def test_what_a_client_prints_is_read_back() -> None:
    told = replace(CLEAN, errors=(("HTTP 503", 2),))
    assert Probed.read(json.dumps(asdict(told))) == told
    assert Ask.read(Ask(5.0, 2.0, check=True).line()) == Ask(5.0, 2.0, check=True)


def test_a_client_that_prints_something_else_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="the client said"):
        Probed.read("Traceback")


@pytest.mark.parametrize(
    "change",
    [
        {"missed": 1},
        {"shed": 1},
        {"failed": 1},
        {"timed_out": 1},
        {"sent": 299},
        {"lag_ms": (0.1, 10.1, 11.0)},
    ],
    ids=str,
)
def test_a_ledger_is_not_clean_with(change: dict[str, Any]) -> None:
    assert CLEAN.is_clean
    assert not replace(CLEAN, **change).is_clean


def server(limit: float, asked: list[float]) -> Callable[[float, float], Probed]:
    """Probes that are clean up to `limit`."""

    def run(rate: float, _: float) -> Probed:
        asked.append(rate)
        return replace(CLEAN, rate=rate, missed=int(rate > limit))

    return run


def test_the_coarse_search_ends_within_a_step_of_the_limit_from_either_side() -> None:
    for start in (100.0, 5_000.0):
        about = ours.coarse(server(1_000.0, []), start)
        assert 1_000.0 / ours.COARSE_STEP < about <= 1_000.0


@pytest.mark.parametrize("about", [700.0, 1_000.0, 1_800.0])
def test_a_round_ends_at_the_highest_clean_step(about: float) -> None:
    asked: list[float] = []
    found = ours.highest_clean(server(1_000.0, asked), about, lambda: 500.0)
    assert 1_000.0 / ours.STEP < found.probed.rate <= 1_000.0
    assert found.ratio == found.probed.rate / 500.0
    assert asked[-1] == asked[-2], "a rate is given up after two probes"
    assert "1 missed" in found.stopped_by


def test_the_peer_beside_a_probe_is_the_mean_of_before_and_after() -> None:
    readings = iter([100.0, 200.0, 300.0, 400.0, 500.0])
    found = ours.highest_clean(server(85.0, []), 100.0, lambda: next(readings))
    assert found.probed.rate == pytest.approx(80.0)
    assert found.beside_per_s == 150.0


def test_no_clean_rate_at_all_is_an_error_that_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"no rate was clean; at .* 1 missed"):
        ours.highest_clean(server(0.0, []), 1_000.0, lambda: 1.0)


def test_requests_are_matched_with_the_servers_stamps_by_key() -> None:
    sent = np.array([[7, 70, 75, 0], [5, 50, 56, 1]])
    seen = np.array([[5, 51, 52, 1], [6, 61, 62, 1], [7, 71, 72, 1]])
    ours_, theirs = joined(sent, seen)
    assert ours_[:, 0].tolist() == theirs[:, 0].tolist() == [5, 7]


def test_a_request_that_the_server_did_not_see_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="did not see every request"):
        joined(np.array([[7, 70, 75, 0]]), np.array([[5, 51, 52, 1]]))
