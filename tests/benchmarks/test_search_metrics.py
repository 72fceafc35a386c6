"""Are searches counted honestly, and are the statistics those they claim to be?"""

from __future__ import annotations

import math

import pytest

from benchmarks.search import statistics
from benchmarks.search.found import Found
from benchmarks.search.metrics import summary
from tests.helpers.a_search import a_search


def refused(seed: int, estimate: float) -> Found:
    return a_search(seed, status="no_verdict", estimate=estimate, low=None, high=None)


def silent(seed: int) -> Found:
    return a_search(seed, status="no_verdict", estimate=None, low=None, high=None)


def test_errors_are_of_answers_and_costs_of_all_searches() -> None:
    row = summary(
        [
            a_search(1, estimate=110.0, low=95.0, high=120.0, seconds=100.0),
            a_search(2, estimate=90.0, low=85.0, high=98.0, seconds=200.0),
            a_search(3, estimate=101.0, low=90.0, high=103.0, seconds=300.0),
            refused(4, 150.0),
            silent(5),
        ]
    )
    assert row.accuracy.mean_abs.value == pytest.approx((0.10 + 0.10 + 0.01) / 3)
    assert row.accuracy.bias.value == pytest.approx(0.01)
    assert row.accuracy.too_high.value == pytest.approx(1 / 3)
    assert row.accuracy.coverage.value == pytest.approx(2 / 3)
    assert row.accuracy.width.value == pytest.approx(13 / 90)
    assert row.accuracy.with_refused.value == pytest.approx((0.10 + 0.10 + 0.01 + 0.50) / 4)
    assert (row.answered.value, row.refused.value, row.unanswered.value) == (0.6, 0.2, 0.2)
    assert row.cost.seconds.value == 200.0


def test_a_number_without_a_verdict_is_refused_only_where_it_has_no_interval() -> None:
    wide = a_search(1, status="no_verdict", low=90.0, high=108.0)
    assert (wide.answer, wide.covered) == ("answered", True)
    assert wide.width == pytest.approx(0.18)
    assert a_search(1, status="no_verdict", low=None, high=None).answer == "refused"
    assert a_search(1, status="aborted").answer == "none"


def test_known_coverage_is_measured_and_lies_in_its_interval() -> None:
    held = [a_search(seed) for seed in range(1, 181)]
    missed = [a_search(seed, low=101.0, high=109.0) for seed in range(181, 201)]
    coverage = summary([*held, *missed]).accuracy.coverage
    assert coverage.value == 0.9
    assert 0.84 < coverage.low < 0.9 < coverage.high < 0.94


@pytest.mark.parametrize(
    ("place", "status", "answer"),
    [
        ("above", "at_least", "right"),
        ("above", "answered", "wrong"),
        ("below", "at_most", "right"),
        ("below", "no_verdict", "wrong"),
        ("inside", "at_least", "none"),
        ("inside", "at_most", "none"),
        ("inside", "broken", "none"),
    ],
)
def test_a_truth_out_of_range_is_right_or_wrong_and_no_error(
    place: str, status: str, answer: str
) -> None:
    one = a_search(place=place, status=status, estimate=None if status == "broken" else 300.0)
    assert one.answer == answer
    assert not summary([one]).accuracy.mean_abs.known
    assert summary([one]).outside == (place != "inside")


def test_an_estimate_beside_at_most_counts_where_stalls_alone_spend_the_budget() -> None:
    stalls = a_search(status="at_most", strict_truth=0.0, strict=None, low=None, high=None)
    assert stalls.answer == "answered"
    assert summary([stalls]).accuracy.mean_abs.value == 0.0


def test_strict_is_held_against_the_truth_that_counts_stalls() -> None:
    row = summary(
        [
            a_search(1, strict=66.0, strict_truth=60.0),
            a_search(2, strict=57.0, strict_truth=60.0),
            a_search(3, strict=None, strict_truth=60.0),
            a_search(4, strict=100.0, strict_truth=None),
        ]
    )
    assert row.strict.given.value == pytest.approx(2 / 3)
    assert row.strict.mean_abs.value == pytest.approx(0.075)
    assert row.strict.too_high.value == 0.5


def test_safe_is_held_against_the_strict_truth_or_without_stalls_against_the_truth() -> None:
    row = summary(
        [
            a_search(1, safe=60.0, strict_truth=60.0),
            a_search(2, safe=61.0, strict_truth=60.0),
            a_search(3, safe=99.0, strict_truth=None),
            a_search(4, safe=None),
            a_search(5, safe=40.0, strict_truth=0.0),
            a_search(6, safe=None, strict_truth=0.0),
            a_search(7, safe=300.0, place="above"),
        ]
    )
    assert row.safe.given.value == pytest.approx(3 / 4)
    assert row.safe.held == statistics.share(2, 3)
    assert row.safe.for_none.value == 0.5


def test_a_broken_search_is_unanswered_and_costs_nothing() -> None:
    row = summary([a_search(1), a_search(2, status="broken", estimate=None, seconds=0.0)])
    assert (row.broken, row.unanswered.value, row.cost.seconds.value) == (1, 0.5, 200.0)


def test_repeatability_is_within_targets_and_not_between_them() -> None:
    near = [a_search(seed, estimate=99.0 + 2 * (seed % 2)) for seed in range(1, 21)]
    far = [
        a_search(seed, family="batch", truth=50.0, estimate=59.5 + (seed % 2))
        for seed in range(1, 21)
    ]
    accuracy = summary([*near, *far]).accuracy
    assert accuracy.deviation == pytest.approx(0.01 * math.sqrt(20 / 19))
    assert accuracy.agreement.value == pytest.approx((2 / 100 + 1 / 60) / 2)


def test_limits_of_agreement_are_those_of_bland_and_altman() -> None:
    found = statistics.agreement([[1.1, 0.9], [0.9, 1.1], [1.0, 1.0]])
    assert found.value == pytest.approx(0.0)
    assert (found.low, found.high) == pytest.approx((-1.96 * 0.2, 1.96 * 0.2), rel=1e-4)


def test_wilson_s_interval_is_the_published_one() -> None:
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    found = statistics.share(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert statistics.share(0, 20).high == pytest.approx(0.1611, abs=5e-5)


def test_a_bootstrap_interval_is_that_of_the_mean_and_always_the_same() -> None:
    values = [float(n) for n in range(100)]
    found = statistics.bootstrapped(values, statistics.mean)
    half = 1.96 * 29.0 / 10
    assert found.value == 49.5
    assert (found.low, found.high) == pytest.approx((49.5 - half, 49.5 + half), abs=0.8)
    assert found == statistics.bootstrapped(values, statistics.mean)


def test_nothing_is_known_of_no_search() -> None:
    row = summary([])
    assert not row.accuracy.mean_abs.known
    assert not row.cost.seconds.known
    assert not row.answered.known
