"""What does result.json say of a run that has ended? Scripts depend on these names.

A field that does not apply is null, never missing. Rates are arrivals/s.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from contract.report import Connected, Ledger
from contract.units import Seconds
from controller.errors import Conflict
from controller.search.answer import Capacity, Drift, Gate, WarmUpSummary
from controller.search.connected import PHASES, added
from controller.search.features import Features
from controller.search.probe import Outcome, Quantiles, Stall, Verdict, Window
from controller.search.view import RunView

SCHEMA_VERSION = 1

Result = dict[str, Any]
"""JSON as Python has it; no number in it is nan or infinite."""


def result_of(view: RunView) -> Result:
    """The result document of a run.

    Raises:
        Conflict: the run has not ended.
    """
    capacity, goal = view.capacity, view.goal
    if capacity is None:
        raise Conflict(
            f"run {view.run} has not ended: its reports come with its answer; "
            f"GET /api/v1/runs/{view.run} shows it so far"
        )
    outcomes = [decided.outcome for decided in view.probes]
    return {
        "schema_version": SCHEMA_VERSION,
        "run": view.run,
        "goal": json.loads(view.document),
        "seed": None if goal is None else goal.seed,
        "features": asdict(Features() if goal is None else goal.features),
        "versions": dict(view.versions),
        "status": capacity.status,
        "exit_status": capacity.exit_status,
        "reason": capacity.reason,
        "capacity": _capacity(capacity, outcomes),
        "gate": _gate(capacity.gate),
        "binding_objective": capacity.binding_objective,
        "knee": number(capacity.knee),
        "calibration": None,
        "fingerprint": None,
        "warm_up": _warm_up(capacity.warm_up),
        "spikes": [_spike(o, stall) for o in outcomes for stall in stalls_of(o)],
        "drifts": [_drift(drift) for drift in capacity.drifts],
        "generator": _generator(outcomes),
        "probes": [_probe(outcome) for outcome in outcomes],
        "cost": {
            "seconds": number(view.spent_s),
            "requests": view.requests,
            "bad_requests": view.bad_requests,
        },
    }


def number(value: float | None) -> float | None:
    """`value` where JSON has such a number, else None."""
    return None if value is None or not math.isfinite(value) else float(value)


def _capacity(capacity: Capacity, outcomes: list[Outcome]) -> Result:
    sent = sum(o.ledger.sent for o in outcomes)
    requests = sum(o.requests for o in outcomes)
    return {
        "estimate": number(capacity.estimate),
        "low": number(capacity.low),
        "high": number(capacity.high),
        "strict": number(capacity.strict),
        "safe": number(capacity.safe),
        "unit": "arrivals/s",
        "requests_per_arrival": requests / sent if sent else None,
    }


def _gate(gate: Gate | None) -> Result | None:
    if gate is None:
        return None
    return {"require": number(gate.require), "met": gate.met, "reason": gate.reason}


def _warm_up(summary: WarmUpSummary | None) -> Result | None:
    if summary is None:
        return None
    return {
        "rate": number(summary.rate),
        "seconds": number(summary.seconds),
        "steady": summary.steady,
        "kind": summary.kind,
        "reason": summary.reason,
        "time_to_steady_s": number(summary.time_to_steady_s),
        "initial_ratio": number(summary.initial_ratio),
        "period_s": number(summary.period_s),
        "cold_curve": [
            {"at_s": number(at_s), "service_time_ms": number(1e3 * time_s)}
            for at_s, time_s in summary.cold_curve
        ],
    }


def stalls_of(outcome: Outcome) -> tuple[Stall, ...]:
    """The stalls of the target that a probe saw."""
    return () if outcome.evidence is None else outcome.evidence.stalls


def _spike(outcome: Outcome, stall: Stall) -> Result:
    return {
        "probe": outcome.probe.number,
        "rate": number(outcome.probe.rate),
        "begun_s": number(stall.begun_s),
        "seconds": number(stall.seconds),
        "recovered_s": number(stall.recovered_s),
        "bad_arrivals": max(stall.bad) if stall.bad else None,
        "replica": stall.replica or None,
        "failed_arrivals": stall.failed if stall.bad else None,
    }


def _drift(drift: Drift) -> Result:
    return {"at_probe": drift.at_probe, "ratio": number(drift.ratio), "reason": drift.reason}


def _generator(outcomes: list[Outcome]) -> Result:
    total = sum((o.ledger for o in outcomes), Ledger())
    lags = [o.send_lag_p99_s for o in outcomes if math.isfinite(o.send_lag_p99_s)]
    return {
        "send_lag_p99_ms": _ms(max(lags, default=None)),
        "shed": total.shed,
        "missed": total.missed,
        "extra_sends": total.extra_sends,
        "void_probes": sum(o.verdict is Verdict.VOID for o in outcomes),
        "connections": [asdict(entry) for entry in _connections(outcomes)],
    }


def _connections(outcomes: list[Outcome]) -> tuple[Connected, ...]:
    """Of the whole run, by address."""
    of_run: tuple[Connected, ...] = ()
    for outcome in outcomes:
        of_run = added(of_run, outcome.connections)
    return of_run


def _probe(outcome: Outcome) -> Result:
    evidence = outcome.evidence
    return {
        "number": outcome.probe.number,
        "purpose": outcome.probe.purpose,
        "rate": number(outcome.probe.rate),
        "offered_per_s": number(evidence.offered_per_s) if evidence else None,
        "sent_per_s": number(outcome.sent_per_s),
        "achieved_per_s": number(outcome.achieved_per_s),
        "requests": outcome.requests,
        "bad_requests": outcome.bad_requests,
        "metrics": {
            "response_time": _quantiles(outcome.response_time),
            "service_time": _quantiles(outcome.service_time),
            **{name: _quantiles(dict(outcome.phases).get(name)) for name in PHASES},
        },
        "verdict": outcome.verdict.value,
        "rule": outcome.rule,
        "reason": outcome.reason,
        "front_cut_s": number(outcome.front_cut_s),
        "seconds": number(outcome.seconds),
        "health": outcome.health,
        "cause": outcome.cause,
        "signals": {
            signal.name: {"mean": number(signal.mean), "highest": number(signal.highest)}
            for signal in outcome.signals
        },
        "windows": [_window(window) for window in outcome.windows],
    }


def _window(window: Window) -> Result:
    return {
        "from_s": number(window.from_s),
        "achieved_per_s": number(window.achieved_per_s),
        "bad_ratio": number(window.bad_ratio),
        "p50_ms": _ms(window.p50_s),
        "p99_ms": _ms(window.p99_s),
        "in_flight": number(window.in_flight),
    }


def _quantiles(quantiles: Quantiles | None) -> Result | None:
    if quantiles is None:
        return None
    return {
        "p50_ms": _ms(quantiles.p50_s),
        "p90_ms": _ms(quantiles.p90_s),
        "p99_ms": _ms(quantiles.p99_s),
    }


def _ms(seconds: float | Seconds | None) -> float | None:
    return None if seconds is None else number(1000 * seconds)
