"""Is an interval that is wider than asked given where it is carried, and there alone?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.units import Rate, Seconds
from controller.search import honest
from controller.search.answer import Capacity
from controller.search.capacity import Search, ended
from controller.search.conclusion import spent
from controller.search.goal import StrategyName
from controller.search.probe import Evidence
from tests.helpers.builders import a_goal
from tests.search.virtual_target import BatchingTarget, searched

TRUTH = 235.7


def given(budget_s: float, strategy: StrategyName = "bayes") -> tuple[Search, Capacity]:
    goal = a_goal(
        strategy=strategy,
        warm_up="auto",
        precision=0.05,
        low=Rate(10.0),
        high=Rate(2000.0),
        budget_s=Seconds(budget_s),
        require=Rate(100.0),
    )
    search, answer, _ = searched(goal, BatchingTarget(), 1)
    return search, answer


def with_judged(search: Search, judged: int, *, at: float = 1.0, censored: bool = False) -> Search:
    """One probe of so many arrivals, at a rate that is `at` times the estimate."""
    standing = search.strategy.standing()
    assert standing is not None
    one: Evidence = max(search.seen, key=lambda evidence: evidence.measured_s)
    rate = Rate(at * standing.interval.estimate)
    return replace(
        search, seen=(replace(one, offered_per_s=rate, judged=(judged,), censored=censored),)
    )


def test_a_spent_budget_leaves_an_interval_wider_than_asked() -> None:
    _, answer = given(200.0)
    assert (answer.status, answer.exit_status) == ("no_verdict", 3)
    assert answer.low is not None
    assert answer.high is not None
    assert answer.estimate is not None
    assert answer.safe is not None
    assert answer.low < TRUTH < answer.high
    assert answer.low < answer.safe < answer.estimate == answer.strict
    assert answer.high - answer.low > 0.05 * answer.estimate
    assert "90 % sure between" in answer.reason
    assert "% wide where 5% was asked for" in answer.reason


def test_its_gate_stays_open() -> None:
    _, answer = given(200.0)
    assert answer.gate is not None
    assert answer.gate.met is None


def test_few_arrivals_near_the_estimate_leave_the_estimate_alone() -> None:
    _, answer = given(100.0)
    assert answer.status == "no_verdict"
    assert answer.estimate == pytest.approx(TRUTH, rel=0.06)
    assert (answer.low, answer.high, answer.strict, answer.safe) == (None,) * 4
    assert "put the capacity between" in answer.reason


@pytest.mark.parametrize(
    ("judged", "at", "censored", "enough"),
    [
        (8_000, 1.0, False, True),
        (7_999, 1.0, False, False),
        (8_000, 1.09, False, True),
        (80_000, 1.11, False, False),
        (80_000, 1.0, True, False),
    ],
)
def test_a_p99_wants_8000_whole_judged_arrivals_within_a_tenth(
    judged: int, at: float, censored: bool, enough: bool
) -> None:
    search, _ = given(200.0)
    standing = search.strategy.standing()
    assert standing is not None
    assert honest.told_enough(with_judged(search, judged, at=at, censored=censored), standing) is (
        enough
    )


def test_a_target_that_was_not_steady_has_no_interval() -> None:
    search, _ = given(200.0)
    summary = search.opening.summary
    assert summary is not None
    unsteady = replace(search.opening, summary=replace(summary, steady=False))
    answer = spent(replace(search, opening=unsteady))
    assert (answer.status, answer.low, answer.high) == ("no_verdict", None, None)
    assert answer.estimate is not None


def test_probes_shorter_than_the_target_remembers_have_no_interval() -> None:
    search, _ = given(200.0)
    slow = tuple(
        e if e.relaxation_s is None else replace(e, relaxation_s=Seconds(e.measured_s / 5))
        for e in search.seen
    )
    answer = spent(replace(search, seen=slow))
    assert (answer.status, answer.low, answer.high) == ("no_verdict", None, None)


def test_a_bracket_of_verdicts_is_no_interval_to_be_sure_of() -> None:
    search, answer = given(130.0, "binary")
    assert search.strategy.standing() is not None
    assert (answer.status, answer.low, answer.high) == ("no_verdict", None, None)


def test_nothing_is_estimated_before_anything_failed() -> None:
    search, answer = given(68.0)
    standing = search.strategy.standing()
    assert standing is not None
    assert not standing.bounded
    assert (answer.status, answer.estimate) == ("no_verdict", None)
    assert "before any rate could be bounded" in answer.reason
    assert ended(search, "aborted", "by a person").estimate is None
