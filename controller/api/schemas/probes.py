"""How do a run's probes look over HTTP? Rates are arrivals/s, times are seconds since 1970, UTC."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from controller.api.schemas.shown import Number, Shown
from controller.search.connected import PHASES
from controller.search.health import State
from controller.search.journal import Measured
from controller.search.probe import Cause, Outcome, Probe, Purpose, Quantiles
from controller.search.view import Decided


class TimesShown(Shown):
    """Quantiles of one metric over the judged arrivals."""

    p50_ms: Number
    p90_ms: Number
    p99_ms: Number


class MetricsShown(Shown):
    """Of the judged arrivals; the parts of a request's time are of the whole probe."""

    response_time: TimesShown | None
    service_time: TimesShown | None
    connect: TimesShown | None
    tls: TimesShown | None
    pool_wait: TimesShown | None
    first_byte: TimesShown | None


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


def current_shown(probe: Probe, since: float | None) -> CurrentShown:
    return CurrentShown.model_validate(probe).model_copy(update={"since": since})


def measured_shown(measured: Measured) -> MeasuredShown:
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


def probe_shown(decided: Decided) -> ProbeShown:
    outcome: Outcome = decided.outcome
    evidence, phases = outcome.evidence, dict(outcome.phases)
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
            response_time=_times(outcome.response_time),
            service_time=_times(outcome.service_time),
            **{name: _times(phases.get(name)) for name in PHASES},
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
