"""How is a target brought to its working state before anything is judged?

    scale ── short probes from `low`, times 2, until one fails; their evidence is discarded.
             With an earlier result one at 3/4 of its capacity, and those only if it fails
    warm_up ─ half of the highest supported rate, held until steady
    done ─── the search proper

A warm-up that fails is repeated at half its rate, twice at most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from contract.units import Rate, Seconds, format_duration, format_rate
from controller.search import gentle, signals
from controller.search.answer import WarmUpKind, WarmUpSummary
from controller.search.goal import Goal
from controller.search.probe import Outcome, Verdict
from controller.search.strategy import Ask

SCALE_S = Seconds(2.0)
SCALE_ARRIVALS, LONGEST_SCALE_S, LONGEST_SCALE_RATIO = 8, 20.0, 1 / 16
"""A scale probe at a low rate waits for so many arrivals, for a part of the budget at most."""
SCALE_STEP = 2.0
STRAINED_STEP = 1.5
STRAINED_RATIO = 0.5
"""A p99 above this part of the tightest limit: the next step is the smaller one."""
WARM_UP_RATIO = 0.5
LONGEST_WARM_UP_S = Seconds(180.0)
_RETRIES = 2
_KINDS: dict[str, WarmUpKind] = {
    "flat": "flat",
    "warm_up": "warm_up",
    "slowdown": "slowdown",
    "cyclic": "cyclic",
    "fixed": "fixed",
}


@dataclass(frozen=True, slots=True)
class Opening:
    """`supported` is the highest rate a scale probe passed at, `next_rate` what comes next.

    `recalled`: that rate is an earlier result's. `ceiling` failed when it was.
    """

    stage: Literal["scale", "warm_up", "done"]
    next_rate: Rate
    supported: Rate | None = None
    retries: int = 0
    summary: WarmUpSummary | None = None
    recalled: bool = False
    ceiling: Rate | None = None


def opened(goal: Goal) -> Opening:
    """Where the opening begins; a goal without warm-up has none."""
    if not goal.warms_up:
        reason = "no warm-up was asked for"
        summary = WarmUpSummary(Rate(0.0), Seconds(0.0), True, "none", reason)
        return Opening("done", goal.low, summary=summary)
    if goal.strategy == "soak":  # its rate is the scale
        return Opening("warm_up", goal.high)
    if goal.prior is not None:
        return Opening("scale", min(max(goal.prior.start, goal.low), goal.high), recalled=True)
    return Opening("scale", goal.low)


def reopened(opening: Opening, goal: Goal, supported: Rate | None) -> Opening:
    """Warm up again, at half of what is known to be supported by now."""
    if not goal.warms_up or opening.stage != "done":
        return opening
    best = supported or opening.supported or goal.low
    return replace(opening, stage="warm_up", next_rate=_warm_up_rate(goal, best), retries=0)


def asked(opening: Opening, goal: Goal) -> Ask | None:
    """The next probe of the opening, None when it is done."""
    rate = opening.next_rate
    if opening.stage == "scale":
        looked = "is it as before" if opening.recalled else "find the scale"
        longest_s = max(LONGEST_SCALE_S, LONGEST_SCALE_RATIO * goal.budget_s)
        held_s = Seconds(min(max(SCALE_S, SCALE_ARRIVALS / rate), longest_s))
        return Ask("scale", rate, held_s, f"{looked}: is {format_rate(rate)} carried at all")
    if opening.stage == "warm_up":
        held = longest_warm_up_s(goal)
        until = "until steady, at most " if goal.warm_up == "auto" else "for "
        why = f"warm up at {format_rate(rate)} {until}{format_duration(held)}"
        return Ask("warm_up", rate, held, why)
    return None


def longest_warm_up_s(goal: Goal) -> Seconds:
    """How long a warm-up is held at most; a given duration is held as given."""
    if isinstance(goal.warm_up, str):
        return Seconds(min(LONGEST_WARM_UP_S, goal.budget_s / 4))
    return Seconds(goal.warm_up)


def observed(opening: Opening, goal: Goal, outcome: Outcome) -> Opening:
    """Learn from a scale or warm-up probe that was not void."""
    if outcome.probe.purpose == "scale":
        return _scaled(opening, goal, outcome)
    again = opening.retries < _RETRIES and opening.next_rate > goal.low
    if outcome.verdict is Verdict.FAIL and again:
        rate = max(goal.low, Rate(opening.next_rate / 2))
        return replace(opening, next_rate=rate, retries=opening.retries + 1)
    return replace(opening, stage="done", summary=_summary(opening, outcome))


def _scaled(opening: Opening, goal: Goal, outcome: Outcome) -> Opening:
    rate, passed = outcome.probe.rate, outcome.verdict is Verdict.PASS
    if opening.recalled and not passed and rate > goal.low:
        return replace(opening, next_rate=goal.low, recalled=False, ceiling=rate)
    supported = max(rate, opening.supported or rate) if passed else opening.supported
    following = min(goal.high, Rate(rate * _scale_step(goal, outcome)))
    beyond = opening.ceiling is not None and following >= opening.ceiling
    enough = opening.recalled or beyond or (goal.gentle and strained(goal, outcome))
    if passed and rate < goal.high and not enough:
        return replace(opening, next_rate=following, supported=supported)
    best = rate if passed else supported or goal.low
    return replace(
        opening, stage="warm_up", next_rate=_warm_up_rate(goal, best), supported=supported
    )


def _scale_step(goal: Goal, outcome: Outcome) -> float:
    if goal.gentle:
        return gentle.SCALE_STEP
    return STRAINED_STEP if strained(goal, outcome) else SCALE_STEP


def strained(goal: Goal, outcome: Outcome) -> bool:
    """Whether a passing probe was already near the tightest limit, or the target busy."""
    quantiles = outcome.response_time
    return signals.strained(outcome) or (
        bool(goal.age_limits_s)
        and quantiles is not None
        and quantiles.p99_s > STRAINED_RATIO * min(goal.age_limits_s)
    )


def _warm_up_rate(goal: Goal, supported: Rate) -> Rate:
    return Rate(min(max(goal.low, WARM_UP_RATIO * supported), goal.high))


def _summary(opening: Opening, outcome: Outcome) -> WarmUpSummary:
    kind = _KINDS.get(outcome.rule, "not_steady")
    steady = outcome.verdict is Verdict.PASS and kind not in ("not_steady", "slowdown")
    if kind == "cyclic":
        steady = steady and outcome.steady is not False
    evidence, course = outcome.evidence, outcome.course
    seconds = outcome.seconds if evidence is None else evidence.measured_s
    summary = WarmUpSummary(opening.next_rate, seconds, steady, kind, outcome.reason)
    before = opening.summary
    if before is not None and before.steady and steady:
        return before  # warmed once more: how it went from cold is the first one's
    if course is None:
        return summary
    return replace(
        summary,
        time_to_steady_s=course.time_to_steady_s,
        cold_curve=course.cold_curve,
        initial_ratio=course.initial_ratio,
        period_s=course.period_s,
    )
