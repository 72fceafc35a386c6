"""Which probe comes next, and when is the capacity known?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from contract.objectives import parse_objective
from contract.report import Ledger
from contract.units import Rate, Seconds
from controller.search.answer import Capacity
from controller.search.capacity import (
    MOST_VOIDS,
    Search,
    cost_s,
    ended,
    interval,
    observe,
    propose,
    quote,
    rewarm,
    start,
)
from controller.search.goal import Goal, StrategyName
from controller.search.journal import ProbeDecided, restore
from controller.search.probe import Evidence, Outcome, Probe, Verdict
from tests.helpers.builders import a_goal

STRATEGIES: tuple[StrategyName, ...] = ("bayes", "binary", "sweep")
Answering = Callable[[Probe], Outcome]


def cliff(probe: Probe, at_per_s: float = 230.0) -> Outcome:
    """A target that is perfect up to a rate and hopeless beyond it."""
    n = round(probe.rate * probe.measure_s)
    fails = probe.rate > at_per_s
    evidence = Evidence(
        probe.rate,
        (max(n, 1),),
        (n // 2 if fails else 0,),
        (4.0,),
        censored=fails,
        measured_s=probe.measure_s,
    )
    verdict = Verdict.FAIL if fails else Verdict.PASS
    rule = "flat" if probe.purpose == "warm_up" else "end"
    seconds = Seconds(probe.rest_s + probe.duration_s + 1.0)
    return Outcome(probe, verdict, rule, "", evidence, requests=n, steady=True, seconds=seconds)


def nothing_answers(probe: Probe) -> Outcome:
    """Every arrival is refused."""
    outcome = cliff(probe, 0.0)
    errors = (("ConnectionRefusedError", 312),)
    return replace(outcome, error_ratio=1.0, errors=errors, ledger=Ledger(failed=312))


def voided(probe: Probe) -> Outcome:
    return Outcome(probe, Verdict.VOID, "void", "the workers cannot keep up", seconds=Seconds(9.0))


def proposed(search: Search) -> Probe:
    step = propose(search)
    assert isinstance(step, Probe)
    return step


def run(goal: Goal, answering: Answering = cliff) -> tuple[Capacity, list[Outcome]]:
    search, outcomes = start(goal), []
    while isinstance(step := propose(search), Probe):
        outcomes.append(answering(step))
        search = observe(search, outcomes[-1])
    assert isinstance(step, Capacity)
    return step, outcomes


@pytest.fixture(params=STRATEGIES)
def goal(request: pytest.FixtureRequest) -> Goal:
    return a_goal(strategy=request.param, warm_up="auto", closing_probes=1, precision=0.1)


def test_a_cliff_is_found(goal: Goal) -> None:
    answer, _ = run(goal)
    assert answer.status == "answered"
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low <= 231
    assert answer.high >= 229
    assert answer.strict == answer.estimate
    assert answer.binding_objective == goal.objectives[0].text


def test_the_same_outcomes_give_the_same_search_and_probes(goal: Goal) -> None:
    _, outcomes = run(goal)
    search = start(goal)
    for outcome in outcomes:
        assert proposed(search) == outcome.probe == proposed(search)
        search = observe(search, outcome)
    events = [ProbeDecided(0.0, outcome, None, None, None) for outcome in outcomes]
    assert restore(goal, events) == search


def test_a_void_probe_moves_nothing_but_counts_and_the_clock(goal: Goal) -> None:
    search = start(goal)
    while isinstance(step := propose(search), Probe):
        after = observe(search, voided(step))
        again = propose(after)
        assert isinstance(again, Probe) or step.measure_s >= goal.budget_s / 20
        if isinstance(again, Probe):
            same = replace(again, number=step.number, measure_s=step.measure_s)
            assert same == replace(step, rest_s=again.rest_s)
        assert interval(after) == interval(search)
        assert (after.strategy, after.opening) == (search.strategy, search.opening)
        assert (after.voids, after.probes) == (search.voids + 1, search.probes + 1)
        assert counting_as(after, search) == replace(search, rest_s=after.rest_s)
        search = observe(search, cliff(step))


def counting_as(after: Search, before: Search) -> Search:
    """`after` with the counts and the clock of `before`."""
    names = ("voids", "probes", "void_probes", "void_reason", "elapsed_s", "requests")
    return replace(after, **{name: getattr(before, name) for name in names})


def test_three_voids_in_a_row_end_the_search_with_their_reason(goal: Goal) -> None:
    answer, outcomes = run(goal, voided)
    assert len(outcomes) == MOST_VOIDS
    assert answer.status == "no_verdict"
    assert "the workers cannot keep up" in answer.reason


def test_voids_that_are_not_in_a_row_do_not_end_it(goal: Goal) -> None:
    def every_other(probe: Probe) -> Outcome:
        return voided(probe) if probe.number % 2 else cliff(probe)

    answer, _ = run(replace(goal, budget_s=Seconds(3000.0)), every_other)
    assert answer.status == "answered"


@pytest.mark.parametrize("budget_s", [5.0, 20.0, 60.0, 150.0, 333.0])
def test_no_probe_is_started_that_could_not_end_within_the_budget(
    goal: Goal, budget_s: float
) -> None:
    goal = replace(goal, budget_s=Seconds(budget_s))
    search = start(goal)
    while isinstance(step := propose(search), Probe):
        assert search.elapsed_s + cost_s(goal, step) <= budget_s + 1e-6
        search = observe(search, replace(cliff(step), seconds=cost_s(goal, step)))
    assert search.elapsed_s <= budget_s
    assert isinstance(step, Capacity)
    if step.status == "no_verdict":
        assert "budget" in step.reason


def test_a_last_arrival_that_hangs_until_its_time_out_ends_within_the_budget(goal: Goal) -> None:
    workload = replace(goal.workload, timeout_s=Seconds(10.0))
    goal = replace(goal, budget_s=Seconds(100.0), workload=workload)
    search = start(goal)
    while isinstance(step := propose(search), Probe):
        lasts_s = Seconds(step.rest_s + step.duration_s + 10.0)
        search = observe(search, replace(cliff(step), seconds=lasts_s))
    assert search.probes >= 2
    assert search.elapsed_s <= 100.0


def test_even_the_highest_rate_passes(goal: Goal) -> None:
    answer, outcomes = run(replace(goal, high=Rate(100.0)))
    assert answer.status == "at_least"
    assert answer.estimate is None
    assert max(o.probe.rate for o in outcomes) == 100.0
    assert "100/s" in answer.reason


def test_even_the_lowest_rate_fails_twice(goal: Goal) -> None:
    answer, outcomes = run(replace(goal, low=Rate(300.0)))
    assert answer.status == "at_most"
    assert sum(o.probe.purpose == "search" for o in outcomes) == 2
    assert {o.probe.rate for o in outcomes if o.probe.purpose == "search"} == {300.0}


def test_no_rate_outside_the_bounds_is_ever_sent(goal: Goal) -> None:
    for low, high in ((10.0, 1000.0), (200.0, 240.0), (229.0, 10_000.0)):
        _, outcomes = run(replace(goal, low=Rate(low), high=Rate(high)))
        assert all(low <= o.probe.rate <= high for o in outcomes)


def test_a_target_that_never_answered_is_said_to_be_silent(goal: Goal) -> None:
    answer, outcomes = run(goal, nothing_answers)
    assert answer.status == "at_most"
    assert [o.probe.purpose for o in outcomes] == ["scale", "check"]
    assert "ConnectionRefusedError" in answer.reason


def test_a_target_that_dies_is_not_taken_for_a_full_one(goal: Goal) -> None:
    def dies(probe: Probe) -> Outcome:
        return nothing_answers(probe) if probe.number > 12 else cliff(probe)

    answer, outcomes = run(goal, dies)
    assert answer.status == "no_verdict"
    assert "stopped answering" in answer.reason
    assert "had passed" in answer.reason
    assert outcomes[-1].probe.purpose == "check"
    assert outcomes[-1].probe.rate == goal.low


def test_a_target_that_refuses_only_what_is_too_much_is_searched_on(goal: Goal) -> None:
    def refuses(probe: Probe) -> Outcome:
        return cliff(probe) if probe.rate <= 230 else nothing_answers(probe)

    answer, _ = run(replace(goal, budget_s=Seconds(1200.0)), refuses)
    assert answer.status == "answered"


def test_an_unsteady_target_gets_an_estimate_and_no_interval(goal: Goal) -> None:
    def unsteady(probe: Probe) -> Outcome:
        if probe.purpose != "warm_up":
            return cliff(probe)
        reason = "its service time still drifted by 20 %"
        return replace(cliff(probe), rule="not_steady", reason=reason, steady=False)

    answer, _ = run(goal, unsteady)
    assert (answer.status, answer.low, answer.high) == ("no_verdict", None, None)
    assert answer.estimate == pytest.approx(230, rel=0.15)
    assert "drifted by 20 %" in answer.reason
    assert answer.warm_up is not None
    assert not answer.warm_up.steady


def test_after_a_resume_the_target_is_warmed_again_and_the_evidence_kept(goal: Goal) -> None:
    search = start(goal)
    for _ in range(14):
        search = observe(search, cliff(proposed(search)))
    again = rewarm(search)
    probe = proposed(again)
    assert probe.purpose == "warm_up"
    assert search.most_passed is not None
    assert probe.rate == pytest.approx(0.5 * search.most_passed[0])
    assert interval(again) == interval(search)
    assert proposed(observe(again, cliff(probe))).rate == proposed(search).rate
    cold = start(replace(goal, warm_up="none"))
    assert rewarm(cold) == cold


def test_what_the_target_still_holds_is_waited_for() -> None:
    search = start(a_goal(strategy="bayes"))
    failed = replace(
        cliff(proposed(search)), ledger=Ledger(timed_out=500), achieved_per_s=Rate(100.0)
    )
    assert proposed(observe(search, failed)).rest_s == 5.0
    backlog = replace(failed, rule="R2 backlog", ledger=Ledger(), in_flight_at_end=900)
    assert proposed(observe(search, backlog)).rest_s == 9.0 - 2.0  # 2 s until they timed out
    drained = replace(backlog, in_flight_at_end=200)
    assert proposed(observe(search, drained)).rest_s == 0.0
    assert proposed(observe(search, replace(backlog, rule="end"))).rest_s == 0.0


def test_a_rate_far_above_what_was_supported_is_approached_slowly() -> None:
    search = start(a_goal(strategy="binary"))
    first = proposed(search)
    assert first.ramp_s == 1.0
    assert proposed(observe(search, cliff(first))).ramp_s == 3.0  # twice the rate


def test_ended_from_outside_keeps_the_estimate_only(goal: Goal) -> None:
    search, failed = start(goal), False
    while interval(search) is None or not failed:
        outcome = cliff(proposed(search))
        search, failed = observe(search, outcome), outcome.verdict is Verdict.FAIL
    answer = ended(search, "aborted", "by a person")
    assert (answer.status, answer.reason, answer.exit_status) == ("aborted", "by a person", 130)
    assert answer.estimate is not None
    assert answer.low is None


@pytest.mark.parametrize(
    ("claim", "low", "high", "require", "status", "met", "exit_status"),
    [
        ("safe reaches it", 10, 1000, 150, "answered", True, 0),
        ("safe is below it", 10, 1000, 240, "answered", False, 1),
        ("even the highest rate passed", 10, 100, 90, "at_least", True, 0),
        ("the highest rate says nothing of more", 10, 100, 150, "at_least", None, 3),
        ("even the lowest rate failed", 300, 900, 400, "at_most", False, 1),
        ("the lowest rate says nothing of less", 300, 900, 200, "at_most", None, 3),
    ],
)
def test_the_gate(
    claim: str, low: float, high: float, require: float, status: str, met: bool | None, exit_status: int
) -> None:  # fmt: skip
    goal = a_goal(
        strategy="bayes", low=Rate(low), high=Rate(high), require=Rate(require), precision=0.1
    )
    answer, _ = run(goal)
    assert answer.gate is not None
    assert (answer.status, answer.gate.met, answer.exit_status) == (status, met, exit_status), claim


def test_a_quote_is_not_exceeded(goal: Goal) -> None:
    price = quote(goal)
    _, outcomes = run(goal)
    assert len(outcomes) <= price.probes
    assert sum(o.seconds for o in outcomes) <= price.seconds
    assert sum(o.requests for o in outcomes) <= price.requests
    assert price.typical_seconds <= price.seconds


def test_two_objectives_are_judged_by_the_worse() -> None:
    two = tuple(map(parse_objective, ("p99 response_time <= 150ms", "error_ratio <= 5%")))

    def errors_from_100(probe: Probe) -> Outcome:
        outcome = cliff(probe)
        n = round(probe.rate * probe.measure_s)
        bad = (n // 2 if probe.rate > 230 else 0, n // 5 if probe.rate > 100 else 0)
        evidence = Evidence(probe.rate, (n, n), bad, (4.0, 4.0), measured_s=probe.measure_s)
        verdict = Verdict.FAIL if any(bad) else Verdict.PASS
        return replace(outcome, evidence=evidence, verdict=verdict)

    for strategy in STRATEGIES:
        goal = a_goal(strategy=strategy, objectives=two, precision=0.1)
        answer, _ = run(goal, errors_from_100)
        assert answer.binding_objective == "error_ratio <= 5%"
        assert answer.estimate == pytest.approx(100, rel=0.25)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_objective_that_no_request_matches_ends_the_search_and_is_named(
    strategy: StrategyName,
) -> None:
    objectives = (*a_goal().objectives, parse_objective("ifner: p99 response_time <= 150ms"))
    goal = a_goal(strategy=strategy, objectives=objectives)

    def unnamed(probe: Probe) -> Outcome:
        outcome = cliff(probe)
        assert outcome.evidence is not None
        evidence = replace(
            outcome.evidence,
            judged=(*outcome.evidence.judged, 0),
            bad=(*outcome.evidence.bad, 0),
            clustering=(4.0, None),
        )
        ledger = Ledger(succeeded=outcome.evidence.judged[0])
        return replace(outcome, evidence=evidence, ledger=ledger)

    answer, outcomes = run(goal, unnamed)
    assert answer.status == "no_verdict"
    assert "no request was named 'ifner'" in answer.reason
    assert len(outcomes) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_probes_that_cannot_outlast_a_backlog_refuse_the_interval(strategy: StrategyName) -> None:
    def forgets_slowly(probe: Probe) -> Outcome:
        outcome = cliff(probe)
        assert outcome.evidence is not None
        slow_s = Seconds(0.065 * probe.measure_s)
        evidence = replace(outcome.evidence, relaxation_s=slow_s, censored=False)
        return replace(outcome, evidence=evidence)

    goal = a_goal(strategy=strategy, precision=0.15, budget_s=Seconds(3600.0))
    answer, _ = run(goal, forgets_slowly)
    assert answer.status == "no_verdict"
    assert answer.low is None
    assert "forget a backlog" in answer.reason
