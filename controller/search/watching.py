"""What do the windows of a probe say, besides what its arrivals are judged by?

The fold of a probe's one-second windows: health, the target's own metrics, and what they add to
the outcome. Evidence gets one more entry for each objective of a signal, which counts windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.search import explain, health, signals
from controller.search.estimate import Belief, Counts, learned, probability_above
from controller.search.goal import Goal
from controller.search.health import Health
from controller.search.journal import Measured
from controller.search.probe import Evidence, Outcome, Probe, Verdict
from controller.search.signals import Facts, Windows
from controller.search.stop_rules import SURE


@dataclass(frozen=True, slots=True)
class Watch:
    """The windows of a probe so far, and the health they add up to."""

    health: Health = Health()  # noqa: RUF009 - frozen
    windows: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """The objectives of signals over the judged windows: what they counted, and which failed."""

    counts: Windows
    worst: int | None

    @property
    def passed(self) -> bool:
        return self.worst is None


def watched(watch: Watch, goal: Goal, window: Measured) -> tuple[Watch, Measured]:
    """Take in a window; it comes back with the health after it."""
    ratios = (window.limit_ratio, signals.limit_ratio(goal.signal_objectives, window.signals))
    ratio = max((r for r in ratios if r is not None), default=None)
    after = health.assessed(
        watch.health,
        health.Window(ratio, window.offered_per_s, window.achieved_per_s, window.in_flight),
    )
    window = replace(window, health=after.state, limit_ratio=ratio)
    return Watch(after, (*watch.windows, window)), window


def judged(watch: Watch, goal: Goal, probe: Probe) -> Judged:
    """What the windows say of the objectives of signals."""
    objectives = goal.signal_objectives
    counts = signals.counted(objectives, watch.windows, probe.judged_from_s)
    broken = [
        index
        for index, objective in enumerate(objectives)
        if signals.over_budget(objective, counts.judged[index], counts.bad[index])
    ]
    worst = max(
        broken,
        key=lambda i: counts.bad[i] / counts.judged[i] / objectives[i].budget,
        default=None,
    )
    return Judged(counts, worst)


def sure(watch: Watch, goal: Goal, probe: Probe, beliefs: Sequence[Belief]) -> bool:
    """Whether the capacity is above this rate for every signal that is told at all (R5)."""
    counts = judged(watch, goal, probe).counts
    told = {name for window in watch.windows for name, _ in window.signals}
    for index, (objective, belief) in enumerate(zip(goal.signal_objectives, beliefs, strict=False)):
        if objective.signal not in told and not belief.posterior.probes:
            continue
        seen = Counts(probe.rate, counts.judged[index], counts.bad[index])
        posterior = learned(belief.posterior, seen)
        if probability_above(posterior, probe.rate, belief.clustering) <= SURE:
            return False
    return True


def reason(goal: Goal, found: Judged) -> str:
    """Why the worst objective of a signal failed."""
    assert found.worst is not None
    objective = goal.signal_objectives[found.worst]
    counts = found.counts
    return explain.beyond_signal(objective, counts.judged[found.worst], counts.bad[found.worst])


def with_signals(evidence: Evidence, goal: Goal, found: Judged) -> Evidence:
    """Evidence with entries of the signals; a probe that was stopped says nothing of them."""
    if not goal.signal_objectives:
        return evidence
    counts = found.counts
    none = (0,) * len(counts.judged)
    return replace(
        evidence,
        judged=evidence.judged + (none if evidence.censored else counts.judged),
        bad=evidence.bad + (none if evidence.censored else counts.bad),
        clustering=evidence.clustering + (signals.CLUSTERING,) * len(none),
    )


def completed(outcome: Outcome, watch: Watch, lag_limit_s: float) -> Outcome:
    """The outcome with its health, its signals and, where it failed, a cause."""
    if not watch.windows:
        return outcome
    outcome = replace(outcome, health=watch.health.state, signals=signals.summaries(watch.windows))
    if outcome.verdict is not Verdict.FAIL:
        return outcome
    full = [w for w in watch.windows if w.through_s > outcome.probe.ramp_s + 1e-6]
    facts = Facts(
        outcome.send_lag_p99_s,
        lag_limit_s,
        outcome.ledger.failed,
        outcome.bad_requests,
    )
    cause = signals.cause_of(full, facts)
    if cause is None:
        return outcome
    clause = explain.because(cause, outcome.signals)
    return replace(outcome, cause=cause, reason=f"{outcome.reason}; {clause}")
