"""What is an outside advisor asked, and what may it answer?

Strategy external leaves the choice of rates to an HTTP endpoint. The search stays a pure fold: it
proposes to consult the advisor, the conductor does so and journals the advice, and the fold goes
on with that, live and on resume alike. Here is the talk as JSON documents, without the HTTP:

    {"run", "goal", "number", "low", "high", "last": {…} | null, "probes": [{…}, …]}
    {"rate": 123.4}   or   {"done": true, "estimate": 120, "low": 110, "high": 130}

Rates are arrivals/s, times milliseconds; a number that does not exist is null. What is wrong with
an answer is told by its field, type and length and never by its text, which may hold secrets: of
an answer only rates are repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from contract.units import Rate, Seconds, format_rate
from controller.search.probe import Outcome

ADVICE_TIMEOUT_S = Seconds(10.0)
"""How long an advisor may take."""
EXPECTED = '{"rate": 123.4} or {"done": true, "estimate": 120, "low": 110, "high": 130}'
_NUMBER = "a number"
_TYPES = {dict: "an object", list: "an array", str: "a text", bool: "a truth value"}


@dataclass(frozen=True, slots=True)
class Result:
    """What the advisor is told of one probe."""

    number: int
    rate: Rate
    verdict: str
    reason: str
    offered_per_s: float
    achieved_per_s: float
    p50_s: float
    p90_s: float
    p99_s: float
    bad_ratio: float


@dataclass(frozen=True, slots=True)
class Consult:
    """The advisor at `url` is to be asked for the `number`-th time. `low` and `high` bound it."""

    number: int
    url: str
    low: Rate
    high: Rate
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """The next rate, or that the advisor is done, or what was wrong with its answer.

    `estimate`, `low` and `high` come with `done`, as far as the advisor gave them.
    """

    rate: Rate | None = None
    done: bool = False
    estimate: Rate | None = None
    low: Rate | None = None
    high: Rate | None = None
    fault: str | None = None


def result_of(outcome: Outcome) -> Result:
    """A decided probe in brief. `bad_ratio` is that of the objective with the largest."""
    evidence, times = outcome.evidence, outcome.response_time
    ratios = (
        [b / j for j, b in zip(evidence.judged, evidence.bad, strict=True) if j] if evidence else []
    )
    return Result(
        number=outcome.probe.number,
        rate=outcome.probe.rate,
        verdict=outcome.verdict.value,
        reason=outcome.reason,
        offered_per_s=evidence.offered_per_s if evidence else math.nan,
        achieved_per_s=outcome.achieved_per_s,
        p50_s=times.p50_s if times else math.nan,
        p90_s=times.p90_s if times else math.nan,
        p99_s=times.p99_s if times else math.nan,
        bad_ratio=max(ratios, default=math.nan),
    )


def question(run: str, goal_name: str, consult: Consult) -> dict[str, Any]:
    """What the advisor is sent."""
    probes = [_shown(result) for result in consult.results]
    return {
        "run": run,
        "goal": goal_name,
        "number": consult.number,
        "low": float(consult.low),
        "high": float(consult.high),
        "last": probes[-1] if probes else None,
        "probes": probes,
    }


def read(document: object, consult: Consult) -> Advice:
    """The advice in a decoded JSON answer; what is wrong with it is its `fault`."""
    if not isinstance(document, dict):
        return wrong(described(document))
    if document.get("done") is True:
        return _conclusion(document, consult)
    if document.get("done") not in (None, False):
        return wrong(f"with done as {described(document['done'])}")
    if "rate" not in document:
        return wrong(f"{described(document)} without rate, and without done as true")
    rate = _rate(document["rate"])
    if rate is None:
        return _no_rate("rate", document["rate"])
    if not consult.low <= rate <= consult.high:
        return Advice(fault=f"answered the rate {rate:.6g}/s: {_outside(consult)}")
    return Advice(rate=rate)


def wrong(came: str) -> Advice:
    """An answer that cannot be read; `came` describes it without repeating it."""
    return Advice(fault=f"answered {came}: {EXPECTED} would be right")


def described(value: object) -> str:
    """Type and length of a decoded JSON value."""
    if value is None:
        return "null"
    kind = _TYPES.get(type(value), _NUMBER)
    if isinstance(value, str):
        return f"{kind} of {len(value)} characters"
    if isinstance(value, list | dict):
        return f"{kind} of {len(value)} {'fields' if isinstance(value, dict) else 'values'}"
    return kind


def _conclusion(document: dict[Any, Any], consult: Consult) -> Advice:
    read_as = {name: _rate(document.get(name)) for name in ("estimate", "low", "high")}
    for name, rate in read_as.items():
        if rate is None and document.get(name) is not None:
            return _no_rate(name, document[name])
        if rate is not None and not consult.low <= rate <= consult.high:
            return Advice(fault=f"answered {name} {rate:.6g}/s: {_outside(consult)}")
    low, estimate, high = read_as["low"], read_as["estimate"], read_as["high"]
    ends = [rate for rate in (low, estimate, high) if rate is not None]
    if ends != sorted(ends) or (estimate is None and ends):
        given = ", ".join(f"{name} {rate:.6g}/s" for name, rate in read_as.items() if rate)
        return Advice(
            fault=f"answered {given}: low, estimate and high in this order would be right"
        )
    return Advice(done=True, estimate=estimate, low=low, high=high)


def _no_rate(name: str, value: object) -> Advice:
    """A field that should be a rate and is none."""
    came = described(value)
    if came == _NUMBER:
        came = "a number that is not finite and above 0"
    return Advice(fault=f"answered with {name} as {came}: a number of arrivals/s would be right")


def _rate(value: object) -> Rate | None:
    """A rate, if it is one: a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        rate = float(value)
    except OverflowError:
        return None
    return Rate(rate) if math.isfinite(rate) and rate > 0 else None


def _outside(consult: Consult) -> str:
    low, high = format_rate(consult.low), format_rate(consult.high)
    return f"one from search.from, {low}, to search.to, {high}, would be right"


def _shown(result: Result) -> dict[str, Any]:
    return {
        "number": result.number,
        "rate": _number(result.rate),
        "verdict": result.verdict,
        "reason": result.reason,
        "offered_per_s": _number(result.offered_per_s),
        "achieved_per_s": _number(result.achieved_per_s),
        "response_time": {
            "p50_ms": _number(1000 * result.p50_s),
            "p90_ms": _number(1000 * result.p90_s),
            "p99_ms": _number(1000 * result.p99_s),
        },
        "bad_ratio": _number(result.bad_ratio),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
