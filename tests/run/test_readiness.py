"""Is a fleet up to what a goal may ask of it, by what its workers say of themselves?"""

from __future__ import annotations

import pytest

from contract.units import Rate
from controller.errors import PreflightFailed
from controller.ports import Readiness
from controller.run.readiness import shortfall
from controller.search.goal import Goal
from tests.helpers.builders import a_goal

GOAL = a_goal(low=Rate(100.0), high=Rate(1_000.0))


def told(rate_per_s: float, goal: Goal = GOAL) -> tuple[str, ...]:
    return shortfall(goal, Readiness(("w1",), rate_per_s, ()))


@pytest.mark.parametrize("rate_per_s", [0.0, 1_000.0, 5_000.0])
def test_a_fleet_that_is_up_to_it_or_not_known_is_let_be(rate_per_s: float) -> None:
    assert told(rate_per_s) == ()


@pytest.mark.parametrize("rate_per_s", [50.0, 80.0, 999.0])
def test_a_fleet_that_may_fall_short_is_warned_of_and_tried(rate_per_s: float) -> None:
    (warning,) = told(rate_per_s)
    assert warning == (
        f"by its self-tests the fleet can send {rate_per_s:g}/s together, which is below search.to,"
        " 1k/s: a higher probe may be void"
    )


def test_a_goal_that_begins_far_beyond_the_fleet_is_refused_with_the_cure() -> None:
    says = (
        r"by its self-tests the fleet can send 49/s together, far below search\.from, 100/s:"
        r" start more workers"
    )
    with pytest.raises(PreflightFailed, match=says):
        told(49.0)


def test_a_soak_has_but_one_rate() -> None:
    with pytest.raises(PreflightFailed, match=r"far below search\.rate, 1k/s"):
        told(49.0, a_goal(strategy="soak", low=Rate(1_000.0), high=Rate(1_000.0)))
