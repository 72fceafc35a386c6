"""Which capacities do the bad counts so far leave plausible?"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom

from contract.units import Rate, Seconds
from controller.search.estimate import (
    Counts,
    bounded,
    density,
    learned,
    prior,
    probability_above,
    quantiles,
)
from controller.search.likelihood import CLUSTERINGS, log_likelihood_of_counts
from tests.helpers.builders import a_goal

GOAL = a_goal(low=Rate(10.0), high=Rate(1000.0))
PRIOR = prior(GOAL, 0.01)
MIDDLE = (0.05, 0.5, 0.95)

CLEAN = Counts(Rate(200.0), 4000, 2)
EDGE = Counts(Rate(230.0), 4600, 46)
BAD = Counts(Rate(260.0), 5000, 2000)


@given(
    judged=st.integers(1, 20_000),
    bad=st.integers(0, 500),
    ratio=st.floats(1e-5, 0.5),
    clustering=st.sampled_from([float(c) for c in CLUSTERINGS]),
)
def test_counts_are_negative_binomial(
    judged: int, bad: int, ratio: float, clustering: float
) -> None:
    """Mean n p and variance f n p, as scipy has it with r = n p / (f - 1) and 1/f."""
    ours = log_likelihood_of_counts(judged, bad, np.array(ratio), np.array(clustering))
    theirs = nbinom.logpmf(bad, judged * ratio / (clustering - 1), 1 / clustering)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6, abs=1e-6)


def test_order_does_not_matter() -> None:
    answers = []
    for order in permutations((CLEAN, EDGE, BAD)):
        posterior = PRIOR
        for counts in order:
            posterior = learned(posterior, counts)
        answers.append(quantiles(posterior, MIDDLE, 20.0))
    for answer in answers[1:]:
        assert answer == pytest.approx(answers[0], rel=1e-9)


@given(scale=st.sampled_from([0.01, 0.5, 3.0, 1000.0]))
def test_ten_times_the_rates_give_ten_times_the_capacity(scale: float) -> None:
    goal = replace(GOAL, low=Rate(GOAL.low * scale), high=Rate(GOAL.high * scale))
    there, here = prior(goal, 0.01), PRIOR
    for counts in (CLEAN, BAD):
        here = learned(here, counts)
        there = learned(there, replace(counts, offered_per_s=Rate(counts.offered_per_s * scale)))
    expected = [scale * rate for rate in quantiles(here, MIDDLE)]
    assert quantiles(there, MIDDLE) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("claim", "counts", "least", "most"),
    [
        ("a clean probe lifts what is below it", CLEAN, 0.85, 1.0),
        ("a probe far over its budget sinks what is above it", replace(BAD, offered_per_s=Rate(200.0)), 0.0, 0.1),
        ("a censored probe does as well", Counts(Rate(200.0), 4000, 240, censored=True), 0.0, 0.1),
        ("a probe right at its budget says: hereabouts", Counts(Rate(200.0), 4000, 40), 0.2, 0.85),
    ],
)  # fmt: skip
def test_what_one_probe_says(claim: str, counts: Counts, least: float, most: float) -> None:
    assert least <= probability_above(learned(PRIOR, counts), 200.0) <= most, claim


def test_clustered_counts_say_less() -> None:
    posterior = learned(learned(PRIOR, CLEAN), EDGE)
    narrow, wide = quantiles(posterior, MIDDLE, 2.0), quantiles(posterior, MIDDLE, 200.0)
    assert wide[2] / wide[0] > narrow[2] / narrow[0]


def test_one_unlucky_probe_is_outvoted() -> None:
    """A stall at 100/s must not hide for good that 230/s was carried time and again."""
    posterior = learned(PRIOR, Counts(Rate(100.0), 2000, 200))
    for _ in range(4):
        posterior = learned(posterior, Counts(Rate(230.0), 4600, 20))
    posterior = learned(posterior, BAD)
    assert quantiles(posterior, (0.5,), 20.0)[0] > 200


def test_saturation_bounds_from_above_but_softly() -> None:
    climbing = learned(PRIOR, CLEAN)
    bound = bounded(climbing, 250.0, Seconds(4.0))
    assert probability_above(bound, 350.0) < 0.5 * probability_above(climbing, 350.0)
    assert probability_above(bound, 350.0) > 0.02


def test_nothing_judged_teaches_nothing() -> None:
    assert learned(PRIOR, Counts(Rate(200.0), 0, 0)) == PRIOR


def test_an_objective_without_budget_is_one_of_very_few_errors() -> None:
    posterior = learned(prior(GOAL, 0.0), Counts(Rate(200.0), 4000, 40))
    assert probability_above(posterior, 200.0) < 0.2


def test_the_grid_is_finer_than_the_precision() -> None:
    wide = prior(a_goal(low=Rate(1.0), high=Rate(10_000.0), precision=0.02), 0.01)
    assert np.diff(wide.log_rates).max() < 0.02 / 8
    assert density(wide).sum() == pytest.approx(1.0)


def test_a_posterior_equals_itself_recomputed() -> None:
    assert learned(PRIOR, CLEAN) == learned(PRIOR, CLEAN)
    assert learned(PRIOR, CLEAN) != learned(PRIOR, EDGE)
