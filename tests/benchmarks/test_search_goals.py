"""Are goals met by what was measured, and baselines compared at equal accuracy?"""

from __future__ import annotations

import math

import pytest

from benchmarks.search.curves import Point, cheapest, cost_of
from benchmarks.search.found import Found
from benchmarks.search.goals import GOALS, held
from benchmarks.search.tables import goals
from benchmarks.search.tuning import best_settings
from tests.helpers.a_search import a_search


def searches(strategy: str, setting: str, error: float, seconds: float, bad: int) -> list[Found]:
    return [
        a_search(
            seed,
            strategy=strategy,
            setting=setting,
            estimate=100.0 * (1 + error * (-1) ** seed),
            seconds=seconds,
            bad_requests=bad,
        )
        for seed in range(1, 5)
    ]


def test_a_goal_is_met_or_missed_by_the_value() -> None:
    found = [a_search(seed, estimate=100.8, low=97.0) for seed in range(1, 10)]
    found += [a_search(10, estimate=100.8, low=100.5), a_search(11, family="mm1", estimate=102.0)]
    met = {(one.what, one.column): one.met for one in held(found)}
    assert met["mean absolute error, A", "clean"] is True
    assert met["mean absolute error, B", "clean"] is False
    assert met["coverage of the 90 % interval", "clean"] is True
    assert met["median seconds", "clean"] is True
    assert met["median seconds", "ou3"] is None


def test_the_loose_family_has_a_column_of_its_own() -> None:
    found = [a_search(family="loose", estimate=103.0, seconds=3000.0)]
    met = {(one.what, one.column): one.met for one in held(found)}
    assert met["mean absolute error, A", "loose"] is True
    assert met["mean absolute error, A", "clean"] is None


def test_every_goal_is_in_the_table_with_its_limit() -> None:
    text = goals([a_search(seed) for seed in range(1, 3)])
    assert "0.0 % (0.0–0.0); ≤ 1 % met" in text
    assert "200 (200–200); ≤ 250 met" in text
    assert "100.0 % (34.2–100.0); 85–97 % **missed**" in text
    assert len(text.splitlines()) == 2 + 2 + 1 + 5 + 2 + 1
    assert set(GOALS) == {"clean", "ou3", "spikes", "cold", "all", "loose"}


def test_equal_accuracy_lies_between_two_settings() -> None:
    curve = [Point("b", "1", 100.0, 10.0, 0.04), Point("b", "2", 400.0, 90.0, 0.01)]
    assert cost_of(curve, "seconds", 0.02) == pytest.approx(200.0)
    assert cost_of(curve, "bad_requests", 0.02) == pytest.approx(30.0)
    assert cost_of(curve, "seconds", 0.05) == 100.0
    assert cost_of(curve, "seconds", 0.005) == math.inf


def test_a_cheap_accurate_setting_counts_whatever_dearer_ones_do() -> None:
    curve = [Point("b", "1", 100.0, 10.0, 0.01), Point("b", "2", 400.0, 90.0, 0.05)]
    assert cost_of(curve, "seconds", 0.02) == 100.0


def test_the_cheapest_baseline_is_named_with_its_cost_over_ours() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("mlperf_60s", "default", 0.01, 900.0, 50_000)
    found += searches("probabilistic", "default", 0.01, 500.0, 20_000)
    found += searches("k6_ramp", "default", 0.12, 100.0, 500)
    seconds, bad = cheapest(found) or pytest.fail("there are baselines")
    assert (seconds.strategy, seconds.times, seconds.met) == ("probabilistic", 2.5, True)
    assert (bad.strategy, bad.times, bad.met) == ("probabilistic", 20.0, True)


def test_a_setting_that_seldom_answers_is_on_no_curve() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("vidur", "default", 0.001, 10.0, 10)
    found.append(a_search(9, strategy="vidur", status="no_verdict", estimate=None))
    assert cheapest(found) is None


def test_the_best_setting_is_the_most_accurate_on_family_a() -> None:
    found = searches("vidur", "default", 0.05, 100.0, 10)
    found += searches("vidur", "requests=4000", 0.02, 400.0, 10)
    found += [a_search(n, strategy="vidur", setting="rare", status="at_most") for n in (1, 2)]
    found += [a_search(n, family="mm1", strategy="vidur", setting="default") for n in range(9)]
    assert best_settings(found) == {"vidur": "requests=4000"}
