"""What does a person read of a probe: why it is sent, and one sentence for every verdict?

Those of answers are in `controller.search.explain_answer`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from contract.objectives import Objective
from contract.units import format_duration, format_rate
from controller.search.probe import Cause, SignalSummary, Stall
from controller.search.signal_objectives import SignalObjective

_STALLS_NAMED = 3


def count(number: int) -> str:
    """Whole numbers with separators: 4,012."""
    return f"{number:,}"


def ratio(part: float) -> str:
    """A part of one as a percentage of two digits, for reading."""
    percent = 100 * part
    if percent in (0.0, 100.0) or percent >= 10:
        return f"{percent:.3g} %"
    return f"{percent:.2g} %"


def duration(seconds: float) -> str:
    """Three digits are enough to read."""
    if not math.isfinite(seconds):
        return "unknown"
    return format_duration(float(f"{seconds:.3g}"))


def judged(objective: Objective, decided: int, bad: int, quantile_s: float | None) -> str:
    """What the arrivals of a probe say of one objective."""
    share = f"{ratio(bad / decided if decided else 0.0)} {_fault(objective)}"
    allowed = f"{ratio(objective.budget)} allowed"
    if quantile_s is None or objective.quantile is None or math.isnan(quantile_s):
        return f"over {count(decided)} arrivals {share}, {allowed}"
    name = f"p{100 * objective.quantile:.4g}"
    return f"{name} was {duration(quantile_s)} over {count(decided)} arrivals: {share}, {allowed}"


def outside_stalls(stalls: Sequence[Stall]) -> str:
    """What was left out of a judgement."""
    lasted = ", ".join(duration(stall.seconds) for stall in stalls[:_STALLS_NAMED])
    more = f" and {len(stalls) - _STALLS_NAMED} more" if len(stalls) > _STALLS_NAMED else ""
    what = "a stall" if len(stalls) == 1 else f"{len(stalls)} stalls"
    failed = sum(stall.failed for stall in stalls)
    errors = f", in which {count(failed)} arrivals failed" if failed else ""
    return f"; without {what} that recovered ({lasted}{more}){errors}"


def curtailed(objective: Objective, bad: int, decided: int, after_s: float) -> str:
    """R1: the budget of the whole probe is spent several times over."""
    return (
        f"stopped after {duration(after_s)}: {count(bad)} of {count(decided)} arrivals"
        f" {_fault(objective)}, far more than the {ratio(objective.budget)} allowed"
    )


def backlogged(in_flight: int, per_s: float, limit_s: float, after_s: float) -> str:
    """R2: a queue that grows and already means a wait beyond the limit."""
    return (
        f"stopped after {duration(after_s)}: {count(in_flight)} in flight and growing while"
        f" {format_rate(per_s)} complete, so a new arrival waits {duration(in_flight / per_s)},"
        f" {duration(limit_s)} allowed"
    )


def unsafe(error_ratio: float, after_s: float, errors: tuple[tuple[str, int], ...]) -> str:
    """R4: most of what is sent fails."""
    kind = f" ({errors[0][0]})" if errors else ""
    return (
        f"stopped after {duration(after_s)}: {ratio(error_ratio)} of the arrivals of the last"
        f" 2 s failed{kind}"
    )


def accepted(rate: float, decided: int, probability: float) -> str:
    """R5: already clear enough."""
    return (
        f"passed early after {count(decided)} arrivals: the capacity is above"
        f" {format_rate(rate)} with {ratio(probability)} probability"
    )


def beyond_signal(objective: SignalObjective, windows: int, bad: int) -> str:
    """An objective of the target's own metrics was missed."""
    return (
        f"{beyond_limit(objective, 'was')} in {count(bad)} of {count(windows)} seconds,"
        f" {ratio(objective.budget)} allowed"
    )


def because(cause: Cause, signals: tuple[SignalSummary, ...]) -> str:
    """What the target's own metrics, and the generator's, make likely of a failure."""
    means = ", ".join(f"{signal.name} {signal.mean:.3g}" for signal in signals[:3])
    seen = f" (means: {means})" if means else ""
    match cause:
        case "generator":
            return f"the generator was near its own limit, so the target may carry more{seen}"
        case "errors":
            return f"most bad arrivals failed rather than came late{seen}"
        case "gpu":
            return f"the accelerator was busy all the time{seen}"
        case "queueing":
            return f"requests queued in the target while its accelerator was not full{seen}"
        case "network":
            return f"the time was lost between client and server{seen}"


def check(failed_at: float, rate: float) -> str:
    """Why a check probe is sent."""
    return (
        f"nearly everything failed at {format_rate(failed_at)}: does the target still answer"
        f" at {format_rate(rate)}"
    )


def longer_look(rate: float) -> str:
    """Why one more probe is sent although the interval is narrow."""
    return f"were the others long enough for what the target remembers: {format_rate(rate)}"


def repeated(front_s: float) -> str:
    """Why a probe is sent once more."""
    return (
        f"once more, for the first {duration(front_s)} of it were slower than the rest: what was"
        " new at this rate is there now"
    )


def _fault(objective: Objective) -> str:
    if objective.limit_s is not None:
        return f"were over {format_duration(objective.limit_s)}"
    return "failed" if objective.kind == "error_ratio" else "were bad"


def beyond_limit(objective: SignalObjective, verb: str = "is") -> str:
    """On which side of its limit a signal is that misses its objective."""
    side = "below" if objective.at_least else "above"
    return f"{objective.signal} {verb} {side} {objective.limit:g}"
