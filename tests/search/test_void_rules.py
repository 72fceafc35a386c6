"""Does a probe say anything of the target at all?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from contract.latency import Histogram
from contract.report import FleetReport
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
