"""Does every event come back from JSON as it was, also one that an older version wrote?"""

from __future__ import annotations

import json
import math

import pytest

from contract.arrivals import Law
from contract.connections import Connections
from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.adapters.event_json import KINDS, JournalUnreadable, decode, encode
from controller.search.advice import Advice
from controller.search.answer import Capacity, Drift, Gate, WarmUpSummary
from controller.search.earlier import Earlier
from controller.search.features import Features
from controller.search.goal import SignalSource, Workload
from controller.search.journal import (
    Advised,
    Event,
    FleetChanged,
    LoadStopped,
    Measured,
    Noted,
    PreflightPassed,
    PreflightStarted,
    ProbeDecided,
    ProbeStarted,
    Resumed,
    RunCreated,
    RunEnded,
)
from controller.search.probe import Quantiles, SignalSummary, Window
from controller.search.signal_objectives import parse_signal_objective
from tests.helpers.builders import a_goal, a_probe, an_outcome

OBJECTIVES = ("p99.9 ttft <= 150ms", "search: error_ratio <= 0.1%", "goodput >= 99%")

WINDOW = Window(Seconds(60.0), (9, 9), (1, 0), 0.1, 0.01, 0.09, 1.5, Rate(9.0))

EVENTS: tuple[Event, ...] = (
    RunCreated(
        1.5,
        a_goal(
            objectives=tuple(parse_objective(text) for text in OBJECTIVES),
            workload=Workload(
                "kserve_v2",
                '{"a": 1}',
                Law("gamma", 2.0),
                "ab" * 32,
                replica_header="x",
                connections=Connections(most=400, resolve_s=Seconds(5.0), ca_sha256="cd" * 32),
            ),
            headers=(("Authorization", "${TOKEN}"),),
            warm_up=Seconds(30.0),
            require=Rate(200.0),
            model="toy",
            signals=SignalSource(("http://127.0.0.1:9100/metrics",), (("queue", "depth"),)),
            signal_objectives=(parse_signal_objective("max queue <= 5 except 1% of windows"),),
            features=Features(open_loop=False),
            gentle=True,
            prior=Earlier(Rate(225.0), Rate(214.0), Rate(236.0)),
        ),
        '{"name": "ü"}',
        (("tonnage", "0.1"),),
    ),
    PreflightStarted(2.0),
    PreflightPassed(3.0, ("w1", "w2"), 5_000.0, ("w1: slow",)),
    ProbeStarted(4.0, a_probe()),
    Measured(
        5.0,
        1,
        Seconds(1.0),
        Rate(9.0),
        Rate(8.0),
        Rate(7.0),
        0.1,
        0.01,
        0.02,
        math.inf,
        3,
        0.001,
        "overloaded",
        1.4,
        (("queue", 9.0),),
    ),
    ProbeDecided(
        6.0,
        an_outcome(
            errors=(("503", 2),),
            steady=True,
            health="warn",
            signals=(SignalSummary("queue", 3.0, 9.0),),
            cause="queueing",
            windows=(WINDOW,),
        ),
        Rate(100.0),
        Rate(90.0),
        Rate(110.0),
    ),
    Advised(6.5, 2, Advice(rate=Rate(120.0)), Seconds(0.2)),
    FleetChanged(7.0, ("w1",), "lost w2"),
    Resumed(8.0, "after 3 s"),
    Noted(8.5, "signals cannot be read"),
    LoadStopped(9.0, False, Seconds(4.0), "not confirmed"),
    RunEnded(
        10.0,
        Capacity(
            "answered",
            "it is so",
            Rate(100.0),
            gate=Gate(Rate(90.0), None, "cannot tell"),
            warm_up=WarmUpSummary(
                Rate(50.0), Seconds(20.0), True, "warm_up", "steady", cold_curve=((0.5, 0.02),)
            ),
            drifts=(Drift(9, 1.3, "slower"),),
        ),
    ),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    assert decode(encode(event)) == event


def test_the_examples_cover_every_kind_of_event() -> None:
    assert {type(event).__name__ for event in EVENTS} == set(KINDS)


def test_what_is_no_number_survives() -> None:
    outcome = an_outcome(response_time=Quantiles(math.nan, math.inf, 1.0))
    event = decode(encode(ProbeDecided(1.0, outcome, None, None, None)))
    assert isinstance(event, ProbeDecided)
    times = event.outcome.response_time
    assert times is not None
    assert math.isnan(times.p50_s)
    assert times.p90_s == math.inf


def test_a_field_added_later_takes_its_default() -> None:
    document = json.loads(encode(EVENTS[2]))
    del document["warnings"]
    event = decode(json.dumps(document))
    assert event == PreflightPassed(3.0, ("w1", "w2"), 5_000.0, ())


def test_a_window_journalled_before_there_was_health_still_reads() -> None:
    document = json.loads(encode(EVENTS[4]))
    for name in ("health", "limit_ratio", "signals"):
        del document[name]
    event = decode(json.dumps(document))
    assert isinstance(event, Measured)
    assert (event.health, event.limit_ratio, event.signals) == (None, None, ())


def test_a_goal_of_a_journal_without_switches_has_all_of_them_on() -> None:
    document = json.loads(encode(RunCreated(1.0, a_goal(), "{}")))
    for name in ("features", "gentle", "prior"):
        del document["goal"][name]
    del document["goal"]["workload"]["replica_header"]
    assert decode(json.dumps(document)) == RunCreated(1.0, a_goal(), "{}")


@pytest.mark.parametrize("kind", ["flat", "warm_up", "not_steady", "fixed", "none"])
def test_a_warm_up_of_an_older_version_is_read(kind: str) -> None:
    document = json.loads(encode(EVENTS[-1]))
    warm_up = document["capacity"]["warm_up"]
    for name in ("time_to_steady_s", "cold_curve", "initial_ratio", "period_s"):
        del warm_up[name]
    warm_up["kind"] = kind
    del document["capacity"]["drifts"]
    event = decode(json.dumps(document))
    assert isinstance(event, RunEnded)
    summary = event.capacity.warm_up
    assert summary is not None
    assert (summary.kind, summary.cold_curve, event.capacity.drifts) == (kind, (), ())


def test_a_field_of_a_later_version_is_ignored() -> None:
    document = json.loads(encode(EVENTS[1]))
    assert decode(json.dumps(document | {"mood": "fine"})) == EVENTS[1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("not json", "not an event"),
        ("[]", "not an event"),
        ('{"schema": 2, "kind": "Resumed", "at": 1.0, "note": ""}', "schema 2"),
        ('{"schema": 1, "kind": "Sunk", "at": 1.0}', "Sunk"),
        ('{"schema": 1, "kind": "Resumed", "at": 1.0}', "note is missing"),
        ('{"schema": 1, "kind": "Resumed", "at": 1.0, "note": 5}', "expected str"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(JournalUnreadable, match=complaint):
        decode(text)
