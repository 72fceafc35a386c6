"""What do people see of a run: its state, its probes, the estimate so far, the answer?

A RunView is the fold of the run's events; API, command line and reports show this and
nothing else, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

from contract.units import Rate, Seconds
from controller.search.answer import Capacity
from controller.search.goal import Goal
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
from controller.search.probe import Outcome, Probe, Verdict

State = Literal["queued", "preflight", "running", "ended"]

CURVE_LENGTH = 120
"""Measurements of the current probe kept for drawing: two minutes of them."""
NOTES_LENGTH = 50
"""The latest notes kept; the journal has them all."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A probe with its verdict, and what the search believed after it (None: nothing yet)."""

    at: float
    outcome: Outcome
    estimate: Rate | None
    low: Rate | None
    high: Rate | None


@dataclass(frozen=True, slots=True)
class Note:
    """Something people should know that is not a measurement."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its events tell it so far. Times are seconds since 1970, UTC.

    `estimate`, `low` and `high` are the search's latest, replaced by the answer's at the end.
    `curve` holds the measurements of `current`, the probe in progress. `load_stopped` is True
    once the fleet confirmed it, None while nothing was said. `last_at` is the latest event's.
    `late_requests` and the bad ones among them belong to no outcome: see `LoadStopped`.
    """

    run: str
    state: State = "queued"
    created_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    last_at: float | None = None
    goal: Goal | None = None
    document: str = "{}"
    versions: tuple[tuple[str, str], ...] = ()
    workers: tuple[str, ...] = ()
    fleet_rate_per_s: float | None = None
    current: Probe | None = None
    current_since: float | None = None
    curve: tuple[Measured, ...] = ()
    probes: tuple[Decided, ...] = ()
    estimate: Rate | None = None
    low: Rate | None = None
    high: Rate | None = None
    load_stopped: bool | None = None
    notes: tuple[Note, ...] = ()
    capacity: Capacity | None = None
    late_requests: int = 0
    late_bad_requests: int = 0

    @property
    def name(self) -> str:
        """The goal's name, or the run's while there is no goal."""
        return self.goal.name if self.goal is not None else self.run

    @property
    def latest(self) -> Measured | None:
        """The newest measurement of the probe in progress."""
        return self.curve[-1] if self.curve else None

    @property
    def void_probes(self) -> int:
        return sum(d.outcome.verdict is Verdict.VOID for d in self.probes)

    @property
    def requests(self) -> int:
        """All that the target had to bear; while the run goes on, without what is late."""
        return self.late_requests + sum(d.outcome.requests for d in self.probes)

    @property
    def bad_requests(self) -> int:
        """Those of `requests` that failed, timed out or were too late."""
        return self.late_bad_requests + sum(d.outcome.bad_requests for d in self.probes)

    @property
    def spent_s(self) -> Seconds:
        """What the decided probes took of the budget."""
        return Seconds(sum(float(d.outcome.seconds) for d in self.probes))


def fold(view: RunView, event: Event) -> RunView:
    """The view after `event`."""
    view = replace(view, last_at=event.at)
    match event:
        case Measured():
            return _measured(view, event)
        case ProbeStarted(at, probe):
            return replace(view, state="running", current=probe, current_since=at, curve=())
        case ProbeDecided():
            return _decided(view, event)
        case Advised():
            return view  # the next probe, or the answer, says what came of it
        case FleetChanged(at, workers, note):
            return _noted(replace(view, workers=workers), at, note)
        case Resumed(at, note):
            resumed = replace(view, current=None, current_since=None, curve=(), load_stopped=None)
            return _noted(resumed, at, note)
        case Noted(at, note):
            return _noted(view, at, note)
        case LoadStopped():
            return _stopped(view, event)
        case RunEnded():
            return _ended(view, event)
        case _:
            return _begun(view, event)


def view_of(run: str, events: Iterable[Event]) -> RunView:
    """The view of a whole history."""
    return reduce(fold, events, RunView(run))


def _begun(view: RunView, event: RunCreated | PreflightStarted | PreflightPassed) -> RunView:
    match event:
        case RunCreated(at, goal, document, versions):
            return replace(view, created_at=at, goal=goal, document=document, versions=versions)
        case PreflightStarted(at):
            return replace(view, state="preflight", started_at=view.started_at or at)
        case PreflightPassed(at, workers, rate_per_s, warnings):
            passed = replace(view, state="running", workers=workers, fleet_rate_per_s=rate_per_s)
            for warning in warnings:
                passed = _noted(passed, at, warning)
            return passed


def _measured(view: RunView, event: Measured) -> RunView:
    if view.current is None or event.probe != view.current.number:
        return view
    return replace(view, curve=(*view.curve, event)[-CURVE_LENGTH:])


def _decided(view: RunView, event: ProbeDecided) -> RunView:
    decided = Decided(event.at, event.outcome, event.estimate, event.low, event.high)
    return replace(
        view,
        probes=(*view.probes, decided),
        current=None,
        current_since=None,
        curve=(),
        estimate=event.estimate,
        low=event.low,
        high=event.high,
    )


def _stopped(view: RunView, event: LoadStopped) -> RunView:
    stopped = replace(
        view,
        load_stopped=event.confirmed,
        late_requests=view.late_requests + event.requests,
        late_bad_requests=view.late_bad_requests + event.bad_requests,
    )
    return _noted(stopped, event.at, event.note)


def _ended(view: RunView, event: RunEnded) -> RunView:
    capacity = event.capacity
    return replace(
        view,
        state="ended",
        ended_at=event.at,
        current=None,
        current_since=None,
        curve=(),
        capacity=capacity,
        estimate=capacity.estimate,
        low=capacity.low,
        high=capacity.high,
    )


def _noted(view: RunView, at: float, text: str) -> RunView:
    if not text:
        return view
    return replace(view, notes=(*view.notes, Note(at, text))[-NOTES_LENGTH:])
