"""How does a run look over HTTP? Rates are arrivals/s, times are seconds since 1970, UTC."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from controller.api.schemas.probes import (
    CurrentShown,
    MeasuredShown,
    ProbeShown,
    current_shown,
    measured_shown,
    probe_shown,
)
from controller.api.schemas.shown import Number, Shown
from controller.search.answer import Capacity, Status
from controller.search.view import RunView
from controller.search.view import State as RunState


class CapacityShown(Shown):
    """The answer's numbers; low and high bound the 90 % interval, safe is the number to plan with.

    A no_verdict may have all of them, with an interval wider than the goal asks for.
    """

    estimate: Number
    low: Number
    high: Number
    strict: Number
    safe: Number
    unit: Literal["arrivals/s"] = "arrivals/s"


class GateShown(Shown):
    """Whether safe reached what the goal requires; met is null when the run cannot tell."""

    require: float
    met: bool | None
    reason: str


class WarmUpShown(Shown):
    rate: float
    seconds: float
    steady: bool
    kind: str
    reason: str
    time_to_steady_s: Number
    cold_curve: list[tuple[float, float]]
    initial_ratio: Number
    period_s: Number


class DriftShown(Shown):
    """The sentinel at a probe found the service time at the same rate changed by a ratio."""

    at_probe: int
    ratio: Number
    reason: str


class NoteShown(Shown):
    at: float
    text: str


class CostShown(Shown):
    seconds: float
    requests: int
    bad_requests: int


class RunShown(Shown):
    """A run as far as it has come; status, exit_status and capacity come with its end."""

    id: str
    name: str
    state: RunState
    ahead: Annotated[int | None, Field(description="Runs before this one while it is queued.")]
    ended: bool
    status: Status | None
    exit_status: int | None
    reason: str | None
    created_at: float | None
    started_at: float | None
    ended_at: float | None
    last_at: float | None
    goal: dict[str, JsonValue]
    objectives: list[str]
    budget_s: float | None
    workers: list[str]
    fleet_rate_per_s: Number
    current: CurrentShown | None
    curve: list[MeasuredShown]
    probes: list[ProbeShown]
    void_probes: int
    estimate: Number
    low: Number
    high: Number
    capacity: CapacityShown | None
    gate: GateShown | None
    binding_objective: str | None
    knee: Number
    warm_up: WarmUpShown | None
    drifts: list[DriftShown]
    load_stopped: bool | None
    notes: list[NoteShown]
    cost: CostShown

    @classmethod
    def of(cls, view: RunView, ahead: int | None = None) -> RunShown:
        capacity, goal = view.capacity, view.goal
        return cls(
            id=view.run,
            name=view.name,
            state=view.state,
            ahead=ahead,
            ended=capacity is not None,
            status=capacity.status if capacity else None,
            exit_status=capacity.exit_status if capacity else None,
            reason=capacity.reason if capacity else None,
            created_at=view.created_at,
            started_at=view.started_at,
            ended_at=view.ended_at,
            last_at=view.last_at,
            goal=json.loads(view.document),
            objectives=[o.text for o in goal.judged_by] if goal else [],
            budget_s=goal.budget_s if goal else None,
            workers=list(view.workers),
            fleet_rate_per_s=view.fleet_rate_per_s,
            current=current_shown(view.current, view.current_since) if view.current else None,
            curve=[measured_shown(measured) for measured in view.curve],
            probes=[probe_shown(decided) for decided in view.probes],
            void_probes=view.void_probes,
            estimate=view.estimate,
            low=view.low,
            high=view.high,
            load_stopped=view.load_stopped,
            notes=[NoteShown.model_validate(note) for note in view.notes],
            cost=_cost(view),
            **_answer(capacity),
        )


def _answer(capacity: Capacity | None) -> dict[str, Any]:
    if capacity is None:
        names = ("capacity", "gate", "binding_objective", "knee", "warm_up")
        return {**dict.fromkeys(names), "drifts": []}
    gate, warm_up = capacity.gate, capacity.warm_up
    return {
        "capacity": CapacityShown.model_validate(capacity),
        "gate": GateShown.model_validate(gate) if gate else None,
        "binding_objective": capacity.binding_objective,
        "knee": capacity.knee,
        "warm_up": WarmUpShown.model_validate(warm_up) if warm_up else None,
        "drifts": [DriftShown.model_validate(drift) for drift in capacity.drifts],
    }


def _cost(view: RunView) -> CostShown:
    return CostShown(seconds=view.spent_s, requests=view.requests, bad_requests=view.bad_requests)
