"""Does an earlier result help where it is right, and cost only time where it is wrong?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contract.units import Rate
from controller.search.capacity import observe, propose, start
from controller.search.earlier import LEAST_SD, UNKNOWN_SD, Earlier
from controller.search.estimate import Counts, density, learned, prior, quantiles
from controller.search.goal import Goal, GoalInvalid
from controller.search.probe import Probe
from tests.helpers.builders import a_goal
from tests.search.test_capacity import cliff
from tests.search.virtual_target import BatchingTarget, searched

TRUTH = 235.7
RIGHT = Earlier(Rate(225.0), Rate(214.0), Rate(236.0))


def goal_with(earlier: Earlier | None, **changes: Any) -> Goal:
    settings: dict[str, Any] = {
        "strategy": "bayes",
        "warm_up": "auto",
        "closing_probes": 1,
        "precision": 0.1,
        "high": Rate(2000.0),
        "prior": earlier,
    }
    return a_goal(**(settings | changes))


def off_by(factor: float) -> Earlier:
    return Earlier(Rate(factor * TRUTH), Rate(factor * TRUTH * 0.95), Rate(factor * TRUTH * 1.05))


def probes_of(goal: Goal, count: int, at_per_s: float = 230.0) -> list[Probe]:
    search, seen = start(goal), list[Probe]()
    while len(seen) < count and isinstance(step := propose(search), Probe):
        seen.append(step)
        search = observe(search, cliff(step, at_per_s))
    return seen


def test_a_narrow_interval_is_widened_and_a_missing_one_is_wide() -> None:
    assert RIGHT.sd == LEAST_SD
    assert Earlier(Rate(225.0)).sd == UNKNOWN_SD
    assert Earlier(Rate(200.0), Rate(100.0), Rate(400.0)).sd == pytest.approx(0.42, abs=0.01)


def test_the_prior_leans_on_it_and_half_stays_flat() -> None:
    flat, leant = (prior(goal_with(e), 0.01) for e in (None, RIGHT))
    ratio = density(leant) / density(flat)
    at = np.exp(leant.log_rates)
    assert at[ratio.argmax()] == pytest.approx(225.0, rel=0.015)  # in the long run a little lower
    assert ratio.max() / ratio.min() < 50
    assert ratio.min() == pytest.approx(0.5, abs=0.05)
    near = density(leant)[(at > 150) & (at < 340)].sum()
    assert 0.45 < near < 0.65


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_one_is_outweighed_by_what_a_few_probes_show(factor: float) -> None:
    medians = []
    for earlier in (None, off_by(factor)):
        posterior = prior(goal_with(earlier), 0.01)
        for rate, bad in ((220.0, 8), (250.0, 160), (235.0, 40), (238.0, 44)):
            posterior = learned(posterior, Counts(Rate(rate), 4000, bad))
        medians.append(quantiles(posterior, (0.5,))[0])
    assert medians[1] == pytest.approx(medians[0], rel=0.01)


def test_the_scale_is_not_looked_for_where_it_is_as_before() -> None:
    scale, warm_up, first = probes_of(goal_with(RIGHT), 3)
    assert (scale.purpose, scale.rate) == ("scale", 0.75 * 225)
    assert "as before" in scale.why
    assert (warm_up.purpose, warm_up.rate) == ("warm_up", 0.5 * 0.75 * 225)
    assert (first.purpose, first.rate) == ("search", 0.75 * 225)


def test_where_it_is_not_the_scale_is_looked_for_from_below_and_not_above_what_failed() -> None:
    probes = probes_of(goal_with(off_by(2.0)), 8)
    scales = [float(probe.rate) for probe in probes if probe.purpose == "scale"]
    assert scales[0] == 0.75 * 2 * TRUTH
    assert scales[1:] == [10, 20, 40, 80, 160, 320]
    assert probes[7].purpose == "warm_up"


def test_a_scale_that_never_fails_again_ends_below_what_did() -> None:
    probes = probes_of(goal_with(Earlier(Rate(100.0))), 8, at_per_s=70.0)
    scales = [float(probe.rate) for probe in probes if probe.purpose == "scale"]
    assert scales == [75, 10, 20, 40]


@pytest.mark.parametrize("estimate", [1.0, 10.0, 5000.0])
def test_one_outside_of_the_bounds_begins_at_them(estimate: float) -> None:
    goal = goal_with(Earlier(Rate(estimate)))
    (probe,) = probes_of(goal, 1)
    assert probe.rate == min(max(0.75 * estimate, goal.low), goal.high)
    assert np.isfinite(density(prior(goal, 0.01))).all()


def test_without_a_warm_up_the_ramp_begins_there_at_once() -> None:
    (first,) = probes_of(goal_with(RIGHT, warm_up="none"), 1)
    assert (first.purpose, first.rate) == ("search", 0.75 * 225)


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_the_answer_is_the_targets_whatever_was_known_before(factor: float) -> None:
    _, answer, _ = searched(goal_with(off_by(factor)), BatchingTarget(), 2)
    assert answer.status == "answered"
    assert answer.estimate == pytest.approx(TRUTH, rel=0.05)


@pytest.mark.parametrize(
    "wrong",
    [Earlier(Rate(0.0)), Earlier(Rate(100.0), Rate(110.0), Rate(120.0)), Earlier(Rate(9), Rate(0))],
)
def test_one_that_contradicts_itself_is_refused(wrong: Earlier) -> None:
    with pytest.raises(GoalInvalid, match=r"search\.prior"):
        replace(a_goal(), prior=wrong)
