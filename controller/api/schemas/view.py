"""How does a run look over HTTP? Rates are arrivals/s, times are seconds since 1970, UTC."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from controller.search.answer import Capacity, Status
from controller.search.health import State
from controller.search.journal import Measured
from controller.search.probe import Cause, Outcome, Probe, Purpose, Quantiles
from controller.search.view import Decided, RunView
from controller.search.view import State as RunState


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""null where there is no such number."""


class Shown(BaseModel):
    """A value of the outside; every field is present, null where it does not apply."""

    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_serialization_defaults_required=True
    )


class TimesShown(Shown):
    """Quantiles of one metric over the judged arrivals."""

    p50_ms: Number
    p90_ms: Number
    p99_ms: Number


class MetricsShown(Shown):
    response_time: TimesShown | None
    service_time: TimesShown | None


class SignalShown(Shown):
    """One of the target's own metrics over a probe."""

    name: str
    mean: Number
    highest: Number


class ProbeShown(Shown):
    """A decided probe, and what the search believed after it."""

    number: int
    purpose: Purpose
    at: float
    rate: float
    offered_per_s: Number
    sent_per_s: Number
    achieved_per_s: Number
    requests: int
    bad_requests: int
    error_ratio: Number
    errors: list[tuple[str, int]]
    metrics: MetricsShown
    send_lag_p99_ms: Number
    verdict: Literal["pass", "fail", "void"]
    rule: str
    reason: str
    seconds: float
    estimate: Number
    low: Number
    high: Number
    health: State | None
    signals: list[SignalShown]
    cause: Cause | None


class CurrentShown(Shown):
    """The probe in progress."""

    number: int
    purpose: Purpose
    rate: float
    rest_s: float
    ramp_s: float
    settle_s: float
    measure_s: float
    duration_s: float
    why: str
    since: float | None = None


class MeasuredShown(Shown):
    """About a second of the probe in progress; rates are of that slice."""

    at: float
    probe: int
    through_s: float
    offered_per_s: Number
    sent_per_s: Number
    achieved_per_s: Number
    bad_ratio: Number
    p50_ms: Number
    p90_ms: Number
    p99_ms: Number
    in_flight: int
    send_lag_p99_ms: Number
    health: State | None
    limit_ratio: Annotated[Number, Field(description="Largest metric / limit; above 1: violated.")]
    signals: dict[str, Number]


class CapacityShown(Shown):
    """The answer's numbers; low and high bound the 90 % interval, safe is the number to plan with."""

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
            current=_current(view.current, view.current_since) if view.current else None,
            curve=[_measured(measured) for measured in view.curve],
            probes=[_probe(decided) for decided in view.probes],
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
    outcomes = [decided.outcome for decided in view.probes]
    return CostShown(
        seconds=view.spent_s,
        requests=sum(o.requests for o in outcomes),
        bad_requests=sum(o.bad_requests for o in outcomes),
    )


def _current(probe: Probe, since: float | None) -> CurrentShown:
    return CurrentShown.model_validate(probe).model_copy(update={"since": since})


def _measured(measured: Measured) -> MeasuredShown:
    return MeasuredShown(
        at=measured.at,
        probe=measured.probe,
        through_s=measured.through_s,
        offered_per_s=measured.offered_per_s,
        sent_per_s=measured.sent_per_s,
        achieved_per_s=measured.achieved_per_s,
        bad_ratio=measured.bad_ratio,
        p50_ms=1000 * measured.p50_s,
        p90_ms=1000 * measured.p90_s,
        p99_ms=1000 * measured.p99_s,
        in_flight=measured.in_flight,
        send_lag_p99_ms=1000 * measured.send_lag_p99_s,
        health=measured.health,
        limit_ratio=measured.limit_ratio,
        signals=dict(measured.signals),
    )


def _probe(decided: Decided) -> ProbeShown:
    outcome: Outcome = decided.outcome
    evidence = outcome.evidence
    return ProbeShown(
        number=outcome.probe.number,
        purpose=outcome.probe.purpose,
        at=decided.at,
        rate=outcome.probe.rate,
        offered_per_s=evidence.offered_per_s if evidence else None,
        sent_per_s=outcome.sent_per_s,
        achieved_per_s=outcome.achieved_per_s,
        requests=outcome.requests,
        bad_requests=outcome.bad_requests,
        error_ratio=outcome.error_ratio,
        errors=list(outcome.errors),
        metrics=MetricsShown(
            response_time=_times(outcome.response_time), service_time=_times(outcome.service_time)
        ),
        send_lag_p99_ms=1000 * outcome.send_lag_p99_s,
        verdict=outcome.verdict.value,
        rule=outcome.rule,
        reason=outcome.reason,
        seconds=outcome.seconds,
        estimate=decided.estimate,
        low=decided.low,
        high=decided.high,
        health=outcome.health,
        signals=[SignalShown.model_validate(signal) for signal in outcome.signals],
        cause=outcome.cause,
    )


def _times(quantiles: Quantiles | None) -> TimesShown | None:
    if quantiles is None:
        return None
    return TimesShown(
        p50_ms=1000 * quantiles.p50_s, p90_ms=1000 * quantiles.p90_s, p99_ms=1000 * quantiles.p99_s
    )
