"""What is the verdict of one probe, and what does it hand on?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.latency import Histogram
from contract.objectives import parse_objective
from contract.report import FleetReport
from contract.units import Seconds
from controller.search.clustering import clustering, exceedance_clustering
from controller.search.probe import Verdict
from controller.search.relaxation import autocorrelation_s
from controller.search.trial import conclude, decide, feed
from tests.helpers.builders import a_goal
from tests.search.streams import Flow, a_probe_of, a_trial, judged, stream

GOAL = a_goal(strategy="bayes")
PROBE = a_probe_of(rate=200.0, measure_s=5.0)  # judged: quarters 8 to 27, 1000 arrivals


@pytest.mark.parametrize(
    ("claim", "flow", "verdict", "bad"),
    [
        ("10 of 1000 is the budget of 1 %", Flow(50, bad=lambda q: 10 * (q == 20)), "pass", 10),
        ("11 of 1000 is over it", Flow(50, bad=lambda q: 11 * (q == 20)), "fail", 11),
        ("what was due before the judged part is not judged", Flow(50, bad=lambda q: 50 * (q == 7)), "pass", 0),
        ("a failed arrival is bad", Flow(50, failed=lambda q: 11 * (q == 20)), "fail", 11),
    ],
)  # fmt: skip
def test_verdicts(claim: str, flow: Flow, verdict: str, bad: int) -> None:
    outcome, _ = judged(a_trial(GOAL, PROBE), stream(GOAL, flow, 28))
    assert outcome is not None, claim
    assert outcome.evidence is not None
    assert (outcome.verdict.value, outcome.evidence.bad) == (verdict, (bad,)), claim
    assert outcome.evidence.judged == (1000,)
    assert outcome.evidence.offered_per_s == pytest.approx(200.0)


def test_the_worst_of_several_objectives_decides_and_is_named() -> None:
    two = tuple(map(parse_objective, ("p50 response_time <= 150ms", "p99 response_time <= 150ms")))
    goal = replace(GOAL, objectives=two)
    outcome, _ = judged(a_trial(goal, PROBE), stream(goal, Flow(50, bad=lambda q: q % 2), 28))
    assert outcome is not None
    assert outcome.verdict is Verdict.PASS
    assert "1 % allowed" in outcome.reason
    outcome, _ = judged(a_trial(goal, PROBE), stream(goal, Flow(50, bad=1), 28))
    assert outcome is not None
    assert outcome.verdict is Verdict.FAIL


def test_the_end_waits_for_what_is_still_in_flight() -> None:
    flow = Flow(50, in_flight=lambda q: 20 if q == 27 else 0)
    reports = [*stream(GOAL, flow, 28)]
    assert judged(a_trial(GOAL, PROBE), reports)[0] is None
    _, decided_s = judged(a_trial(GOAL, PROBE), [*reports, _settling(reports[-1])])
    assert decided_s == 7.25


def test_what_never_answers_is_bad_once_its_limit_has_passed() -> None:
    hanging = Flow(
        50,
        quarters=28,
        in_flight=lambda q: 11 if q >= 27 else 0,
        over=lambda q: 11 if q >= 28 else 0,
    )
    reports = stream(GOAL, hanging, 40)
    quiet = [replace(r, in_flight=_due_in(27, r)) for r in reports]
    outcome, decided_s = judged(a_trial(GOAL, PROBE), quiet)
    assert outcome is not None
    assert decided_s == pytest.approx(7.0 + 0.15 + 1.0, abs=0.25)
    assert outcome.verdict is Verdict.FAIL


def test_an_increment_that_comes_late_counts_where_it_was_due() -> None:
    reports = stream(GOAL, Flow(50, bad=lambda q: 11 * (q == 20)), 28)
    late = replace(reports[24], buckets=(*reports[24].buckets, *reports[20].buckets))
    held = [*reports[:20], replace(reports[20], buckets=()), *reports[21:24], late, *reports[25:]]
    assert _evidence(held) == _evidence(reports)


def test_the_end_waits_for_late_workers() -> None:
    reports = stream(GOAL, Flow(50), 29)
    reports[27] = replace(reports[27], late=("w2",))
    _, decided_s = judged(a_trial(GOAL, PROBE), reports)
    assert decided_s == 7.25


def test_a_scale_probe_overlooks_a_few_slow_first_answers() -> None:
    flow = Flow(50, bad=lambda q: 20 * (q == 10))
    outcome, _ = judged(a_trial(GOAL, a_probe_of(200.0, 5.0, "scale")), stream(GOAL, flow, 28))
    assert outcome is not None
    assert outcome.verdict is Verdict.PASS


def test_feeding_changes_no_trial() -> None:
    trial = a_trial(GOAL, PROBE)
    report = stream(GOAL, Flow(50), 1)[0]
    assert feed(trial, report).tally.totals.sent == 50
    assert trial.tally.totals.sent == 0
    assert decide(trial) is None


def test_the_outcome_carries_what_people_ask_for() -> None:
    reports = stream(GOAL, Flow(50, bad=lambda q: q % 2, failed=lambda q: (q == 20) * 2), 28)
    trial = a_trial(GOAL, PROBE)
    for report in reports:
        trial = feed(trial, report)
    outcome = conclude(trial)
    assert outcome.requests == 1400
    assert outcome.bad_requests == 16  # those of the ramp hurt too
    assert outcome.sent_per_s == pytest.approx(200.0)
    assert outcome.achieved_per_s == pytest.approx(199.6)
    assert outcome.error_ratio == pytest.approx(0.002)
    assert outcome.errors == (("ConnectionRefusedError", 2),)
    assert outcome.response_time is not None
    assert outcome.response_time.p99_s == pytest.approx(0.05, rel=0.01)
    assert outcome.reason == "p99 was 50ms over 1,000 arrivals: 1.2 % were over 150ms, 1 % allowed"


@given(st.floats(0.5, 4.0), st.integers(0, 5))
def test_autocorrelation_time_of_a_forgetting_series(tau_s: float, seed: int) -> None:
    rng, step_s, size = np.random.default_rng(seed), 0.25, 4000
    keep, series = np.exp(-step_s / tau_s), [0.0]
    for shock in rng.normal(size=size):
        series.append(keep * series[-1] + shock)
    assert autocorrelation_s(series, step_s) == pytest.approx(tau_s, rel=0.5)


def test_too_short_or_flat_a_series_has_no_autocorrelation() -> None:
    assert autocorrelation_s([1.0, 2.0, 3.0], 0.25) is None
    assert autocorrelation_s([5.0] * 100, 0.25) is None


def test_independent_arrivals_have_clustering_one_and_bursts_more() -> None:
    rng = np.random.default_rng(1)
    totals = np.full(12, 500)
    independent = np.mean([clustering(totals, rng.binomial(500, 0.05, 12)) for _ in range(200)])
    assert independent == pytest.approx(1.0, abs=0.1)
    bursts = np.zeros(12)
    bursts[4] = 300
    assert (clustering(totals, bursts) or 0) > 20


def test_clustering_is_of_the_times_over_the_probes_own_p95() -> None:
    calm, slow = Histogram.of(np.full(100, 0.05)), Histogram.of(np.full(100, 0.2))
    mixed = Histogram.of(np.repeat([0.05, 0.2], [95, 5]))
    burst = exceedance_clustering([(i, slow if i == 5 else calm) for i in range(24)])
    even = exceedance_clustering([(i, mixed) for i in range(24)])
    assert burst is None or burst > 5
    assert even is None or even < 1


def _settling(last: FleetReport) -> FleetReport:
    totals = replace(last.totals, succeeded=last.totals.sent, in_flight=0)
    quiet = replace(last, buckets=(), in_flight=(), totals=totals)
    return replace(quiet, through_ns=last.through_ns + 250_000_000)


def _due_in(index: int, report: FleetReport) -> tuple:  # type: ignore[type-arg]
    return tuple(replace(entry, index=index) for entry in report.in_flight)


def _evidence(reports: list[FleetReport]) -> tuple[object, Seconds]:
    outcome, decided_s = judged(a_trial(GOAL, PROBE), reports)
    assert outcome is not None
    assert outcome.evidence is not None
    return (outcome.evidence.judged, outcome.evidence.bad, outcome.verdict), decided_s


@pytest.mark.parametrize("text", ["error_ratio <= 0.1%", "goodput >= 99.9%"])
def test_arrivals_that_hang_are_waited_for_until_they_time_out(text: str) -> None:
    """8 of 1,000 hang: inside the 1 % that may be slow, far beyond the 0.1 % that may fail."""
    two = (*GOAL.objectives, parse_objective(text))
    goal = replace(GOAL, objectives=two)
    hanging = Flow(
        50,
        quarters=28,
        in_flight=lambda q: 8 if 27 <= q < 35 else 0,
        over=lambda q: 8 if 28 <= q < 35 else 0,
        failed=lambda q: 8 * (q == 35),
    )
    reports = [
        replace(
            report,
            in_flight=tuple(
                replace(i, over_limit=(i.over_limit[0], 0)) for i in _due_in(27, report)
            ),
            buckets=tuple(replace(b, index=min(b.index, 27)) for b in report.buckets),
        )
        for report in stream(goal, hanging, 40)
    ]
    outcome, decided_s = judged(a_trial(goal, PROBE), reports)
    assert decided_s == 9.0  # the time-out is 2 s
    assert outcome is not None
    assert outcome.evidence is not None
    assert (outcome.verdict, outcome.evidence.bad) == (Verdict.FAIL, (8, 8))


def test_arrivals_that_no_objective_judges_are_no_reason_to_repeat_the_probe() -> None:
    goal = replace(GOAL, objectives=(parse_objective("ifner: p99 response_time <= 150ms"),))
    unjudged = [
        replace(r, buckets=tuple(replace(b, judged=(0,), bad=(0,)) for b in r.buckets))
        for r in stream(goal, Flow(50), 28)
    ]
    outcome, _ = judged(a_trial(goal, PROBE), unjudged)
    assert outcome is not None
    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence is not None
    assert outcome.evidence.judged == (0,)
