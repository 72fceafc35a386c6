"""The strict capacity counts the stalls that the estimate leaves out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.units import Rate, Seconds
from controller.search.probe import Evidence, Stall
from controller.search.strict import Load, Spoiling, Tail, load_of, solved, strict

BUDGET = 0.01
MU = 266.0


def a_tail(capacity: float = 235.0, spread: float = 0.02) -> Tail:
    capacities = capacity * np.exp(np.linspace(-3, 3, 61) * spread)
    masses = np.exp(-0.5 * np.linspace(-3, 3, 61) ** 2)
    return Tail(capacities, masses / masses.sum(), 40.0, 0.0, BUDGET)


def a_stall(seconds: float, bad: int = 50, replica: str = "") -> Stall:
    return Stall(
        Seconds(5.0), Seconds(5.0 + seconds), Seconds(7.0), 90.0, 8, (200,), (bad,), replica
    )


def watched(*stalls: Stall, rate: float = 200.0, seconds: float = 30.0) -> Evidence:
    return Evidence(Rate(rate), (1000,), (5,), (None,), stalls=stalls, watched_s=Seconds(seconds))


def test_it_solves_what_the_definition_says() -> None:
    tail, spent = a_tail(), np.array([0.2, 0.5])
    rates = solved(tail, spent, MU)
    capacity = tail.capacities[:, None]
    left = np.exp(40 * (rates / capacity - 1)) + spent / (1 - rates / MU)
    assert left == pytest.approx(np.ones_like(left), abs=1e-6)


def test_a_stall_every_ninety_seconds_costs_two_fifths() -> None:
    """Batches of 16, half a second every 90 s: a long simulation gives 139.5/s of 235.9/s."""
    load = Load(count=400, watched_s=36_000.0, spoiled_s=0.54 - 0.15, spread=0.1)
    found = strict(a_tail(235.9, 0.001), load, MU)
    assert found.estimate == pytest.approx(139.5, rel=0.1)


def test_stalls_that_spend_the_budget_leave_no_rate() -> None:
    load = Load(count=400, watched_s=10_000.0, spoiled_s=0.29, spread=0.1)
    assert float(strict(a_tail(), load, MU).estimate) == 0


def test_few_stalls_make_the_safe_rate_much_lower_than_many_of_the_same_frequency() -> None:
    few, many = (strict(a_tail(), Load(n, 90.0 * n, 0.3, 0.1), MU) for n in (2, 2000))
    assert few.safe < 0.6 * many.safe
    assert many.safe == pytest.approx(many.estimate, rel=0.15)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 500),
    every_s=st.floats(5, 1e4),
    spoiled_s=st.floats(0, 5),
    spread=st.floats(0, 2),
    factor=st.floats(0.01, 100),
)
def test_it_never_exceeds_the_estimate_and_scales_with_the_rate(
    count: int, every_s: float, spoiled_s: float, spread: float, factor: float
) -> None:
    load = Load(count, every_s * count, spoiled_s, spread)
    here = strict(a_tail(235.0), load, MU)
    there = strict(a_tail(235.0 * factor), load, MU * factor)
    assert 0 <= here.safe <= here.estimate <= 235.0 * 1.07
    assert math.isfinite(here.estimate)
    assert there.estimate == pytest.approx(here.estimate * factor, rel=1e-6, abs=1e-9)


def test_more_stalls_never_allow_a_higher_rate() -> None:
    answers = [strict(a_tail(), Load(n, 900.0, 0.3, 0.3), MU).estimate for n in range(1, 40)]
    assert answers == sorted(answers, reverse=True)


def test_a_gap_spoils_what_of_it_exceeds_the_limit() -> None:
    of_response_time = Spoiling(0, 0.15, MU)
    assert of_response_time.seconds(a_stall(0.44), 200.0) == pytest.approx(0.29)
    assert of_response_time.seconds(a_stall(0.14), 200.0) == 0


def test_errors_answered_in_a_stall_are_spoiled_arrivals_too() -> None:
    spoiling = Spoiling(0, 0.15, MU)
    short, long = (replace(a_stall(seconds, bad=50), failed=20) for seconds in (0.14, 0.44))
    seen_s = 20 / 200 * (1 - 200 / MU)
    assert spoiling.seconds(short, 200.0) == pytest.approx(seen_s)
    assert spoiling.seconds(long, 200.0) == pytest.approx(0.29)  # as late as all that were bad


@given(failed=st.integers(0, 300), bad=st.integers(0, 300), stalled_s=st.floats(0.1, 5))
def test_errors_never_spoil_less_nor_more_than_was_seen(
    failed: int, bad: int, stalled_s: float
) -> None:
    spoiling = Spoiling(0, 0.15, MU)
    clean_s = spoiling.seconds(a_stall(stalled_s, bad=bad), 200.0)
    here_s = spoiling.seconds(replace(a_stall(stalled_s, bad=bad), failed=failed), 200.0)
    assert clean_s <= here_s <= max(clean_s, bad / 200 * (1 - 200 / MU)) + 1e-12


def test_strict_counts_the_errors_that_the_estimate_leaves_out() -> None:
    """Stalls of 0.14 s break no limit of 0.15 s; the errors in them are the target's all the same."""
    found = []
    for failed in (0, 20):
        stall = replace(a_stall(0.14, bad=30), failed=failed)
        load = load_of([watched(stall, seconds=30.0)], 220.0, Spoiling(0, 0.15, MU))
        assert load is not None
        found.append(strict(a_tail(), load, MU))
    assert found[1].estimate < 0.98 * found[0].estimate


def test_a_replicas_stall_spoils_what_was_seen_of_it() -> None:
    spoiling = Spoiling(0, 0.15, MU)
    seen_s = spoiling.seconds(a_stall(0.8, bad=40, replica="r2"), 133.0)
    assert seen_s == pytest.approx(40 / 133 * 0.5)


def test_only_probes_that_could_show_a_stall_are_watched() -> None:
    slow = watched(a_stall(0.5), rate=20.0, seconds=1000.0)
    near = watched(a_stall(0.5), a_stall(0.5), seconds=60.0)
    load = load_of([slow, near], 220.0, Spoiling(0, 0.15, MU))
    assert load is not None
    assert (load.count, load.watched_s) == (2, 60.0)


def test_without_a_stall_there_is_nothing_to_count() -> None:
    assert load_of([watched()], 220.0, Spoiling(0, 0.15, MU)) is None
