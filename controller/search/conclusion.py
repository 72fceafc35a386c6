"""What does a search answer when it ends?"""

from __future__ import annotations

from dataclasses import replace

from contract.units import Rate, Seconds
from controller.search import explain, explain_answer, honest
from controller.search.answer import Capacity, Gate, Interval, Status
from controller.search.constant import Constant
from controller.search.knowledge import Search
from controller.search.relaxation import enough_s
from controller.search.stalling import failed_in_stalls, stalls, strict_at, strict_of
from controller.search.strategy import Ask, Finding, Standing, Told
from controller.search.strict import Strict

STRICT_RATIO = 0.05
"""By so much strict and estimate may differ before the answer begins with it."""
LOOK_S = Seconds(20.0)
"""A longer look lasts this at least."""


def ended(search: Search, status: Status, reason: str) -> Capacity:
    """What is known when it must end here: the estimate, if anything failed, and no interval."""
    known = _interval(search)
    estimate = None if known is None else known.estimate
    count, ratio = stalls(search)
    return Capacity(
        status=status,
        reason=reason,
        estimate=estimate,
        binding_objective=_binding(search),
        gate=_gate(search, status, None),
        warm_up=search.opening.summary,
        stalls=count,
        stalled_ratio=ratio,
        drifts=search.sentinel.drifts,
    )


def found(search: Search, finding: Finding) -> Capacity:
    if finding.told is not None:
        return _told(search, finding.status, finding.told)
    if finding.status == "answered":
        return _answered(search)
    return _beyond(search, finding.status)


def _told(search: Search, status: Status, told: Told) -> Capacity:
    """The strategy's own words; a soak alone judges by itself whether the target was steady."""
    summary = search.opening.summary
    steady = summary is None or summary.steady or search.goal.strategy == "soak"
    if status == "answered" and not steady:
        return ended(search, "no_verdict", explain_answer.not_steady(summary))
    objective = None if told.objective is None else search.goal.judged_by[told.objective].text
    reason = explain_answer.told(told.reason, explain_answer.Cost(search.probes, search.requests))
    if status == "answered" and told.estimate is not None and told.strict is None:
        status, told, reason = _counting(search, told, told.estimate, reason)
    count, ratio = stalls(search)
    return Capacity(
        status=status,
        reason=reason,
        estimate=told.estimate,
        low=told.low,
        high=told.high,
        strict=told.strict,
        safe=told.safe,
        binding_objective=objective,
        gate=_gate(
            search, status, told.safe, stalling=status == "at_most" and told.estimate is not None
        ),
        warm_up=summary,
        stalls=count,
        stalled_ratio=ratio,
        drifts=search.sentinel.drifts,
    )


def _counting(search: Search, told: Told, estimate: Rate, answer: str) -> tuple[Status, Told, str]:
    """The strategy's answer with the stalls counted that its verdicts left out."""
    ends = Interval(told.low or estimate, estimate, told.high or estimate)
    counted = strict_of(search, Standing(ends, told.safe or estimate, told.objective or 0))
    none, heeded = counted.estimate <= 0, search.goal.spikes == "count"
    safe = told.safe if not heeded or told.safe is None else counted.safe
    status: Status = "at_most" if none and heeded else "answered"
    kept = replace(
        told,
        strict=None if none else counted.estimate,
        safe=safe if safe and status == "answered" else None,
    )
    return status, kept, _with_strict(search, counted, estimate, (status, answer))


def _beyond(search: Search, status: Status) -> Capacity:
    summary = search.opening.summary
    if status == "at_least" and summary is not None and not summary.steady:
        return ended(search, "no_verdict", explain_answer.not_steady(summary))
    rate = search.goal.high if status == "at_least" else search.goal.low
    cost = explain_answer.Cost(search.probes, search.requests)
    if status == "at_least" and search.goal.spikes == "count" and stalls(search)[0]:
        counted = strict_at(search, rate)
        if counted.estimate < rate * (1 - STRICT_RATIO):
            return _stalling_beyond(search, counted, explain_answer.beyond(status, rate, cost))
    count, ratio = stalls(search)
    return Capacity(
        status=status,
        reason=explain_answer.beyond(status, rate, cost),
        gate=_gate(search, status, None),
        warm_up=search.opening.summary,
        stalls=count,
        stalled_ratio=ratio,
        drifts=search.sentinel.drifts,
        binding_objective=_binding(search) if status == "at_most" else None,
    )


def _stalling_beyond(search: Search, counted: Strict, passed: str) -> Capacity:
    """Every rate was carried between stalls, and the SLO is kept only to a lower one."""
    seen, high = _stalling(search), search.goal.high
    none = counted.estimate <= 0
    status: Status = "at_most" if none else "at_least"
    reason = explain_answer.strict_differs(seen, counted.estimate, high, passed)
    return Capacity(
        status=status,
        reason=explain_answer.only_stalls(seen, passed) if none else reason,
        strict=None if none else counted.estimate,
        safe=counted.safe if counted.safe > 0 else None,
        gate=_gate(search, "at_most" if none else "answered", counted.safe, stalling=none),
        warm_up=search.opening.summary,
        stalls=seen.count,
        stalled_ratio=seen.ratio,
        drifts=search.sentinel.drifts,
    )


def _answered(search: Search) -> Capacity:
    standing = search.strategy.standing()
    refusal = honest.refusal(search)
    if standing is None or refusal is not None:
        return ended(search, "no_verdict", refusal or explain_answer.spent(search.goal, None))
    counted = strict_of(search, standing)
    status: Status = "answered"
    if counted.estimate <= 0 and search.goal.spikes == "count":
        status = "at_most"
    safe = standing.safe if search.goal.spikes == "leave_out" else counted.safe
    known, objective = standing.interval, search.goal.judged_by[standing.objective]
    count, ratio = stalls(search)
    return Capacity(
        status=status,
        reason=_with_unseen(search, _reason(search, standing, counted, status)),
        estimate=known.estimate,
        low=known.low,
        high=known.high,
        strict=counted.estimate if counted.estimate > 0 else None,
        safe=safe if status == "answered" and safe > 0 else None,
        binding_objective=objective.text,
        gate=_gate(
            search, status, safe if status == "answered" else None, stalling=status == "at_most"
        ),
        warm_up=search.opening.summary,
        stalls=count,
        stalled_ratio=ratio,
        drifts=search.sentinel.drifts,
    )


def _reason(search: Search, standing: Standing, counted: Strict, status: Status) -> str:
    cost = explain_answer.Cost(search.probes, search.requests)
    known, objective = standing.interval, search.goal.judged_by[standing.objective]
    answer = explain_answer.answered(known, objective, cost, search.goal.strategy)
    return _with_strict(search, counted, known.estimate, (status, answer))


def _with_strict(search: Search, counted: Strict, estimate: Rate, found: tuple[Status, str]) -> str:
    """What was found, as (status, reason), and before it what stalls make of it."""
    status, answer = found
    seen = _stalling(search)
    if status == "at_most":
        return explain_answer.only_stalls(seen, answer)
    if abs(counted.estimate / estimate - 1) <= STRICT_RATIO:
        return answer
    return explain_answer.strict_differs(seen, counted.estimate, estimate, answer)


def _stalling(search: Search) -> explain_answer.Stalling:
    return explain_answer.Stalling(
        *stalls(search), float(search.elapsed_s), failed_in_stalls(search)
    )


def _with_unseen(search: Search, reason: str) -> str:
    """The reason, and which objectives of signals say nothing in it."""
    unseen = search.unseen
    return f"{reason}; {explain_answer.unseen(unseen)}" if unseen else reason


def spent(search: Search) -> Capacity:
    if search.strategy.narrow() and search.strategy.standing() is not None:
        return _answered(search)
    vouched = _wider(search)
    if vouched is not None:
        return vouched
    unsteady = None if search.strategy.standing() else honest.unsteady(search)
    reason = unsteady or explain_answer.spent(search.goal, _interval(search))
    return ended(search, "no_verdict", reason)


def _wider(search: Search) -> Capacity | None:
    """No verdict, but an interval wider than asked, where the probes carry one."""
    standing = search.strategy.standing()
    if search.goal.strategy != "bayes" or standing is None or not standing.bounded:
        return None
    if honest.refusal(search) is not None or not honest.told_enough(search, standing):
        return None
    goal, known = search.goal, standing.interval
    counted = strict_of(search, standing)
    safe = standing.safe if goal.spikes == "leave_out" else counted.safe
    wide = explain_answer.wider(goal, known, goal.judged_by[standing.objective])
    reason = _with_strict(search, counted, known.estimate, ("no_verdict", wide))
    return replace(
        ended(search, "no_verdict", _with_unseen(search, reason)),
        low=known.low,
        high=known.high,
        strict=counted.estimate if counted.estimate > 0 else None,
        safe=safe if safe > 0 else None,
    )


def hopeless(search: Search, found: Constant) -> Capacity:
    """More is bad than the SLO allows, however little is sent."""
    objective = search.goal.judged_by[found.objective]
    reason = explain_answer.hopeless(objective, found)
    require = search.goal.require
    gate = (
        None
        if require is None
        else Gate(require, met=False, reason=explain_answer.hopeless_gate(require, found))
    )
    answer = replace(_beyond(search, "at_most"), reason=reason, gate=gate)
    return replace(answer, binding_objective=objective.text)


def dead(search: Search) -> Capacity:
    suspicion = search.suspicion
    assert suspicion is not None
    seen = explain_answer.Silence(
        suspicion.error_ratio, suspicion.arrivals, suspicion.rate, suspicion.error
    )
    if search.most_passed is None:
        return replace(_beyond(search, "at_most"), reason=explain_answer.never_answered(seen))
    return ended(search, "no_verdict", explain_answer.stopped_answering(seen, search.most_passed))


def longer_look(search: Search) -> Ask | None:
    """A probe at the estimate, long enough to tell whether the others were; None if they were."""
    summary, standing = search.opening.summary, search.strategy.standing()
    if standing is None or (summary is not None and not summary.steady):
        return None
    estimate = standing.interval.estimate
    if honest.short(search, estimate) is None:
        return None
    rate = min(estimate, search.goal.high)
    wanted_s = Seconds(max(LOOK_S, enough_s(search.seen, estimate)))
    return Ask("search", rate, wanted_s, explain.longer_look(rate))


def _binding(search: Search) -> str | None:
    standing = search.strategy.standing()
    return None if standing is None else search.goal.judged_by[standing.objective].text


def _gate(
    search: Search, status: Status, safe: Rate | None, *, stalling: bool = False
) -> Gate | None:
    goal = search.goal
    if goal.require is None:
        return None
    met: bool | None = None
    if status == "answered" and safe is not None:
        met = safe >= goal.require * (1 - explain_answer.ROUNDING)
    elif status == "at_least" and goal.require <= goal.high:
        met = True
    elif status == "at_most" and (goal.require >= goal.low or stalling):
        met = False
    return Gate(goal.require, met, explain_answer.gate(goal, status, safe, stalling=stalling))


def _interval(search: Search) -> Interval | None:
    standing = search.strategy.standing()
    return None if standing is None or not standing.bounded else standing.interval
