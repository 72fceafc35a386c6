"""When is a probe decided before its end?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.objectives import parse_objective
from contract.report import InFlight
from contract.units import Rate
from controller.search.capacity import observe, start
from controller.search.estimate import Counts, learned, prior, quantiles
from controller.search.goal import Goal
from controller.search.probe import Evidence, Outcome, Verdict
from controller.search.stop_rules import realised_per_s
from controller.search.trial import Trial, begin, conclude, feed
from tests.helpers.builders import a_goal
from tests.search.streams import Flow, a_probe_of, a_trial, judged, stream

GOAL = a_goal(strategy="bayes")
PROBE = a_probe_of(rate=200.0, measure_s=20.0)  # 4000 arrivals planned, 40 may be bad


def growing(per_quarter: int) -> Flow:
    """A target that keeps `per_quarter` of 50 arrivals waiting more every quarter."""
    return Flow(due=50, in_flight=lambda q: per_quarter * (q + 1))


@pytest.mark.parametrize(
    ("claim", "flow", "rule", "before_s"),
    [
        ("240 bad arrivals are 6 budgets: stopped", Flow(50, bad=10), "R1", 9.0),
        ("bad ones before the judged part do not count", Flow(50, bad=lambda q: 50 * (q < 8)), None, 0),
        ("5 budgets over the whole probe are measured to the end", Flow(50, bad=2), "end", 0),
        ("in flight over the limit is bad already", Flow(50, in_flight=lambda q: 50 * q, over=lambda q: 40 * max(q - 8, 0)), "R1", 5.0),
        ("a growing queue that means twice the limit", growing(15), "R2", 4.0),
        ("a long queue that does not grow: the target may be slow to answer", Flow(50, in_flight=lambda q: max(0, 100 - 5 * q)), None, 0),
        ("a queue that grows while nothing completes is a stall, not overload", Flow(50, in_flight=lambda q: 50 * max(0, q - 8)), None, 0),
        ("half of the last two seconds failed", Flow(50, failed=lambda q: 30 * (q > 4)), "R4", 4.0),
        ("a third failed", Flow(50, failed=lambda q: (q % 3 == 0) * 40), "R1", 9.0),
    ],
)  # fmt: skip
def test_stop_rules(claim: str, flow: Flow, rule: str | None, before_s: float) -> None:
    outcome, decided_s = judged(
        a_trial(GOAL, PROBE), stream(GOAL, flow, 120)[: 44 if rule is None else 120]
    )
    if rule is None:
        assert outcome is None, claim
    else:
        assert outcome is not None, claim
        assert outcome.rule.startswith(rule), (claim, outcome.rule)
        if before_s:
            assert decided_s <= before_s, claim


def test_a_target_that_falls_behind_fails_though_nothing_has_failed_yet() -> None:
    """Errors alone are judged; they would come a time-out later."""
    goal = replace(GOAL, objectives=(parse_objective("error_ratio <= 1%"),))
    outcome, decided_s = judged(a_trial(goal, PROBE), stream(goal, growing(4), 120))
    assert outcome is not None
    assert (outcome.rule[:2], outcome.verdict) == ("R2", Verdict.FAIL)
    assert decided_s < 15
    assert outcome.evidence is not None
    assert outcome.evidence.censored
    assert outcome.evidence.judged[0] > 0
    assert outcome.evidence.saturated_per_s == pytest.approx(184, rel=0.05)


def test_a_long_queue_that_errors_alone_are_judged_by_may_stay_as_it_is() -> None:
    goal = replace(GOAL, objectives=(parse_objective("error_ratio <= 1%"),))
    steady = Flow(50, in_flight=lambda q: min(5 * q, 60))
    outcome, _ = judged(a_trial(goal, PROBE), stream(goal, steady, 120))
    assert outcome is not None
    assert outcome.verdict is Verdict.PASS


def test_a_backlog_reports_what_the_target_completed_at_most() -> None:
    outcome, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, growing(15), 40))
    assert outcome is not None
    assert outcome.evidence is not None
    assert outcome.evidence.censored
    assert outcome.evidence.saturated_per_s == pytest.approx(140.0, rel=0.05)  # 35 of 50 a quarter


def test_errors_are_no_proof_of_saturation() -> None:
    flow = Flow(50, failed=lambda q: 40 * (q > 4))
    outcome, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, flow, 40))
    assert outcome is not None
    assert outcome.evidence is not None
    assert outcome.evidence.saturated_per_s is None


def test_a_curtailed_objective_teaches_the_others_nothing() -> None:
    goal = replace(GOAL, objectives=(*GOAL.objectives, parse_objective("error_ratio <= 20%")))
    outcome, _ = judged(a_trial(goal, PROBE), stream(goal, Flow(50, bad=25), 40))
    assert outcome is not None
    assert outcome.evidence is not None
    assert outcome.evidence.judged == (4000, 0)


def test_curtailment_loses_nothing() -> None:
    """The posterior of the curtailed probe is the one of the same probe measured to its end."""
    flow = Flow(50, bad=10)
    outcome, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, flow, 120))
    assert outcome is not None
    assert outcome.evidence is not None
    early = outcome.evidence
    start_of = prior(GOAL, 0.01)
    curtailed = learned(
        start_of, Counts(early.offered_per_s, early.judged[0], early.bad[0], censored=True)
    )
    whole = learned(start_of, Counts(Rate(200.0), 4000, 800))
    assert quantiles(curtailed, (0.05, 0.5, 0.95)) == pytest.approx(
        quantiles(whole, (0.05, 0.5, 0.95)), rel=1e-9
    )


@settings(max_examples=25)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=12))
def test_of_any_stream_curtailment_loses_nothing(bad: list[int]) -> None:
    """Stopped, the posterior is that of all the counts; and never stopped where these tell more."""
    probe, quarters = a_probe_of(rate=200.0, measure_s=6.0), 32  # 12 of 1200 may be bad
    flow = Flow(50, quarters, bad=lambda quarter: bad[quarter % len(bad)])
    reports = stream(GOAL, flow, quarters + 2)
    outcome, _ = judged(a_trial(GOAL, probe), reports)
    whole = a_trial(GOAL, probe)
    for report in reports:
        whole = feed(whole, report)
    of_all = evidence_of(conclude(whole))
    early = of_all if outcome is None else evidence_of(outcome)
    assert early.censored == (of_all.bad[0] > 6 * 12)
    known, all_known = (
        learned(prior(GOAL, 0.01), Counts(e.offered_per_s, e.judged[0], e.bad[0], e.censored))
        for e in (early, of_all)
    )
    assert quantiles(known, (0.05, 0.5, 0.95)) == pytest.approx(
        quantiles(all_known, (0.05, 0.5, 0.95)), rel=1e-9
    )


def evidence_of(outcome: Outcome) -> Evidence:
    assert outcome.evidence is not None
    return outcome.evidence


def test_a_rate_far_below_what_is_known_is_accepted_early() -> None:
    trial = _knowing_200_passed(GOAL, rate=100.0)
    outcome, decided_s = judged(trial, stream(GOAL, Flow(25), 120))
    assert outcome is not None
    assert outcome.rule.startswith("R5")
    assert outcome.verdict is Verdict.PASS
    assert decided_s < PROBE.duration_s


def test_a_closing_probe_is_never_accepted_early() -> None:
    trial = _knowing_200_passed(GOAL, rate=100.0)
    closing = replace(trial.setting, probe=a_probe_of(100.0, 20.0, "closing"))
    outcome, decided_s = judged(replace(trial, setting=closing), stream(GOAL, Flow(25), 120))
    assert outcome is not None
    assert outcome.rule == "end"
    assert decided_s >= PROBE.duration_s


def test_what_hangs_since_less_than_its_limit_is_no_ground_to_accept() -> None:
    """From 4.5 s on half hang for good; 300 have answered in time before the first is overdue."""
    goal = replace(GOAL, objectives=(parse_objective("p99 response_time <= 2s"),))
    halting = Flow(25, in_flight=lambda q: 13 * max(0, q - 17))
    reports = [
        replace(
            report,
            in_flight=tuple(
                InFlight(due, 13, (13 * (quarter - due >= 8),)) for due in range(18, quarter + 1)
            ),
        )
        for quarter, report in enumerate(stream(goal, halting, 60))
    ]
    outcome, _ = judged(_knowing_200_passed(goal, rate=100.0), reports)
    assert outcome is not None
    assert outcome.verdict is Verdict.FAIL


def test_early_acceptance_counts_the_arrivals_whose_limit_has_passed() -> None:
    goal = replace(GOAL, objectives=(parse_objective("p99 response_time <= 2s"),))
    outcome, decided_s = judged(_knowing_200_passed(goal, rate=100.0), stream(goal, Flow(25), 80))
    assert outcome is not None
    assert outcome.rule.startswith("R5")
    assert outcome.evidence is not None
    assert outcome.evidence.judged == (round(100.0 * (decided_s - 2.0 - PROBE.judged_from_s)),)
    assert outcome.evidence.offered_per_s == pytest.approx(100.0)


def test_nothing_is_curtailed_or_accepted_while_a_report_is_late() -> None:
    late = [replace(r, late=("w2",)) for r in stream(GOAL, Flow(50, bad=10), 60)]
    assert judged(a_trial(GOAL, PROBE), late)[0] is None
    late = [replace(r, late=("w2",)) for r in stream(GOAL, Flow(25), 60)]
    assert judged(_knowing_200_passed(GOAL, rate=100.0), late)[0] is None


def test_arrivals_reported_ahead_of_the_others_do_not_raise_the_rate() -> None:
    reports = stream(GOAL, Flow(50), 24)
    ahead = tuple(bucket for report in reports[20:] for bucket in report.buckets)
    trial = a_trial(GOAL, PROBE)
    for report in (*reports[:19], replace(reports[19], buckets=reports[19].buckets + ahead)):
        trial = feed(trial, report)
    assert realised_per_s(trial.setting, trial.tally) == pytest.approx(200.0)
    assert realised_per_s(trial.setting, trial.tally, to_end=True) == pytest.approx(200.0)


def _knowing_200_passed(goal: Goal, rate: float) -> Trial:
    search = start(goal)
    evidence = Evidence(Rate(200.0), (8000,), (1,), (2.0,))
    passed = Outcome(a_probe_of(200.0, 40.0), Verdict.PASS, "end", "", evidence)
    return begin(observe(search, passed), a_probe_of(rate, 20.0))
