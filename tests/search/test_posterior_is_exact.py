"""Do the short ways to the posterior lead where the formulas do?

To 1e-9, relative to the largest where a value is next to nothing beside it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contract.units import Rate, Seconds
from controller.search import estimate
from controller.search.earlier import Earlier
from controller.search.estimate import Counts, Posterior
from controller.search.goal import Goal
from tests.helpers.builders import a_goal
from tests.search import plain_posterior
from tests.search.plain_posterior import Plain

Taught = Counts | tuple[float, Seconds]

PROBABILITIES = (0.05, 0.1, 0.5, 0.95)
NEXT_TO_NOTHING = 1e-16

WIDE = a_goal(low=Rate(10.0), high=Rate(2000.0), precision=0.08)
NARROW = a_goal(low=Rate(100.0), high=Rate(110.0), precision=0.05)
FINE = a_goal(low=Rate(50.0), high=Rate(200.0), precision=0.02)
COARSE = a_goal(low=Rate(1.0), high=Rate(10_000.0), precision=0.5)
LEANING = replace(WIDE, prior=Earlier(Rate(200.0), Rate(180.0), Rate(230.0)))
GENTLE = replace(WIDE, gentle=True)

SEARCH: tuple[Taught, ...] = (
    Counts(Rate(20.0), 200, 0),
    Counts(Rate(60.0), 600, 0),
    Counts(Rate(140.0), 1400, 3),
    Counts(Rate(300.0), 3000, 2100, censored=True),
    (240.0, Seconds(10.0)),
    Counts(Rate(230.0), 4600, 120),
    Counts(Rate(222.0), 6600, 61),
    Counts(Rate(226.0), 6600, 40),
    Counts(Rate(218.0), 8600, 90),
    Counts(Rate(221.0), 8600, 77),
)
"""A ramp, a failure, what it saturated at, and the probes around the capacity."""


def counts_of(rate: Rate, judged: int, bad_ratio: float, *, censored: bool) -> Counts:
    return Counts(rate, judged, round(bad_ratio * judged), censored)


rates = st.floats(0.0, 1.0).map(lambda power: Rate(10.0 * 1000.0**power))
windows = st.builds(
    counts_of,
    rates,
    st.sampled_from([0, 1, 2, 300]) | st.integers(0, 50_000),
    st.sampled_from([0.0, 0.001, 0.01, 1.0]) | st.floats(0.0, 0.1) | st.floats(0.0, 1.0),
    censored=st.booleans(),
)
saturations = st.tuples(st.floats(1.0, 1e4), st.floats(0.0, 600.0).map(Seconds))


def assert_alike(ours: Posterior, theirs: Plain, clustering: float | None) -> None:
    assert ours.log_rates == pytest.approx(theirs.log_rates, rel=1e-12)
    for own, their in ((ours.weights, theirs.weights), (ours.marginal, theirs.marginal)):
        assert_close(own / own.max(), their / their.max())
    density = plain_posterior.density(theirs, clustering)
    assert_close(estimate.density(ours, clustering), density)
    known = estimate.quantiles(ours, PROBABILITIES, clustering)
    assert known == pytest.approx(
        plain_posterior.quantiles(theirs, PROBABILITIES, clustering), rel=1e-9
    )


def assert_close(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=NEXT_TO_NOTHING)


def teach_both(goal: Goal, budget: float, taught: tuple[Taught, ...], known: float | None) -> None:
    ours = estimate.prior(goal, budget)
    theirs = plain_posterior.plain(ours)
    for one in taught:
        if isinstance(one, Counts):
            ours, theirs = estimate.learned(ours, one), plain_posterior.learned(theirs, one)
        else:
            ours = estimate.bounded(ours, *one)
            theirs = plain_posterior.bounded(theirs, *one)
        assert_alike(ours, theirs, known)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([WIDE, NARROW, COARSE, LEANING, GENTLE]),
    st.sampled_from([0.05, 0.01, 0.001]) | st.floats(1e-5, 0.5),
    st.lists(windows | saturations, min_size=1, max_size=5).map(tuple),
    st.none() | st.floats(0.0, 1e3),
)
@example(WIDE, 0.01, (Counts(Rate(1e-3), 100, 0),), None)
@example(WIDE, 0.01, (Counts(Rate(1e6), 100, 50),), None)
@example(WIDE, 0.01, tuple(Counts(Rate(200.0), judged, 12) for judged in (47, 94, 147, 188)), None)
def test_short_ways_lead_where_the_formulas_do(
    goal: Goal, budget: float, taught: tuple[Taught, ...], clustering: float | None
) -> None:
    teach_both(goal, budget, taught, clustering)


@pytest.mark.parametrize(
    ("goal", "budget"),
    [(WIDE, 0.01), (WIDE, 0.05), (NARROW, 0.01), (FINE, 0.01), (LEANING, 0.001), (GENTLE, 0.01)],
)
def test_a_whole_search_is_known_alike(goal: Goal, budget: float) -> None:
    teach_both(goal, budget, SEARCH, 12.0)


def test_weights_about_to_vanish_are_known_alike() -> None:
    start = estimate.prior(WIDE, 0.01)
    theirs = plain_posterior.plain(start)
    ours = replace(start, weights=1e-290 * start.weights)
    for counts in (Counts(Rate(100.0), 20_000, 100), Counts(Rate(101.0), 20_000, 1100)) * 20:
        ours = estimate.learned(ours, counts)
        theirs = plain_posterior.learned(theirs, counts)
    assert_alike(ours, theirs, 1.0)
