"""What does a search answer when it ends?"""

from __future__ import annotations

from dataclasses import replace

from contract.units import Rate, Seconds
from controller.search import explain
from controller.search.answer import Capacity, Gate, Interval, Status
from controller.search.knowledge import Search
from controller.search.relaxation import longest_measured_s, relaxation_s
from controller.search.strategy import Ask, Finding

RELAXATIONS = 3.0
"""A probe near the capacity lasts so many relaxation times, or an interval is refused."""

LOOK_S, LOOK_MARGIN, LOOK_STEP = Seconds(20.0), 1.1, 4.0
"""A longer look lasts this at least; a margin over what is needed by what is known; and no more
than this many times the longest so far, for short probes exaggerate how slow the target is."""


def ended(search: Search, status: Status, reason: str) -> Capacity:
    """What is known when it must end here: the estimate, and no interval."""
    standing = search.strategy.standing()
    estimate = None if standing is None else standing.interval.estimate
    return Capacity(
        status=status,
        reason=reason,
        estimate=estimate,
        binding_objective=_binding(search),
        gate=_gate(search, status, None),
        warm_up=search.opening.summary,
        drifts=search.sentinel.drifts,
    )


def found(search: Search, finding: Finding) -> Capacity:
    if finding.status == "answered":
        return _answered(search)
    return _beyond(search, finding.status)


def _beyond(search: Search, status: Status) -> Capacity:
    summary = search.opening.summary
    if status == "at_least" and summary is not None and not summary.steady:
        return ended(search, "no_verdict", explain.not_steady(summary))
    rate = search.goal.high if status == "at_least" else search.goal.low
    cost = explain.Cost(search.probes, search.requests)
    return Capacity(
        status=status,
        reason=explain.beyond(status, rate, cost),
        gate=_gate(search, status, None),
        warm_up=search.opening.summary,
        drifts=search.sentinel.drifts,
        binding_objective=_binding(search) if status == "at_most" else None,
    )


def _answered(search: Search) -> Capacity:
    standing = search.strategy.standing()
    refusal = _refusal(search)
    if standing is None or refusal is not None:
        return ended(search, "no_verdict", refusal or explain.spent(search.goal, None))
    cost = explain.Cost(search.probes, search.requests)
    known, objective = standing.interval, search.goal.objectives[standing.objective]
    return Capacity(
        status="answered",
        reason=explain.answered(known, objective, cost, search.goal.strategy),
        estimate=known.estimate,
        low=known.low,
        high=known.high,
        strict=known.estimate,
        safe=standing.safe,
        binding_objective=objective.text,
        gate=_gate(search, "answered", standing.safe),
        warm_up=search.opening.summary,
        drifts=search.sentinel.drifts,
    )


def spent(search: Search) -> Capacity:
    if search.strategy.narrow() and search.strategy.standing() is not None:
        return _answered(search)
    return ended(search, "no_verdict", explain.spent(search.goal, _interval(search)))


def dead(search: Search) -> Capacity:
    suspicion = search.suspicion
    assert suspicion is not None
    seen = explain.Silence(
        suspicion.error_ratio, suspicion.arrivals, suspicion.rate, suspicion.error
    )
    if search.most_passed is None:
        return replace(_beyond(search, "at_most"), reason=explain.never_answered(seen))
    return ended(search, "no_verdict", explain.stopped_answering(seen, search.most_passed))


def longer_look(search: Search) -> Ask | None:
    """A probe at the estimate, long enough to tell whether the others were; None if they were."""
    summary, standing = search.opening.summary, search.strategy.standing()
    if standing is None or (summary is not None and not summary.steady):
        return None
    short = _short(search, standing.interval.estimate)
    if short is None:
        return None
    measured_s, slow_s = short
    most_s = max(LOOK_S, LOOK_STEP * measured_s)
    wanted_s = min(max(LOOK_S, LOOK_MARGIN * RELAXATIONS * slow_s), most_s)
    rate = standing.interval.estimate
    return Ask("search", rate, Seconds(wanted_s), explain.longer_look(rate))


def _refusal(search: Search) -> str | None:
    """Why no interval is printed although the probes would give one."""
    summary = search.opening.summary
    if summary is not None and not summary.steady:
        return explain.not_steady(summary)
    if not search.sentinel.steady:
        return explain.drifting(search.sentinel.drifts)
    standing = search.strategy.standing()
    short = None if standing is None else _short(search, standing.interval.estimate)
    return None if short is None else explain.too_short(*short)


def _short(search: Search, estimate: Rate) -> tuple[Seconds, Seconds] | None:
    """(longest probe near `estimate`, relaxation time) where that is not enough of them."""
    slow_s = relaxation_s(search.seen, estimate)
    measured_s = longest_measured_s(search.seen, estimate)
    if slow_s is None or measured_s >= RELAXATIONS * slow_s:
        return None
    return measured_s, slow_s


def _binding(search: Search) -> str | None:
    standing = search.strategy.standing()
    return None if standing is None else search.goal.objectives[standing.objective].text


def _gate(search: Search, status: Status, safe: Rate | None) -> Gate | None:
    goal = search.goal
    if goal.require is None:
        return None
    met: bool | None = None
    if status == "answered" and safe is not None:
        met = safe >= goal.require
    elif status == "at_least" and goal.require <= goal.high:
        met = True
    elif status == "at_most" and goal.require >= goal.low:
        met = False
    return Gate(goal.require, met, explain.gate(goal, status, safe))


def _interval(search: Search) -> Interval | None:
    standing = search.strategy.standing()
    return None if standing is None else standing.interval
