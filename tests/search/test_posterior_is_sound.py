"""Does the posterior stay a probability distribution, whatever it is taught?

Capacities are known to the width of the grid, and lie on it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.units import Rate, Seconds
from controller.search.estimate import (
    Counts,
    Posterior,
    bounded,
    density,
    learned,
    prior,
    probability_above,
    quantiles,
    tail,
)
from tests.helpers.builders import a_goal

GOAL = a_goal(low=Rate(10.0), high=Rate(1000.0), precision=0.5)
PROBABILITIES = (0.0, 0.05, 0.1, 0.5, 0.95, 1.0)
MOST = 1_000_000

rates = st.floats(1.0, 5000.0).map(Rate)
budgets = st.floats(1e-5, 0.5)
clusterings = st.none() | st.floats(0.0, 1e6)


def counts_of(judged: int, bad: int, rate: Rate, *, censored: bool) -> Counts:
    return Counts(rate, judged, min(bad, judged), censored)


windows = st.builds(
    counts_of,
    st.sampled_from([0, 1, 2, 300, MOST]) | st.integers(0, MOST),
    st.sampled_from([0, 1, MOST]) | st.integers(0, MOST),
    rates,
    censored=st.booleans(),
)
saturations = st.tuples(st.floats(1e-3, 1e5), st.floats(0.0, 600.0).map(Seconds))


def assert_sound(posterior: Posterior, clustering: float | None = None) -> None:
    mass = density(posterior, clustering)
    assert np.all(np.isfinite(mass))
    assert np.all(mass >= 0)
    assert mass.sum() == pytest.approx(1.0)
    known = quantiles(posterior, PROBABILITIES, clustering)
    assert all(low <= high for low, high in pairwise(known))
    step = posterior.log_rates[1] - posterior.log_rates[0]
    on_grid = np.exp(posterior.log_rates[[0, -1]] + np.array([-step, step]))
    assert on_grid[0] <= known[0]
    assert known[-1] <= on_grid[1]
    above = [probability_above(posterior, rate, clustering) for rate in (1.0, *known, 1e5)]
    assert all(-1e-9 <= part <= 1 + 1e-9 for part in above)
    assert all(left >= right - 1e-9 for left, right in pairwise(above))
    assert all(np.isfinite(tail(posterior)))


@settings(max_examples=60, deadline=None)
@given(budgets, st.lists(windows | saturations, max_size=8), clusterings)
def test_whatever_it_is_taught_a_posterior_is_a_distribution_on_its_grid(
    budget: float,
    taught: list[Counts | tuple[float, Seconds]],
    clustering: float | None,
) -> None:
    posterior = prior(GOAL, budget)
    for one in taught:
        posterior = learned(posterior, one) if isinstance(one, Counts) else bounded(posterior, *one)
    assert_sound(posterior, clustering)


EDGES = {
    "empty": (0, 0),
    "one request, good": (1, 0),
    "one request, bad": (1, 1),
    "all good": (5000, 0),
    "all bad": (5000, 5000),
    "a million, good": (MOST, 0),
    "a million, bad": (MOST, MOST),
    "a million at the budget": (MOST, MOST // 100),
}


@pytest.mark.parametrize("censored", [False, True], ids=["whole", "censored"])
@pytest.mark.parametrize("window", EDGES)
def test_thirty_times_the_same_extreme_window_leave_it_sound(window: str, censored: bool) -> None:
    posterior = prior(GOAL, 0.01)
    for _ in range(30):
        posterior = learned(posterior, Counts(Rate(200.0), *EDGES[window], censored))
    assert_sound(posterior)


def test_windows_that_contradict_each_other_thirty_times_leave_it_sound() -> None:
    posterior = prior(GOAL, 0.01)
    for rate in np.geomspace(900.0, 12.0, 30):
        posterior = learned(posterior, Counts(Rate(float(rate)), MOST, 0))
        posterior = learned(posterior, Counts(Rate(float(rate)), MOST, MOST))
    assert_sound(posterior)


@settings(max_examples=40, deadline=None)
@given(budgets, st.lists(saturations, min_size=1, max_size=12))
def test_bounds_alone_lower_the_capacity_and_keep_it_sound(
    budget: float, bounds: list[tuple[float, Seconds]]
) -> None:
    posterior = prior(GOAL, budget)
    for saturated_per_s, measured_s in bounds:
        after = bounded(posterior, saturated_per_s, measured_s)
        assert_sound(after)
        assert quantiles(after, (0.5,))[0] <= quantiles(posterior, (0.5,))[0] * (1 + 1e-9)
        posterior = after


def estimate(budget: float, worse: float = 1.0) -> float:
    """Of probes whose bad share is 1 % times `worse` at 200/s and e-fold every 5/s."""
    posterior = prior(replace(GOAL, precision=0.05), budget)
    for rate in (170.0, 190.0, 195.0, 200.0, 205.0, 210.0):
        ratio = min(worse * 0.01 * math.exp((rate - 200.0) / 5.0), 1.0)
        posterior = learned(posterior, Counts(Rate(rate), 8000, round(8000 * ratio)))
    return float(quantiles(posterior, (0.5,), 2.0)[0])


def test_a_larger_budget_gives_a_larger_capacity() -> None:
    estimates = [estimate(budget) for budget in (0.005, 0.01, 0.02, 0.04)]
    assert all(low < high for low, high in pairwise(estimates))
    assert estimates == pytest.approx([196.5, 200.0, 203.5, 207.0], rel=0.015)


def test_more_bad_arrivals_everywhere_give_a_smaller_capacity() -> None:
    estimates = [estimate(0.01, worse) for worse in (0.5, 1.0, 2.0, 4.0)]
    assert all(low > high for low, high in pairwise(estimates))
