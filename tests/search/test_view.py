"""What do people see of a run after each event?"""

from __future__ import annotations

import math

import pytest

from contract.units import Rate, Seconds
from controller.search.answer import Capacity
from controller.search.journal import (
    Event,
    FleetChanged,
    LoadStopped,
    Measured,
    PreflightPassed,
    PreflightStarted,
    ProbeDecided,
    ProbeStarted,
    Resumed,
    RunCreated,
    RunEnded,
)
from controller.search.probe import Verdict
from controller.search.view import CURVE_LENGTH, NOTES_LENGTH, RunView, fold, view_of
from tests.helpers.builders import a_goal, a_probe, an_outcome


def measured(probe: int, through_s: float) -> Measured:
    return Measured(
        at=10.0 + through_s,
        probe=probe,
        through_s=Seconds(through_s),
        offered_per_s=Rate(100.0),
        sent_per_s=Rate(100.0),
        achieved_per_s=Rate(99.0),
        bad_ratio=0.0,
        p50_s=math.nan,
        p90_s=0.02,
        p99_s=0.03,
        in_flight=2,
        send_lag_p99_s=0.001,
    )


BEGUN: tuple[Event, ...] = (
    RunCreated(1.0, a_goal(name="toy"), '{"name": "toy"}', (("tonnage", "1"),)),
    PreflightStarted(2.0),
    PreflightPassed(3.0, ("w1", "w2"), 6_000.0, ("w1: its clock is 3 ms off",)),
    ProbeStarted(4.0, a_probe(1)),
    measured(1, 1.0),
)
DECIDED = ProbeDecided(20.0, an_outcome(1), Rate(100.0), Rate(90.0), Rate(120.0))
ENDED = RunEnded(
    30.0, Capacity("answered", "it is so", Rate(101.0), Rate(95.0), Rate(108.0), safe=Rate(97.0))
)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), "queued"),
        (BEGUN[:1], "queued"),
        (BEGUN[:2], "preflight"),
        (BEGUN[:3], "running"),
        (BEGUN, "running"),
        ((*BEGUN, DECIDED), "running"),
        ((*BEGUN, DECIDED, ENDED), "ended"),
        ((BEGUN[0], ENDED), "ended"),
    ],
)
def test_a_run_is_in_the_state_its_events_brought_it_to(
    events: tuple[Event, ...], state: str
) -> None:
    assert view_of("r1", events).state == state


def test_a_run_in_preflight_shows_its_goal_and_then_its_workers() -> None:
    view = view_of("r1", BEGUN[:3])
    assert (view.name, view.created_at, view.started_at) == ("toy", 1.0, 2.0)
    assert view.document == '{"name": "toy"}'
    assert (view.workers, view.fleet_rate_per_s) == (("w1", "w2"), 6_000.0)
    assert [note.text for note in view.notes] == ["w1: its clock is 3 ms off"]


def test_the_probe_in_progress_has_its_curve() -> None:
    view = view_of("r1", BEGUN)
    assert view.current == a_probe(1)
    assert view.latest == BEGUN[-1]
    assert view.current_since == 4.0


def test_a_measurement_of_another_probe_is_no_part_of_the_curve() -> None:
    view = view_of("r1", BEGUN)
    assert fold(view, measured(9, 2.0)).curve == view.curve


def test_a_decided_probe_moves_to_the_list_with_what_is_believed_after_it() -> None:
    view = view_of("r1", (*BEGUN, DECIDED))
    assert (view.current, view.curve) == (None, ())
    assert [d.outcome for d in view.probes] == [DECIDED.outcome]
    assert (view.low, view.estimate, view.high) == (90.0, 100.0, 120.0)
    assert view.spent_s == DECIDED.outcome.seconds


def test_void_probes_are_counted() -> None:
    void = ProbeDecided(21.0, an_outcome(2, Verdict.VOID), None, None, None)
    assert view_of("r1", (*BEGUN, DECIDED, void)).void_probes == 1


def test_the_answer_replaces_the_interval() -> None:
    view = view_of("r1", (*BEGUN, DECIDED, LoadStopped(29.0, True, Seconds(0.2), "done"), ENDED))
    assert view.capacity == ENDED.capacity
    assert (view.low, view.estimate, view.high) == (95.0, 101.0, 108.0)
    assert (view.ended_at, view.load_stopped) == (30.0, True)


def test_losses_and_resumes_are_noted_with_their_time() -> None:
    changed = FleetChanged(21.0, ("w1",), "prepared anew: lost w2")
    view = view_of("r1", (*BEGUN, changed, Resumed(22.0, "after 5 s")))
    assert view.workers == ("w1",)
    assert [(note.at, note.text) for note in view.notes[1:]] == [
        (21.0, "prepared anew: lost w2"),
        (22.0, "after 5 s"),
    ]


def test_a_resumed_run_has_no_probe_in_progress_and_keeps_its_start() -> None:
    stopped = LoadStopped(20.0, True, Seconds(0.2), "the controller was told to stop")
    view = view_of("r1", (*BEGUN, stopped, Resumed(25.0, "after 5 s"), PreflightStarted(26.0)))
    assert (view.current, view.curve, view.load_stopped) == (None, (), None)
    assert (view.state, view.started_at) == ("preflight", 2.0)


def test_what_came_after_the_decisions_is_part_of_the_cost() -> None:
    stopped = LoadStopped(29.0, True, Seconds(0.2), "left", requests=30, bad_requests=4)
    view = view_of("r1", (*BEGUN, DECIDED, stopped, Resumed(25.0, "after 5 s"), stopped))
    outcome = DECIDED.outcome
    assert view.requests == outcome.requests + 60
    assert view.bad_requests == outcome.bad_requests + 8


def test_what_a_view_holds_is_bounded() -> None:
    view = view_of("r1", BEGUN)
    for second in range(2, 3 * CURVE_LENGTH):
        view = fold(view, measured(1, float(second)))
    for number in range(3 * NOTES_LENGTH):
        view = fold(view, Resumed(50.0, f"note {number}"))
    assert len(view.notes) == NOTES_LENGTH
    assert view.notes[-1].text == f"note {3 * NOTES_LENGTH - 1}"
    view = view_of("r1", BEGUN)
    for second in range(2, 3 * CURVE_LENGTH):
        view = fold(view, measured(1, float(second)))
    assert len(view.curve) == CURVE_LENGTH
    assert view.latest == measured(1, 3.0 * CURVE_LENGTH - 1)


def test_an_empty_view_has_the_runs_id_for_a_name() -> None:
    assert RunView("r1").name == "r1"
