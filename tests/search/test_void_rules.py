"""Does a probe say anything of the target at all?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from contract.latency import Histogram
from contract.report import FleetReport, Health
from controller.search.probe import Verdict
from controller.search.trial import conclude, feed, void
from tests.helpers.builders import a_goal
from tests.search.streams import Flow, a_probe_of, a_trial, changed, judged, stream

GOAL = a_goal(strategy="bayes")
PROBE = a_probe_of(rate=200.0, measure_s=5.0)
Change = Callable[[FleetReport], FleetReport]


def slow_sends(count: int, lag_s: float) -> Change:
    lag = Histogram.of(np.full(count, lag_s))
    return lambda report: replace(report, send_lag=report.send_lag + lag)


@pytest.mark.parametrize(
    ("claim", "change", "words"),
    [
        ("a lost worker voids", lambda r: replace(r, lost=("w2",)), "lost w2"),
        ("arrivals nobody can explain void", lambda r: replace(r, unaccounted=3), "3 arrivals"),
        ("shed while the target was fine voids", lambda r: changed(r, shed=1), "add workers"),
        ("shed while overdue is the target's doing", lambda r: changed(r, shed=9, shed_overdue=9), None),
        ("2 of 1300 missed are too many", lambda r: changed(r, missed=2), "not started"),
        ("1 of 1300 missed is let be", lambda r: changed(r, missed=1), None),
        ("15 ms late void a limit of 150 ms", slow_sends(4, 0.016), "send lag p99"),
        ("14 ms late do not", slow_sends(4, 0.014), None),
    ],
)  # fmt: skip
def test_void_rules(claim: str, change: Change, words: str | None) -> None:
    reports = [change(report) for report in stream(GOAL, Flow(50), 40)]
    outcome, _ = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None, claim
    assert (outcome.verdict is Verdict.VOID) == (words is not None), (claim, outcome.reason)
    if words is not None:
        assert words in outcome.reason
        assert outcome.evidence is None, "a void probe is no evidence"


STRAINED = Health(cpu_ratio=0.97, send_lag_p99_s=0.1)
AT_FULL = "; worker w1 at 97 % CPU: add workers or lower the rate"


def from_w1(health: Health) -> Change:
    return lambda report: replace(report, health=(("w1", health),))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: changed(r, shed=1), "1 arrivals were shed although the target was inside its limits"),
        (lambda r: changed(r, missed=2), "2 of 50 arrivals were not started, 0.1% allowed"),
        (slow_sends(4, 0.016), "send lag p99 was 16ms, 15ms allowed"),
    ],
)  # fmt: skip
def test_a_void_probe_names_the_worker_that_was_the_limit_and_why(
    change: Change, words: str
) -> None:
    reports = [from_w1(STRAINED)(change(report)) for report in stream(GOAL, Flow(50), 40)]
    outcome, _ = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None
    assert outcome.verdict is Verdict.VOID
    assert outcome.reason.endswith(AT_FULL), outcome.reason
    assert outcome.reason.startswith(words), outcome.reason


def test_strain_alone_voids_nothing() -> None:
    worn = Health(
        cpu_ratio=1.0, loop_lag_s=1.0, gc_s=1.0, throttled_s=1.0, retransmits=10_000,
        refused=(("ECONNREFUSED", 10_000),),
    )  # fmt: skip
    reports = [from_w1(worn)(report) for report in stream(GOAL, Flow(50), 40)]
    outcome, _ = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None
    assert outcome.verdict is Verdict.PASS


@pytest.mark.parametrize(("each", "verdict"), [(1, Verdict.VOID), (0, Verdict.PASS)])
def test_connections_that_the_worker_could_not_open_are_not_the_targets_fault(
    each: int, verdict: Verdict
) -> None:
    health = Health(refused=(("EMFILE", each),) if each else (), open_files=64)
    reports = [from_w1(health)(report) for report in stream(GOAL, Flow(50, failed=0), 40)]
    outcome, _ = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None
    assert outcome.verdict is verdict
    if each:
        assert "for want of a connection" in outcome.reason
        assert outcome.reason.endswith("(EMFILE, limit 64): raise ulimit -n")


def test_a_lost_worker_voids_at_once() -> None:
    reports = stream(GOAL, Flow(50), 40)
    reports[3] = replace(reports[3], lost=("w1",))
    _, decided_s = judged(a_trial(GOAL, PROBE), reports)
    assert decided_s == 1.0


def test_lag_voids_before_the_end_only_once_it_is_hopeless() -> None:
    """1 % of 1000 planned sends may be late: the eleventh late one settles it."""
    reports = stream(GOAL, Flow(50), 40)
    reports[12:] = [slow_sends(4, 0.1)(report) for report in reports[12:]]
    outcome, decided_s = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None
    assert outcome.verdict is Verdict.VOID
    assert decided_s == pytest.approx(0.25 * 15)


def test_late_sends_of_the_ramp_do_not_count() -> None:
    reports = stream(GOAL, Flow(50), 40)
    reports[:8] = [slow_sends(50, 0.1)(report) for report in reports[:8]]
    outcome, _ = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None
    assert outcome.verdict is Verdict.PASS


def test_a_failing_probe_with_a_lagging_generator_is_void() -> None:
    reports = [slow_sends(2, 0.1)(r) for r in stream(GOAL, Flow(50, bad=50), 40)]
    outcome, _ = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None
    assert outcome.verdict is Verdict.VOID


def test_a_target_that_answers_little_is_never_void() -> None:
    hanging = Flow(50, in_flight=lambda q: 50 * q, over=lambda q: 50 * max(0, q - 8))
    outcome, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, hanging, 60))
    assert outcome is not None
    assert outcome.verdict is Verdict.FAIL


def test_reports_that_end_too_soon_void() -> None:
    trial = a_trial(GOAL, PROBE)
    for report in stream(GOAL, Flow(50), 12):
        trial = feed(trial, report)
    assert conclude(trial).verdict is Verdict.VOID


def test_the_shell_can_void() -> None:
    outcome = void(a_trial(GOAL, PROBE), "Redis is gone")
    assert (outcome.verdict, outcome.reason) == (Verdict.VOID, "Redis is gone")
