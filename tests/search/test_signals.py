"""What do a target's own metrics do to a probe: verdict, evidence, ramp, explanation?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from contract.objectives import parse_objective
from contract.report import Ledger
from contract.units import Rate, Seconds
from controller.search import opening
from controller.search.capacity import observe, propose, start
from controller.search.goal import Goal, GoalInvalid, SignalSource
from controller.search.journal import Measured
from controller.search.probe import Evidence, Outcome, Probe, SignalSummary, Verdict
from controller.search.signal_objectives import parse_signal_objective
from controller.search.signals import Facts, cause_of, over_budget, strained, summaries
from controller.search.strategies.bayes import Bayes
from controller.search.strategies.binary import worst_objective
from controller.search.trial import Trial, begin, conclude, decide, feed, watch
from tests.helpers.builders import a_goal, an_outcome
from tests.search.streams import Flow, a_probe_of, a_trial, stream

GPU = parse_signal_objective("max gpu_utilization <= 95%")
SOURCE = SignalSource(("http://127.0.0.1:9100/metrics",), (("gpu_utilization", "used"),))
GOAL: Goal = a_goal(strategy="bayes", signals=SOURCE, signal_objectives=(GPU,))
PROBE = a_probe_of(rate=200.0, measure_s=10.0)  # judged: seconds 3 to 12


def window(through_s: float, in_flight: int = 5, p50_s: float = 0.02, **signals: float) -> Measured:
    return Measured(
        at=through_s,
        probe=1,
        through_s=Seconds(through_s),
        offered_per_s=Rate(100.0),
        sent_per_s=Rate(100.0),
        achieved_per_s=Rate(100.0),
        bad_ratio=0.0,
        p50_s=p50_s,
        p90_s=p50_s,
        p99_s=p50_s,
        in_flight=in_flight,
        send_lag_p99_s=0.001,
        signals=tuple(signals.items()),
    )


def probed(used: list[float], goal: Goal = GOAL, probe: Probe = PROBE) -> Outcome:
    """A probe whose arrivals are all good and whose windows see these utilisations, in turn."""
    trial: Trial = a_trial(goal, probe)
    for second, report in enumerate(stream(goal, Flow(50), round(probe.duration_s * 4))):
        if second % 4 == 3 and used:
            trial, _ = watch(
                trial, window(report.through_ns / 1e9, gpu_utilization=used[second // 4])
            )
        trial = feed(trial, report)
        outcome = decide(trial)
        if outcome is not None:
            return outcome
    return conclude(trial)


def test_too_many_bad_windows_fail_the_probe_and_the_objective_is_named() -> None:
    outcome = probed([0.5] * 2 + [0.99, 0.5] * 5)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.reason.startswith(
        "gpu_utilization was above 0.95 in 5 of 10 seconds, 5 % allowed"
    )


def test_one_bad_window_of_a_short_probe_is_chance() -> None:
    assert probed([0.5] * 11 + [0.99]).verdict is Verdict.PASS
    assert not over_budget(GPU, judged=10, bad=1)
    assert over_budget(GPU, judged=10, bad=2)
    assert not over_budget(GPU, judged=100, bad=5)


def test_windows_before_the_judged_part_count_for_nothing() -> None:
    outcome = probed([0.99, 0.99] + [0.5] * 10)
    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence is not None
    assert (outcome.evidence.judged[1], outcome.evidence.bad[1]) == (10, 0)


def test_evidence_counts_windows_beside_arrivals() -> None:
    evidence = probed([0.5] * 2 + [0.99, 0.5] * 5).evidence
    assert evidence is not None
    assert (evidence.judged, evidence.bad) == ((2000, 10), (0, 5))
    assert len(evidence.clustering) == 2


def test_a_signal_that_was_never_seen_neither_passes_nor_fails() -> None:
    outcome = probed([])
    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence is not None
    assert outcome.evidence.judged == (2000, 0)
    assert (outcome.health, outcome.signals) == (None, ())


def test_a_probe_that_was_stopped_says_nothing_of_the_signals() -> None:
    trial, outcome = a_trial(GOAL, PROBE), None
    for report in stream(GOAL, Flow(50, bad=50), 40):
        trial, _ = watch(trial, window(report.through_ns / 1e9, gpu_utilization=0.99))
        trial = feed(trial, report)
        if (outcome := decide(trial)) is not None:
            break
    assert outcome is not None
    assert outcome.rule == "R1 curtail"
    assert outcome.evidence is not None
    assert (outcome.evidence.judged[1], outcome.evidence.bad[1]) == (0, 0)


def test_a_probe_is_not_accepted_early_while_a_signal_leaves_it_open() -> None:
    probe = a_probe_of(rate=80.0, measure_s=10.0)
    passed = Evidence(Rate(400.0), (4000, 0), (0, 0), (1.0, 1.3))
    search = observe(start(GOAL), an_outcome(probe=a_probe_of(400.0, 10.0), evidence=passed))
    flow = [*stream(GOAL, Flow(20), 48)]

    def rule(told: dict[str, float]) -> str:
        trial = begin(search, probe)
        for report in flow:
            trial, _ = watch(trial, window(report.through_ns / 1e9, 5, 0.02, **told))
            trial = feed(trial, report)
            if (outcome := decide(trial)) is not None:
                return outcome.rule
        return "open"

    assert rule({}) == "R5 accept"
    assert rule({"gpu_utilization": 0.96}) == "end"


def test_an_outcome_keeps_the_health_at_its_end_and_what_the_signals_were() -> None:
    outcome = probed([0.5] * 6 + [0.8] * 6)
    assert outcome.health == "warn"
    (summary,) = outcome.signals
    assert (summary.name, summary.highest) == ("gpu_utilization", 0.8)
    assert summary.mean == pytest.approx(0.65)


def test_a_goal_must_define_the_signals_it_judges() -> None:
    with pytest.raises(GoalInvalid, match="define that signal"):
        replace(GOAL, signals=None)


@pytest.mark.parametrize(
    ("claim", "changes", "slow"),
    [
        ("nothing known", {}, False),
        ("healthy", {"health": "healthy"}, False),
        ("near a limit", {"health": "warn"}, True),
        ("beyond it", {"health": "critical"}, True),
        ("an idle accelerator", {"signals": (SignalSummary("gpu_utilization", 0.6, 0.9),)}, False),
        ("a busy one", {"signals": (SignalSummary("gpu_utilization", 0.71, 0.9),)}, True),
        ("a long queue is no utilisation", {"signals": (SignalSummary("queue_depth", 9.0, 9.0),)}, False),
    ],
)  # fmt: skip
def test_what_slows_the_ramp(claim: str, changes: dict[str, Any], slow: bool) -> None:
    outcome = an_outcome(**changes)
    assert strained(outcome) is slow, claim
    assert opening.strained(GOAL, outcome) is slow, claim


def test_a_busy_target_is_approached_in_smaller_steps() -> None:
    goal = a_goal(strategy="bayes")
    idle, busy = Bayes.knowing_nothing(goal), Bayes.knowing_nothing(goal)
    used = (SignalSummary("utilization", 0.9, 1.0),)
    evidence = Evidence(Rate(100.0), (500,), (0,), (1.0,))
    idle = idle.observe(an_outcome(evidence=evidence))
    busy = busy.observe(an_outcome(evidence=evidence, signals=used))
    assert (getattr(idle.ask(), "rate"), getattr(busy.ask(), "rate")) == (200.0, 150.0)  # noqa: B009


def test_the_objective_of_a_signal_can_be_the_one_that_binds() -> None:
    search = start(replace(GOAL, objectives=(parse_objective("p99 response_time <= 150ms"),)))
    for number, (rate, bad_windows) in enumerate(((100.0, 0), (200.0, 0), (240.0, 20), (210.0, 1))):
        probe = replace(a_probe_of(rate, 20.0), number=number + 1)
        evidence = Evidence(Rate(rate), (4000, 20), (0, bad_windows), (1.0, 1.3))
        verdict = Verdict.FAIL if bad_windows > 1 else Verdict.PASS
        search = observe(search, an_outcome(probe=probe, verdict=verdict, evidence=evidence))
    standing = search.strategy.standing()
    assert standing is not None
    assert search.goal.judged_by[standing.objective] == GPU
    assert 195 < standing.interval.estimate < 245
    assert isinstance(propose(search), Probe)


def test_a_signal_that_never_was_bad_does_not_bind() -> None:
    search = start(GOAL)
    for number, (rate, bad) in enumerate(((100.0, 0), (200.0, 0), (240.0, 300), (210.0, 40))):
        probe = replace(a_probe_of(rate, 20.0), number=number + 1)
        evidence = Evidence(Rate(rate), (4000, 20), (bad, 0), (1.0, 1.3))
        verdict = Verdict.FAIL if bad > 40 else Verdict.PASS
        search = observe(search, an_outcome(probe=probe, verdict=verdict, evidence=evidence))
    standing = search.strategy.standing()
    assert standing is not None
    assert standing.objective == 0


def test_bisection_names_the_signal_that_overran() -> None:
    evidence = Evidence(Rate(100.0), (1000, 10), (20, 9), (1.0, 1.3))
    assert worst_objective(GOAL, an_outcome(evidence=evidence)) == 1


def test_an_answer_says_which_signal_it_was_not_judged_by() -> None:
    evidence = Evidence(Rate(100.0), (1000, 0), (0, 0), (1.0, 1.3))
    search = observe(start(GOAL), an_outcome(evidence=evidence))
    assert search.unseen == (GPU,)
    assert search.unmatched == ()


FACTS = Facts(send_lag_p99_s=0.001, lag_limit_s=0.015, failed=0, bad=100)


def through(count: int, **signals: tuple[float, float]) -> list[Measured]:
    """Windows in which each signal goes from the first to the second value."""
    return [
        window(
            3.0 + place,
            5,
            0.02,
            **{
                name: first + (last - first) * place / (count - 1)
                for name, (first, last) in signals.items()
            },
        )
        for place in range(count)
    ]


@pytest.mark.parametrize(
    ("claim", "windows", "facts", "cause"),
    [
        ("nothing known", through(6), FACTS, None),
        ("one window", [window(3.0, gpu_utilization=1.0)], FACTS, None),
        ("a late generator comes first", through(6, gpu_utilization=(1, 1)), replace(FACTS, send_lag_p99_s=0.0075), "generator"),
        ("most bad ones failed", through(6, gpu_utilization=(1, 1)), replace(FACTS, failed=50), "errors"),
        ("no bad arrivals, nothing to explain", through(6, gpu_utilization=(1, 1)), replace(FACTS, bad=0), None),
        ("few failed", through(6), replace(FACTS, failed=49), None),
        ("a full accelerator", through(6, gpu_utilization=(0.96, 0.99)), FACTS, "gpu"),
        ("queues before one that is not", through(6, utilization=(0.5, 0.5), queue_depth=(2, 40)), FACTS, "queueing"),
        ("queues, utilisation not told", through(6, queue_depth=(2, 40)), FACTS, "queueing"),
        ("queues before one nearly full", through(6, utilization=(0.92, 0.92), queue_depth=(2, 40)), FACTS, None),
        ("a queue that stands", through(6, utilization=(0.5, 0.5), queue_depth=(9, 10)), FACTS, None),
    ],
)  # fmt: skip
def test_what_a_failure_came_of(
    claim: str, windows: list[Measured], facts: Facts, cause: str | None
) -> None:
    assert cause_of(windows, facts) == cause, claim


def test_time_lost_outside_the_server_is_the_network() -> None:
    times = [0.02, 0.02, 0.05, 0.08, 0.1, 0.1]
    near = [window(3.0 + i, p50_s=t, server_time=0.015) for i, t in enumerate(times)]
    far = [window(3.0 + i, p50_s=t, server_time=t - 0.005) for i, t in enumerate(times)]
    assert cause_of(near, FACTS) == "network"
    assert cause_of(far, FACTS) is None
    assert cause_of([replace(w, p50_s=math.nan) for w in near], FACTS) is None


def test_in_flight_stands_for_the_queue_where_utilisation_shows_room() -> None:
    grows = [window(3.0 + i, in_flight=10 * (i + 1)) for i in range(6)]
    assert cause_of(grows, FACTS) is None
    idle = [replace(w, signals=(("gpu_utilization", 0.4),)) for w in grows]
    assert cause_of(idle, FACTS) == "queueing"


def test_a_cause_is_a_clause_of_the_reason_and_never_all_of_it() -> None:
    trial = a_trial(GOAL, PROBE)
    for second, report in enumerate(stream(GOAL, Flow(50, bad=50), 40)):
        if second % 4 == 3:
            seen = window(report.through_ns / 1e9, gpu_utilization=0.97)
            trial, _ = watch(trial, seen)
        trial = feed(trial, report)
    outcome = decide(trial)
    assert outcome is not None
    assert outcome.cause == "gpu"
    assert "were over 150ms" in outcome.reason
    assert outcome.reason.endswith(
        "; the accelerator was busy all the time (means: gpu_utilization 0.97)"
    )


def test_a_probe_that_passed_has_no_cause() -> None:
    assert probed([0.97] + [0.5] * 11).cause is None


def test_signals_are_summed_up_by_name() -> None:
    windows = [window(1.0, queue=2.0), window(2.0), window(3.0, queue=4.0, power=300.0)]
    assert summaries(windows) == (
        SignalSummary("queue", 3.0, 4.0),
        SignalSummary("power", 300.0, 300.0),
    )


def test_failures_by_time_out_are_not_errors() -> None:
    ledger = Ledger(scheduled=100, sent=100, timed_out=100)
    assert cause_of(through(6), replace(FACTS, failed=ledger.failed)) is None


@pytest.mark.parametrize(("told", "burst"), [((), 4.0), ((SignalSummary("batch_size", 32.0, 64.0),), 32.0), ((SignalSummary("batch_size", 2.0, 4.0),), 4.0)])  # fmt: skip
def test_a_gap_of_a_whole_batch_is_ordinary_where_the_target_tells_its_batches(
    told: tuple[SignalSummary, ...], burst: float
) -> None:
    evidence = Evidence(Rate(100.0), (1000,), (0,), (1.0,), burst=4.0)
    search = start(a_goal(strategy="bayes", warm_up="none"))
    seen = observe(search, replace(an_outcome(), evidence=evidence, signals=told))
    assert seen.burst == burst
