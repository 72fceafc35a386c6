"""Does a gentle search hurt a target less?"""

from __future__ import annotations

import statistics
from functools import cache

import pytest

from contract.units import Rate
from controller.search import gentle
from controller.search.answer import Capacity
from controller.search.capacity import Search, observe, propose, start
from controller.search.estimate import CENSORED_TIMES, Counts, density, learned, prior, too_many
from controller.search.probe import Outcome, Probe, Verdict
from tests.helpers.builders import a_goal
from tests.search.test_capacity import cliff
from tests.search.virtual_target import BatchingTarget, searched

TRUTH = 235.7
BOLD = a_goal(strategy="bayes", warm_up="auto", closing_probes=1, precision=0.10, high=Rate(2000.0))
GENTLE = a_goal(
    strategy="bayes",
    warm_up="auto",
    closing_probes=1,
    precision=0.10,
    high=Rate(2000.0),
    gentle=True,
)


@cache
def found(is_gentle: bool, seed: int) -> tuple[Search, Capacity, list[Outcome]]:
    return searched(GENTLE if is_gentle else BOLD, BatchingTarget(), seed)


def test_it_finds_the_same_capacity_with_fewer_bad_requests() -> None:
    bad = {}
    for is_gentle in (False, True):
        runs = [found(is_gentle, seed) for seed in range(4)]
        assert all(answer.status == "answered" for _, answer, _ in runs)
        errors = [abs((answer.estimate or 0) / TRUTH - 1) for _, answer, _ in runs]
        assert max(errors) < 0.06
        bad[is_gentle] = statistics.median(search.bad_requests for search, _, _ in runs)
    assert bad[True] < 0.8 * bad[False]


def test_after_a_failure_it_stays_within_a_tenth_of_what_was_carried() -> None:
    search, supported, failed = start(GENTLE), 0.0, False
    while isinstance(step := propose(search), Probe):
        if failed and step.purpose in ("search", "closing"):
            assert step.rate <= gentle.HIGHEST_STEP * supported + 1e-9
        outcome = cliff(step)
        if step.purpose in ("search", "closing"):
            failed |= outcome.verdict is Verdict.FAIL
        if outcome.verdict is Verdict.PASS and step.purpose != "warm_up":
            supported = max(supported, step.rate)
        search = observe(search, outcome)
    assert failed


def test_the_ramp_rises_in_small_steps() -> None:
    search, rates = start(GENTLE), list[Rate]()
    while isinstance(step := propose(search), Probe) and len(rates) < 3:
        if step.purpose == "search":
            rates.append(step.rate)
        search = observe(search, cliff(step, 900.0))
    assert rates[1] / rates[0] == pytest.approx(gentle.PLACED_STEP)
    assert rates[2] / rates[1] == pytest.approx(gentle.PLACED_STEP)


def test_beyond_the_number_that_stops_a_probe_more_bad_arrivals_tell_nothing() -> None:
    for goal, times in ((BOLD, CENSORED_TIMES), (GENTLE, gentle.CENSORED_TIMES)):
        posterior = prior(goal, 0.01)
        limit = too_many(0.01, 3000, times)
        assert limit == times * 30
        beyond = [
            density(learned(posterior, Counts(Rate(200.0), 3000, bad)))
            for bad in (int(limit) + 1, 2000)
        ]
        assert (beyond[0] == beyond[1]).all()
        below = density(learned(posterior, Counts(Rate(200.0), 3000, int(limit))))
        assert (below != beyond[0]).any()
