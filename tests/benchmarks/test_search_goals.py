"""Are goals met by what was measured, and baselines compared at equal accuracy?"""

from __future__ import annotations

import math

import pytest

from benchmarks.search.curves import Cheapest, Point, Silent, cheapest, cost_of
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
    assert len(text.splitlines()) == 2 + 2 + 1 + 5 + 4 + 1
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


def equal(found: list[Found]) -> tuple[Cheapest, Cheapest]:
    both = cheapest(found)
    assert isinstance(both, tuple)
    return both


def equal_row(found: list[Found], group: str = "A") -> str:
    """What the table says of seconds at equal accuracy in the column of clean targets."""
    named = f"| seconds of the cheapest baseline of equal accuracy, {group} |"
    row = next(line for line in goals(found).splitlines() if line.startswith(named))
    return row.split("|")[2].strip()


def test_the_cheapest_baseline_is_named_with_its_cost_over_ours() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("mlperf_60s", "default", 0.01, 900.0, 50_000)
    found += searches("mlperf_60s", "longer", 0.005, 1900.0, 90_000)
    found += searches("probabilistic", "default", 0.01, 500.0, 20_000)
    found += searches("probabilistic", "rough", 0.05, 490.0, 19_000)
    found += searches("k6_ramp", "default", 0.12, 100.0, 500)
    seconds, bad = equal(found)
    assert (seconds.strategy, seconds.met) == (bad.strategy, bad.met) == ("probabilistic", True)
    assert (seconds.times, bad.times) == pytest.approx((2.5, 20.0))
    assert (seconds.curves, seconds.single) == (2, 1)
    assert equal_row(found) == "2.5 × `probabilistic`; ≥ 1.5 × met"


def test_one_setting_is_no_curve_and_judges_nothing() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("k6_ramp", "default", 0.12, 100.0, 500)
    assert equal_row(found) == "no curve: one setting run; ≥ 1.5 × not judged"


def test_one_setting_as_accurate_as_ours_is_an_upper_bound_which_can_only_miss() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("plrsearch", "default", 0.01, 1000.0, 9000)
    bound = "no curve: one setting run, at most 5.0 × `plrsearch`, of one setting; ≥ 1.5 ×"
    assert equal_row(found) == f"{bound} not judged"
    found += searches("vidur", "default", 0.01, 200.0, 9000)
    assert equal_row(found).endswith("at most 1.0 × `vidur`, of one setting; ≥ 1.5 × **missed**")


def test_curves_that_stay_above_our_error_meet_the_goal_and_are_counted() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("vidur", "default", 0.05, 100.0, 10)
    found += searches("vidur", "requests=4000", 0.02, 400.0, 10)
    assert equal_row(found) == "none of 1 curves is as accurate; ≥ 1.5 × met"
    assert equal_row(found, "B") == "–"


def test_families_a_and_b_are_judged_apart_and_on_the_same_families_as_ours() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += [a_search(n, family="batch", estimate=101.0, seconds=200.0) for n in (1, 2)]
    found += searches("vidur", "default", 0.01, 100.0, 10)
    found += [a_search(n, family="mm1", strategy="vidur", estimate=101.0) for n in (1, 2)]
    assert equal_row(found, "A") == "no curve: no setting is comparable; ≥ 1.5 × not judged"
    found += [a_search(1, family="batch", strategy="vidur", estimate=101.0, seconds=100.0)]
    assert equal_row(found, "A").startswith("no curve: one setting run, at most 0.5 × `vidur`")


def test_where_we_refuse_too_often_the_goal_is_missed_and_the_page_says_so() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += [a_search(9, status="no_verdict", low=None, high=None)]
    found += searches("vidur", "default", 0.001, 10.0, 10)
    assert cheapest(found) == Silent(0.2, 0.0)
    assert equal_row(found) == "not judged: we refuse 20.0 % **missed**"


def test_our_other_strategies_are_no_baselines() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("sweep", "default", 0.01, 100.0, 10)
    assert cheapest(found) is None


def test_a_setting_that_seldom_answers_is_on_no_curve() -> None:
    found = searches("bayes", "default", 0.01, 200.0, 1000)
    found += searches("vidur", "default", 0.001, 10.0, 10)
    found.append(a_search(9, strategy="vidur", status="no_verdict", estimate=None))
    seconds, _ = equal(found)
    assert (seconds.curves, seconds.single, seconds.met) == (0, 0, None)


def test_the_best_setting_is_the_most_accurate_on_family_a() -> None:
    found = searches("vidur", "default", 0.05, 100.0, 10)
    found += searches("vidur", "requests=4000", 0.02, 400.0, 10)
    found += [a_search(n, strategy="vidur", setting="rare", status="at_most") for n in (1, 2)]
    found += [a_search(n, family="mm1", strategy="vidur", setting="default") for n in range(9)]
    assert best_settings(found) == {"vidur": "requests=4000"}
