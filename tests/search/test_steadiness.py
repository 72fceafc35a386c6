"""Has a warm-up become steady, and how does the opening go on from it?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from contract.units import Rate, Seconds
from controller.search.answer import WarmUpSummary
from controller.search.capacity import Search, observe, propose, start
from controller.search.goal import Goal
from controller.search.opening import observed, opened
from controller.search.probe import Outcome, Probe, Purpose, Quantiles, Verdict
from tests.helpers.builders import a_goal
from tests.search.streams import Flow, a_probe_of, a_trial, judged, stream

GOAL = a_goal(strategy="bayes", warm_up="auto", budget_s=Seconds(240.0))
PROBE = a_probe_of(rate=200.0, measure_s=59.0, purpose="warm_up")


@pytest.mark.parametrize(
    ("claim", "time_s", "rule", "before_s"),
    [
        ("warm already: as soon as allowed", lambda _: 0.05, "flat", 16.0),
        ("warms within ten seconds", lambda q: 0.05 * (1 + math.exp(-q / 12)), "warm_up", 45.0),
        ("creeps on for good", lambda q: 0.05 * math.exp(q / 200), "slowdown", 62.0),
    ],
)
def test_how_a_warm_up_ends(
    claim: str, time_s: Callable[[int], float], rule: str, before_s: float
) -> None:
    flow = replace(Flow(50), time_s=time_s)
    outcome, decided_s = judged(a_trial(GOAL, PROBE), stream(GOAL, flow, 260))
    assert outcome is not None, claim
    assert outcome.rule == rule, (claim, outcome.reason)
    assert outcome.steady == (rule != "slowdown")
    assert 12.0 <= decided_s <= before_s, claim


def test_a_slow_target_gets_windows_of_twenty_requests() -> None:
    """At 4/s a window takes 5 s, so eight of them 40 s."""
    probe = a_probe_of(rate=4.0, measure_s=100.0, purpose="warm_up")
    _, decided_s = judged(a_trial(GOAL, probe), stream(GOAL, Flow(1), 420))
    assert decided_s >= 40.0


def test_a_given_duration_is_held_whatever_comes() -> None:
    goal = replace(GOAL, warm_up=Seconds(20.0))
    creeping = replace(Flow(50), time_s=lambda q: 0.05 * math.exp(q / 200))
    probe = a_probe_of(200.0, 20.0, "warm_up")
    outcome, decided_s = judged(a_trial(goal, probe), stream(goal, creeping, 120))
    assert outcome is not None
    assert (outcome.rule, outcome.steady) == ("fixed", True)
    assert decided_s == 22.0


def test_warming_up_is_not_stopped_for_being_slow() -> None:
    outcome, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, Flow(50, bad=25), 100))
    assert outcome is not None
    assert outcome.rule == "flat"


def test_a_warm_up_that_fails_or_drowns_the_target_is_stopped() -> None:
    failing, drowning = Flow(50, failed=40), Flow(50, in_flight=lambda q: 15 * (q + 1))
    for flow, rule in ((failing, "R4"), (drowning, "R2")):
        outcome, decided_s = judged(a_trial(GOAL, PROBE), stream(GOAL, flow, 100))
        assert outcome is not None
        assert outcome.rule.startswith(rule)
        assert decided_s < 5


def test_the_course_of_a_warm_up_reaches_its_summary() -> None:
    """Half as slow again for 8 s, then 50 ms."""
    flow = replace(Flow(50), time_s=lambda q: 0.075 if q < 36 else 0.05)
    outcome, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, flow, 260))
    assert outcome is not None
    assert outcome.course is not None
    assert outcome.course.time_to_steady_s == pytest.approx(8.0, abs=1.0)
    assert outcome.course.initial_ratio == pytest.approx(1.5, rel=0.02)
    curve = outcome.course.cold_curve
    assert 12 <= len(curve) <= 60
    assert [round(time_s, 3) for _, time_s in (curve[0], curve[-1])] == [0.075, 0.05]
    opening = replace(opened(GOAL), stage="warm_up", next_rate=PROBE.rate)
    summary = observed(opening, GOAL, outcome).summary
    assert summary is not None
    assert (summary.kind, summary.cold_curve, summary.period_s) == ("warm_up", curve, None)
    assert summary.initial_ratio == outcome.course.initial_ratio


def test_a_target_that_gets_slower_is_held_to_the_end_and_not_steady() -> None:
    flow = replace(Flow(50), time_s=lambda q: 0.05 if q < 36 else 0.08)
    outcome, decided_s = judged(a_trial(GOAL, PROBE), stream(GOAL, flow, 260))
    assert outcome is not None
    assert (outcome.rule, outcome.steady) == ("slowdown", False)
    assert decided_s >= PROBE.duration_s
    opening = replace(opened(GOAL), stage="warm_up", next_rate=PROBE.rate)
    summary = observed(opening, GOAL, outcome).summary
    assert summary is not None
    assert not summary.steady


def test_warming_once_more_keeps_what_the_cold_start_was_like() -> None:
    cold = WarmUpSummary(PROBE.rate, Seconds(40.0), True, "warm_up", "", initial_ratio=4.0)
    opening = replace(opened(GOAL), stage="warm_up", next_rate=PROBE.rate, summary=cold)
    again, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, Flow(50), 260))
    assert again is not None
    assert observed(opening, GOAL, again).summary == cold


def test_the_scale_is_found_by_doubling_and_its_evidence_discarded() -> None:
    search, probes = _opened(GOAL, limit_per_s=100.0)
    assert _rates(probes, "scale") == [10, 20, 40, 80, 160]
    assert _rates(probes, "warm_up") == [40]
    assert search.strategy.standing() is None
    first = propose(search)
    assert isinstance(first, Probe)
    assert first.rate == pytest.approx(0.75 * 80)


def test_near_the_limit_the_steps_get_smaller() -> None:
    def p99_s(probe: Probe) -> float:
        return 0.1 if probe.rate >= 40 else 0.02

    _, probes = _opened(GOAL, limit_per_s=100.0, p99_s=p99_s)
    assert _rates(probes, "scale") == [10, 20, 40, 60, 90, 135]


def test_a_failing_warm_up_is_repeated_at_half_its_rate_twice() -> None:
    search, probes = _opened(GOAL, limit_per_s=100.0, warm_up=Verdict.FAIL)
    assert _rates(probes, "warm_up") == [40, 20, 10]
    summary = search.opening.summary
    assert summary is not None
    assert not summary.steady


def test_without_warm_up_the_search_begins_at_once() -> None:
    search = start(replace(GOAL, warm_up="none"))
    first = propose(search)
    assert isinstance(first, Probe)
    assert (first.purpose, first.rate) == ("search", 10.0)
    assert isinstance(search.opening.summary, WarmUpSummary)


def _rates(probes: list[Probe], purpose: Purpose) -> list[float]:
    return [float(p.rate) for p in probes if p.purpose == purpose]


def _opened(
    goal: Goal,
    limit_per_s: float,
    p99_s: Callable[[Probe], float] = lambda _: 0.02,
    warm_up: Verdict = Verdict.PASS,
) -> tuple[Search, list[Probe]]:
    """Play the opening against a target that passes up to a rate."""
    search, probes = start(goal), []
    while search.opening.stage != "done":
        probe = propose(search)
        assert isinstance(probe, Probe)
        probes.append(probe)
        verdict = Verdict.PASS if probe.rate <= limit_per_s else Verdict.FAIL
        if probe.purpose == "warm_up":
            verdict = warm_up
        tail_s = p99_s(probe)
        times = Quantiles(0.01, 0.015, tail_s)
        rule = "flat" if probe.purpose == "warm_up" and warm_up is Verdict.PASS else "end"
        search = observe(
            search, Outcome(probe, verdict, rule, "", response_time=times, seconds=Seconds(5.0))
        )
    assert all(Rate(goal.low) <= p.rate <= goal.high for p in probes)
    return search, probes
