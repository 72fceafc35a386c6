"""Does a switch take out what it names, and nothing else?"""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from contract.objectives import parse_objective
from contract.report import DueBucket, FleetReport, InFlight, Ledger
from contract.units import Rate, Seconds
from controller.search.capacity import propose, start
from controller.search.features import Features, warnings
from controller.search.goal import Workload
from controller.search.probe import Evidence, Probe
from controller.search.streams import EXPECTED_RATIO, SPARE, share, streams
from controller.search.trial import begin, feed
from tests.helpers.builders import a_goal, a_probe

NAMES = tuple(f.name for f in fields(Features))
OBJECTIVES = tuple(
    map(parse_objective, ("p99 response_time <= 150ms", "error_ratio <= 1%", "goodput >= 98%"))
)


def test_everything_is_on_unless_the_goal_says_otherwise() -> None:
    assert a_goal().features.off == ()
    assert warnings(a_goal().features) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_switch_that_is_off_is_told(name: str) -> None:
    (warning,) = warnings(replace(Features(), **{name: False}))
    assert f"search.features.{name} is off" in warning


def test_without_warm_up_the_search_begins_at_once() -> None:
    goal = a_goal(strategy="bayes", warm_up="auto", features=Features(warm_up=False))
    assert not goal.warms_up
    step = propose(start(goal))
    assert isinstance(step, Probe)
    assert step.purpose == "search"


def test_without_replay_no_recording_is_sent() -> None:
    workload = Workload(requests="f" * 64)
    assert a_goal(workload=workload).sent_requests == "f" * 64
    assert a_goal(workload=workload, features=Features(replay=False)).sent_requests is None


def test_without_several_objectives_the_first_decides_and_the_others_are_still_counted() -> None:
    goal = a_goal(objectives=OBJECTIVES, features=Features(objectives=False))
    search = start(goal)
    assert search.goal.objectives == OBJECTIVES[:1]
    trial = begin(search, a_probe())
    bucket = DueBucket(9, 5, 5, failed=5, judged=(5, 5, 5), bad=(0, 5, 5), bad_any=5)
    report = FleetReport(
        probe=1,
        through_ns=2_500_000_000,
        workers=1,
        totals=Ledger(6, 6, failed=5, in_flight=1),
        buckets=(bucket,),
        in_flight=(InFlight(9, 1, (0, 0, 1)),),
    )
    tally = feed(trial, report).tally
    assert (tally.judged, tally.bad, tally.over_limit) == ((5,), (0,), (0,))
    assert (tally.bad_any, tally.over_any) == (5, 1)


def test_an_open_loop_has_no_streams() -> None:
    assert streams(a_goal(), (), Rate(100.0)) == 0
    step = propose(start(a_goal()))
    assert isinstance(step, Probe)
    assert step.streams == 0


def test_streams_of_a_closed_loop_are_those_the_expected_service_time_keeps_busy() -> None:
    goal = a_goal(features=Features(open_loop=False))
    assert streams(goal, (), Rate(200.0)) == math.ceil(SPARE * 200 * EXPECTED_RATIO * 0.150)
    kept = Evidence(Rate(200.0), (1000,), (2,), (1.0,), median_s=Seconds(0.040))
    over = replace(kept, bad=(30,), median_s=Seconds(0.140))
    stopped = replace(kept, censored=True, median_s=Seconds(0.140))
    assert streams(goal, (kept, over, stopped), Rate(200.0)) == 12
    step = propose(start(goal))
    assert isinstance(step, Probe)
    assert step.streams > 0


def test_workers_share_the_streams() -> None:
    assert [share(whole, 3) for whole in (0, 1, 9, 10)] == [0, 1, 3, 4]
