"""What does a person read: one sentence for every verdict and every answer?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from contract.objectives import Objective
from contract.units import format_duration, format_rate, format_ratio
from controller.search.answer import Drift, Interval, Status, WarmUpSummary
from controller.search.goal import Goal, StrategyName
from controller.search.probe import Cause, SignalSummary, Stall
from controller.search.signal_objectives import SignalObjective

_STALLS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What a search has sent so far."""

    probes: int
    requests: int


@dataclass(frozen=True, slots=True)
class Stalling:
    """Stalls seen, the part of the time they took, how long was searched in s, and what failed."""

    count: int
    ratio: float
    seconds: float
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """A probe whose arrivals failed nearly all."""

    error_ratio: float
    arrivals: int
    rate: float
    error: str


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
        f"{_beyond(objective, 'was')} in {count(bad)} of {count(windows)} seconds,"
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


def unseen(objectives: tuple[SignalObjective, ...]) -> str:
    """Objectives that were not judged, for their signals were never seen."""
    texts = " and ".join(repr(objective.text) for objective in objectives)
    names = ", ".join(dict.fromkeys(objective.signal for objective in objectives))
    return f"{texts} not judged, for {names} was never seen"


def check(failed_at: float, rate: float) -> str:
    """Why a check probe is sent."""
    return (
        f"nearly everything failed at {format_rate(failed_at)}: does the target still answer"
        f" at {format_rate(rate)}"
    )


def answered(
    known: Interval, objective: Objective | SignalObjective, cost: Cost, strategy: StrategyName
) -> str:
    """The capacity, how sure it is, what limits it and what it cost."""
    low, high = format_rate(known.low), format_rate(known.high)
    between = f"between {low} and {high}"
    sure = f"90 % sure {between}" if strategy == "bayes" else f"{between} by single verdicts"
    return (
        f"{format_rate(known.estimate)}, {sure}: above it {_overrun(objective)}; {_spending(cost)}"
    )


def told(reason: str, cost: Cost) -> str:
    """A strategy's own words, and what they cost."""
    return f"{reason}; {_spending(cost)}"


def beyond(status: Status, rate: float, cost: Cost) -> str:
    """Even the last rate of the range said the same."""
    if status == "at_least":
        return (
            f"even the highest rate asked for, {format_rate(rate)}, meets every objective;"
            f" raise search.to to find the limit; {_spending(cost)}"
        )
    return (
        f"even the lowest rate asked for, {format_rate(rate)}, misses an objective;"
        f" lower search.from or look at the target; {_spending(cost)}"
    )


def spent(goal: Goal, known: Interval | None) -> str:
    """The budget ran out first."""
    start = f"the budget of {format_duration(goal.budget_s)} is spent"
    if known is None:
        return f"{start} before any rate could be bounded; allow more in search.budget"
    return (
        f"{start} and the capacity is known only to lie between {format_rate(known.low)} and"
        f" {format_rate(known.high)}, {ratio(known.width)} wide where"
        f" {format_ratio(goal.precision)} was asked for; allow more in search.budget"
    )


def not_steady(summary: WarmUpSummary | None) -> str:
    """No interval, for the target was still changing."""
    if summary is None:
        return "the target was not warmed up before the budget was spent"
    return f"the target was not steady, so no interval is given: {summary.reason}"


def voids(in_a_row: int, reason: str) -> str:
    """The generator could not measure."""
    return f"{in_a_row} probes in a row were void, nothing was learned of the target: {reason}"


def unmatched(objectives: tuple[Objective, ...]) -> str:
    """Objectives by which nothing was judged."""
    names = dict.fromkeys(o.request_name for o in objectives if o.request_name is not None)
    if not names:
        return f"no request had what {_texts(objectives)} asks for; check what the user reports"
    quoted = " nor ".join(repr(name) for name in names)
    return (
        f"no request was named {quoted}: check the request names of the user and of"
        f" {_texts(objectives)}"
    )


def _texts(objectives: tuple[Objective, ...]) -> str:
    return " and ".join(repr(objective.text) for objective in objectives)


def longer_look(rate: float) -> str:
    """Why one more probe is sent although the interval is narrow."""
    return f"were the others long enough for what the target remembers: {format_rate(rate)}"


def repeated(front_s: float) -> str:
    """Why a probe is sent once more."""
    return (
        f"once more, for the first {duration(front_s)} of it were slower than the rest: what was"
        " new at this rate is there now"
    )


def drifting(drifts: tuple[Drift, ...]) -> str:
    """No interval, for it was not one target that was measured."""
    return (
        f"the target was not steady, so no interval is given: it became another one"
        f" {len(drifts)} times; in probe {drifts[-1].at_probe}, {drifts[-1].reason}"
    )


def too_short(longest_s: float, relaxation_s: float) -> str:
    """No interval, for the probes cannot have seen the target's slow swings."""
    return (
        f"the probes near the capacity measured {duration(longest_s)} at most, less than three"
        f" times what the target takes to forget a backlog, {duration(relaxation_s)} or more, so no"
        " interval is given; a tighter limit relaxes faster"
    )


def stopped_answering(seen: Silence, passed: tuple[float, int]) -> str:
    """It answered once."""
    rate, probe = passed
    return (
        f"the target stopped answering: {_failing(seen)}, where probe {probe} had passed"
        f" at {format_rate(rate)}"
    )


def never_answered(seen: Silence) -> str:
    """It never did."""
    return f"the target does not answer: {_failing(seen)}, and no probe ever passed"


def strict_differs(seen: Stalling, strict: float, estimate: float, answer: str) -> str:
    """Stalls cost so much of the capacity that it must be said first."""
    if strict <= 0:
        return f"inside the SLO no rate at all, for {_stalling(seen)}; between them {answer}"
    less = ratio(1 - strict / estimate)
    return (
        f"{format_rate(strict)} inside the SLO, {less} less than between stalls, for"
        f" {_stalling(seen)}; between them {answer}"
    )


def only_stalls(seen: Stalling, answer: str) -> str:
    """No strict capacity."""
    return (
        f"no rate meets the SLO, for the stalls alone spend its budget: {_stalling(seen)};"
        f" between them {answer}"
    )


def _stalling(seen: Stalling) -> str:
    times = "once" if seen.count == 1 else f"{count(seen.count)} times"
    errors = f", and {count(seen.failed)} arrivals failed in it" if seen.failed else ""
    return f"the target stalled {times}, for {ratio(seen.ratio)} of the time{errors}"


def gate(goal: Goal, status: Status, safe: float | None, *, stalling: bool = False) -> str:
    """Whether the required rate is reached."""
    assert goal.require is not None
    require = format_rate(goal.require)
    if status == "answered" and safe is not None:
        side = "reaches" if safe >= goal.require else "is below"
        return f"the safe capacity, {format_rate(safe)}, {side} the required {require}"
    if status == "at_least" and goal.require <= goal.high:
        return f"even {format_rate(goal.high)} passed, {require} was required"
    if stalling:
        return f"stalls alone break the SLO at any rate, {require} was required"
    if status == "at_most" and goal.require >= goal.low:
        return f"even {format_rate(goal.low)} failed, {require} was required"
    return f"the run cannot tell whether {require} is carried"


def _fault(objective: Objective) -> str:
    if objective.limit_s is not None:
        return f"were over {format_duration(objective.limit_s)}"
    return "failed" if objective.kind == "error_ratio" else "were bad"


def _overrun(objective: Objective | SignalObjective) -> str:
    if isinstance(objective, SignalObjective):
        share = format_ratio(objective.budget)
        return f"{_beyond(objective)} in more than {share} of the seconds"
    if objective.quantile is not None and objective.limit_s is not None:
        name = f"p{100 * objective.quantile:.4g}"
        return f"{objective.metric} {name} exceeds {format_duration(objective.limit_s)}"
    if objective.kind == "error_ratio":
        return f"more than {format_ratio(objective.budget)} of arrivals fail"
    return f"goodput falls below {format_ratio(1 - objective.budget)}"


def _beyond(objective: SignalObjective, verb: str = "is") -> str:
    side = "below" if objective.at_least else "above"
    return f"{objective.signal} {verb} {side} {objective.limit:g}"


def _spending(cost: Cost) -> str:
    return f"{cost.probes} probes, {count(cost.requests)} arrivals"


def _failing(seen: Silence) -> str:
    kind = f" ({seen.error})" if seen.error else ""
    return (
        f"{ratio(seen.error_ratio)} of {count(seen.arrivals)} arrivals at"
        f" {format_rate(seen.rate)} failed{kind}"
    )
