"""What does a person read of an answer: what limits the target, how sure that is, or why it is none?"""

from __future__ import annotations

from dataclasses import dataclass

from contract.objectives import Objective
from contract.units import format_duration, format_rate, format_ratio
from controller.search.answer import Drift, Interval, Status, WarmUpSummary
from controller.search.constant import Constant
from controller.search.explain import beyond_limit, count, duration, ratio
from controller.search.goal import Goal, StrategyName
from controller.search.signal_objectives import SignalObjective

ROUNDING = 1e-6
"""A rate this little below the required one, as a part of it, is the required one."""


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


def unseen(objectives: tuple[SignalObjective, ...]) -> str:
    """Objectives that were not judged, for their signals were never seen."""
    texts = " and ".join(repr(objective.text) for objective in objectives)
    names = ", ".join(dict.fromkeys(objective.signal for objective in objectives))
    return f"{texts} not judged, for {names} was never seen"


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
        f"{start} and the probes so far put the capacity between {format_rate(known.low)} and"
        f" {format_rate(known.high)}, {ratio(known.width)} wide where"
        f" {format_ratio(goal.precision)} was asked for; allow more in search.budget"
    )


def wider(goal: Goal, known: Interval, objective: Objective | SignalObjective) -> str:
    """The budget ran out first, and what there is can be vouched for."""
    return (
        f"{format_rate(known.estimate)}, 90 % sure between {format_rate(known.low)} and"
        f" {format_rate(known.high)}: above it {_overrun(objective)}; the budget of"
        f" {format_duration(goal.budget_s)} is spent and that is {ratio(known.width)} wide where"
        f" {format_ratio(goal.precision)} was asked for; allow more in search.budget"
    )


def hopeless(objective: Objective | SignalObjective, found: Constant) -> str:
    """Load is not what breaks the SLO."""
    share = format_ratio(found.bad / found.judged)
    return (
        f"no rate meets the SLO: {share} of what was judged at {format_rate(found.rate)} and below is"
        f" bad for {objective.text}, which allows {format_ratio(objective.budget)}{_failed(objective, found)};"
        " find what fails whatever the load"
    )


def _failed(objective: Objective | SignalObjective, found: Constant) -> str:
    """How much of the bad failed, where it may have been slow too."""
    mixed = isinstance(objective, Objective) and objective.kind != "error_ratio"
    if not mixed or found.failed is None:
        return ""
    return f", and {ratio(found.failed / found.bad)} of that failed or timed out"


def hopeless_gate(require: float, found: Constant) -> str:
    """Why the required rate is not reached, where load is not what breaks the SLO."""
    share = format_ratio(found.bad / found.judged)
    return f"{share} is bad at any rate, so {format_rate(require)} cannot be met"


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
    errors = f", and {count(seen.failed)} arrivals failed meanwhile" if seen.failed else ""
    return f"the target stalled {times}, for {ratio(seen.ratio)} of the time{errors}"


def gate(goal: Goal, status: Status, safe: float | None, *, stalling: bool = False) -> str:
    """Whether the required rate is reached."""
    assert goal.require is not None
    require = format_rate(goal.require)
    if status == "answered" and safe is not None:
        side = "reaches" if safe >= goal.require * (1 - ROUNDING) else "is below"
        return f"the safe capacity, {format_rate(safe)}, {side} the required {require}"
    if status == "at_least" and goal.require <= goal.high:
        return f"even {format_rate(goal.high)} passed, {require} was required"
    if stalling:
        return f"stalls alone break the SLO at any rate, {require} was required"
    if status == "at_most" and goal.require >= goal.low:
        return f"even {format_rate(goal.low)} failed, {require} was required"
    return f"the run cannot tell whether {require} is carried"


def _overrun(objective: Objective | SignalObjective) -> str:
    if isinstance(objective, SignalObjective):
        share = format_ratio(objective.budget)
        return f"{beyond_limit(objective)} in more than {share} of the seconds"
    if objective.quantile is not None and objective.limit_s is not None:
        name = f"p{100 * objective.quantile:.4g}"
        return f"{objective.metric} {name} exceeds {format_duration(objective.limit_s)}"
    if objective.kind == "error_ratio":
        return f"more than {format_ratio(objective.budget)} of arrivals fail"
    return f"goodput falls below {format_ratio(1 - objective.budget)}"


def _spending(cost: Cost) -> str:
    return f"{cost.probes} probes, {count(cost.requests)} arrivals"


def _failing(seen: Silence) -> str:
    kind = f" ({seen.error})" if seen.error else ""
    return (
        f"{ratio(seen.error_ratio)} of {count(seen.arrivals)} arrivals at"
        f" {format_rate(seen.rate)} failed{kind}"
    )
