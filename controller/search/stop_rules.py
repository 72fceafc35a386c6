"""When is a probe decided before its end?

    R1 curtail   known bad arrivals > 6 budgets of the whole probe (3 when gentle),
                 12 at least                                                         -> fail
    R2 backlog   the target works (completions > 0.6 min(rate, saturation)), yet a new arrival
                 would wait N / X - s > 2 limits, s being the mean service time of an idle target, N is
                 10 or more and has not fallen, for max(1 s, limit/2); without a latency
                 limit, > 5 service times, 0.5 s at least, half the time-out at most -> fail
    R4 safety    half of the arrivals decided in the last 2 s failed                 -> fail
    R5 accept    P(capacity > rate) > 0.98 for every objective                       -> pass

R3, the veto: what lies in a stall that has recovered, or still may (`controller.search.stalls`),
is no ground for R1, R2 or R5.

Completions X and arrivals in flight N are those of the whole fleet. Every rule sees what the
reports say, so it acts one cadence and the slowest worker's delay after the fact, and none while
a worker's report is late. R1 loses nothing: beyond so many the likelihood is flat, and bad stays
bad. R5 takes only arrivals old enough to be known, lest it judge the quick ones, and looks at
geometrically growing counts, so that looking often does not make a lucky stretch likelier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import takewhile

from contract.units import Rate
from controller.search import explain, stalls
from controller.search.estimate import (
    Counts,
    censored_times,
    learned,
    probability_above,
    too_many,
)
from controller.search.tally import (
    BUCKET_S,
    Sample,
    Setting,
    Tally,
    ends_by,
    per_second,
    scheduled,
    settled,
    whole_s,
    without,
)

WORKING_RATIO = 0.6
WAIT_LIMITS = 2.0
BACKLOG_FEWEST = 9
"""In flight; so few come by chance at a low rate."""
BEHIND_S, BEHIND_TIMES = 0.5, 5.0
"""Waiting longer than this, or so many service times, is falling behind."""
FILLED_TIMES = 4.0
"""A probe this many service times long completes as much as it is sent, if it can."""
UNSAFE_RATIO, UNSAFE_SPAN_S, UNSAFE_FEWEST = 0.5, 2.0, 20
SURE, SURE_FEWEST, LOOK_STEP = 0.98, 300, 1.6
FALLING_RATIO = 0.8
"""Completions of the last quarter below this part of the quarter before: collapsing, no bound."""
SATURATED_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a probe ends now.

    `spoiled`: objectives that can learn of it that the rate is too much. `seen` is what it was
    judged by, when not by all that was reported.
    """

    rule: str
    reason: str
    passed: bool = False
    spoiled: tuple[int, ...] = ()
    seen: Tally | None = None


def stopped(setting: Setting, tally: Tally) -> Stop | None:
    """The first rule that applies."""
    if setting.probe.purpose == "warm_up":
        return _unsafe(setting, tally) or _backlogged(setting, tally)
    return (
        _unsafe(setting, tally)
        or _curtailed(setting, tally)
        or _backlogged(setting, tally)
        or _accepted(setting, tally)
    )


def saturated_per_s(setting: Setting, tally: Tally) -> Rate | None:
    """Completions per second over the second half, where a backlog shows it was all it could do."""
    limits, idle_s = _limits_s(setting), setting.idle_s
    if not limits or not tally.samples or tally.through_s < FILLED_TIMES * idle_s:
        return None
    rate, done = per_second(tally.samples, tally.through_s / 2)
    backlog = tally.totals.in_flight > (0.5 * min(limits) + idle_s) * rate
    if done <= SATURATED_FEWEST or not backlog:
        return None
    late, late_done = per_second(tally.samples, 0.75 * tally.through_s)
    early = (done - late_done) / max(0.25 * tally.through_s, 1e-9)
    return Rate(rate) if late >= FALLING_RATIO * early else None


def _curtailed(setting: Setting, tally: Tally) -> Stop | None:
    if tally.late or not _spent(setting, tally):
        return None
    tally = without(tally, stalls.found(setting, tally).buckets)
    spent = _spent(setting, tally)
    if not spent:
        return None
    objectives = setting.goal.objectives
    worst = max(spent, key=lambda i: tally.known_bad[i] / max(objectives[i].budget, 1e-9))
    reason = explain.curtailed(
        objectives[worst], tally.known_bad[worst], tally.known[worst], tally.through_s
    )
    return Stop("R1 curtail", reason, spoiled=spent)


def _spent(setting: Setting, tally: Tally) -> tuple[int, ...]:
    times = censored_times(setting.goal)
    return tuple(
        index
        for index, objective in enumerate(setting.goal.objectives)
        if tally.known_bad[index] > too_many(objective.budget, setting.planned, times)
    )


def _backlogged(setting: Setting, tally: Tally) -> Stop | None:
    limits = _limits_s(setting)
    if not limits or tally.late:
        return None
    limit_s = max(limits)
    times = WAIT_LIMITS if setting.goal.latency_limits_s else 1.0
    allowed_s = times * limit_s + setting.idle_s
    held = _held(setting, tally, max(1.0, limit_s / 2, BACKLOG_FEWEST / setting.probe.rate))
    working = WORKING_RATIO * min(setting.probe.rate, setting.saturated_per_s or math.inf)
    if len(held) < 2:
        return None
    span_s = held[-1].through_s - held[0].through_s
    per_s = (held[-1].succeeded - held[0].succeeded) / span_s
    most = max(allowed_s * per_s, BACKLOG_FEWEST)
    if per_s <= working or any(s.in_flight <= most for s in held):
        return None
    if held[-1].in_flight < held[0].in_flight or _in_stall(setting, tally):
        return None
    reason = explain.backlogged(held[-1].in_flight, per_s, limit_s, tally.through_s)
    spoiled = tuple(
        index
        for index, objective in enumerate(setting.goal.objectives)
        if objective.kind != "error_ratio" or not setting.goal.latency_limits_s
    )
    return Stop("R2 backlog", reason, spoiled=spoiled)


def _limits_s(setting: Setting) -> tuple[float, ...]:
    """What an arrival may wait.

    Without a latency limit, what it waits only where the target falls behind, for nothing fails
    there until the backlog has grown to the time-out.

    After the first token an answer may take as long as it likes: such limits give none.
    """
    if setting.goal.latency_limits_s:
        return setting.goal.age_limits_s
    behind_s = max(BEHIND_S, BEHIND_TIMES * setting.idle_s)
    return (min(behind_s, setting.goal.workload.timeout_s / 2),)


def _in_stall(setting: Setting, tally: Tally) -> bool:
    """Whether the newest arrivals lie in a stall that may yet recover."""
    newest = int(tally.through_s / BUCKET_S - 1e-9)
    return newest in stalls.found(setting, tally).buckets


def _held(setting: Setting, tally: Tally, span_s: float) -> tuple[Sample, ...]:
    """The samples of the last `span_s`, none when the full rate is not that old yet."""
    since_s = tally.through_s - span_s - 1e-6
    if since_s < setting.probe.ramp_s:
        return ()
    newest = takewhile(lambda sample: sample.through_s >= since_s, reversed(tally.samples))
    return tuple(newest)[::-1]


def _unsafe(setting: Setting, tally: Tally) -> Stop | None:
    if not tally.samples or tally.late:
        return None
    last = tally.samples[-1]
    since_s = last.through_s - UNSAFE_SPAN_S + 1e-6
    before = next((s for s in reversed(tally.samples) if s.through_s <= since_s), None)
    if before is None:
        return None
    faults = last.faults - before.faults
    decided = faults + last.succeeded - before.succeeded
    if decided < UNSAFE_FEWEST or faults < UNSAFE_RATIO * decided:
        return None
    reason = explain.unsafe(faults / decided, tally.through_s, tally.errors)
    return Stop("R4 safety", reason, spoiled=tuple(range(len(setting.goal.objectives))))


def _accepted(setting: Setting, tally: Tally) -> Stop | None:
    if not setting.beliefs or setting.probe.purpose != "search" or tally.late:
        return None
    if tally.decided < SURE_FEWEST or not _looking(setting, tally):
        return None
    found = stalls.found(setting, tally)
    sure = without(settled(tally, setting.goal.largest_limit_s), found.buckets)
    if sure.undecided or any(
        bad > objective.budget * known
        for objective, bad, known in zip(
            setting.goal.objectives, sure.known_bad, sure.known, strict=True
        )
    ):
        return None
    rate = setting.probe.rate
    offered = realised_per_s(setting, sure)
    least = 1.0
    for belief, bad, known in zip(setting.beliefs, sure.known_bad, sure.known, strict=True):
        posterior = learned(belief.posterior, Counts(offered, known, bad))
        least = min(least, probability_above(posterior, rate, belief.clustering))
        if least <= SURE:
            return None
    return Stop("R5 accept", explain.accepted(rate, sure.decided, least), passed=True, seen=sure)


def _looking(setting: Setting, tally: Tally) -> bool:
    """Whether the last report made the settled arrivals reach another count."""
    age_s = setting.goal.largest_limit_s
    before_s = tally.samples[-2].through_s if len(tally.samples) > 1 else 0.0
    return _looks(_judged_at(tally, tally.through_s - age_s)) > _looks(
        _judged_at(tally, before_s - age_s)
    )


def _judged_at(tally: Tally, at_s: float) -> int:
    """How many judged arrivals were decided by then."""
    reports = (s.judged for s in reversed(tally.samples) if s.through_s <= at_s + 1e-6)
    return next(reports, 0)


def _looks(decided: int) -> int:
    """How many of the counts 300, 480, 768 ... are reached."""
    if decided < SURE_FEWEST:
        return 0
    return 1 + math.floor(math.log(decided / SURE_FEWEST) / math.log(LOOK_STEP))


def realised_per_s(setting: Setting, tally: Tally, *, to_end: bool = False) -> Rate:
    """Judged arrivals over their time; `to_end`: what is not due yet taken at the planned rate."""
    probe = setting.probe
    until_s = whole_s(min(tally.through_s, probe.duration_s))
    covered_s, due = until_s - probe.judged_from_s, scheduled(tally, until_s)
    away_s = BUCKET_S * sum(
        setting.is_judged(index) and ends_by(index, until_s) for index in tally.left_out
    )
    if to_end:
        rest = (probe.measure_s - max(covered_s, 0.0)) * probe.rate
        return Rate((due + rest) / max(probe.measure_s - away_s, BUCKET_S))
    if covered_s - away_s < 1.0 or not due:
        return probe.rate
    return Rate(due / (covered_s - away_s))
