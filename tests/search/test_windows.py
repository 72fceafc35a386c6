"""Are the windows of a probe those of its reports, and do merged due buckets count the same?"""

from __future__ import annotations

from contract.units import Rate, Seconds
from controller.search.capacity import start
from controller.search.probe import Outcome, Probe
from controller.search.trial import begin, decide, feed
from controller.search.windows import MOST_BUCKETS, merged
from tests.helpers.builders import a_goal
from tests.search.virtual_target import BatchingTarget, VirtualFleet, reports

SOAK = a_goal(strategy="soak", low=Rate(40.0), high=Rate(40.0))


def held(measure_s: float) -> Probe:
    return Probe(1, "soak", Rate(40.0), Seconds(1.0), Seconds(1.0), Seconds(measure_s))


def test_a_soak_has_a_window_a_minute_with_all_that_was_judged() -> None:
    outcome = VirtualFleet(BatchingTarget(), SOAK, 1).measure(start(SOAK), held(300.0))
    assert [window.from_s for window in outcome.windows] == [0.0, 60.0, 120.0, 180.0, 240.0]
    assert outcome.evidence is not None
    assert sum(w.judged[0] for w in outcome.windows) == outcome.evidence.judged[0]
    for window in outcome.windows:
        assert 35 < window.achieved_per_s < 45
        assert 0.02 < window.p50_s < window.p99_s < 0.15
        assert 0.5 < window.in_flight < 4


def test_a_last_window_that_is_not_half_full_is_left_out() -> None:
    fleet = VirtualFleet(BatchingTarget(), SOAK, 1)
    assert len(fleet.measure(start(SOAK), held(80.0)).windows) == 1
    assert len(fleet.measure(start(SOAK), held(100.0)).windows) == 2


def test_only_those_who_look_at_windows_have_them() -> None:
    def windows(strategy: str) -> int:
        goal = a_goal(strategy=strategy)
        probe = Probe(1, "search", Rate(40.0), Seconds(1.0), Seconds(1.0), Seconds(20.0))
        outcome: Outcome = VirtualFleet(BatchingTarget(), goal, 1).measure(start(goal), probe)
        return len(outcome.windows)

    assert (windows("vanguard"), windows("binary")) == (10, 0)


def test_minutes_of_due_buckets_are_merged_and_nothing_is_lost() -> None:
    probe = held(400.0)
    fleet, trial = VirtualFleet(BatchingTarget(), SOAK, 2), begin(start(SOAK), probe)
    due = fleet._due(probe)
    done, failed = fleet.target.serve(due)
    most, outcome = 0, None
    for report in reports(SOAK, probe, due, done, failed, lag_s=0.0005):
        trial = feed(trial, report)
        most = max(most, len(trial.tally.buckets))
        outcome = outcome or decide(trial)
    judged = int(((due >= probe.judged_from_s) & (due < probe.duration_s)).sum())
    assert most <= MOST_BUCKETS
    whole = merged(trial.tally.buckets)
    assert whole.judged == (judged,)
    assert whole.response_time.count == judged
    assert outcome is not None
    assert outcome.evidence is not None
    assert outcome.evidence.judged == (judged,)
    assert abs(outcome.evidence.offered_per_s / 40.0 - 1) < 0.1
