"""Which rate tells most about where the capacity lies, and when is it known well enough?

    ramp      from 3/4 of what the opening saw, times 1.3; else from `low`, times 2; until one fails
    narrow    at the median of the binding posterior x {0.98, 1, 1.02}, longer as it narrows
    close     long probes at the estimate, every other at the 5 % quantile, then stop if still narrow

A gentle goal has smaller steps and the 35 % quantile for the median (`controller.search.gentle`).

One posterior per objective (`controller.search.estimate`) learns from every probe; the binding
one has the smallest median, and the interval is its own. The posterior is the damping: a probe
that contradicts the others moves it back, nothing is ruled out by one verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from contract.objectives import Objective
from contract.units import Rate, Seconds, format_rate
from controller.search import gentle, signals
from controller.search.answer import Interval
from controller.search.estimate import (
    Belief,
    Counts,
    Posterior,
    bounded,
    learned,
    prior,
    probability_above,
    quantiles,
)
from controller.search.goal import Goal
from controller.search.opening import strained
from controller.search.probe import Evidence, Outcome, Verdict
from controller.search.relaxation import RELAXATIONS, enough_s, longest_measured_s, relaxation_s
from controller.search.signal_objectives import SignalObjective
from controller.search.strategy import Ask, Finding, Standing

FIRST_RATIO = 0.75
"""The first rate, as a part of what the opening saw supported."""
PLACED_STEP, BLIND_STEP, STRAINED_STEP = 1.3, 2.0, 1.5
HIGHEST_STEP = 1.25
"""Never above this times the highest rate that passed, once one has failed."""
SPREAD = (0.98, 1.0, 1.02)
"""A little spread around the median tells the slope."""
SPREAD_WIDTH = 0.2
RAMP_S = Seconds(4.0)
STAGES = ((0.5, 6.0), (0.2, 10.0), (0.1, 20.0), (0.0, 40.0))
"""(interval width, seconds to measure)."""
CLOSING_TIMES, SHORTEST_CLOSING_S, LONGEST_CLOSING_S = 2.0, 20.0, 60.0
"""A closing probe takes 2 s over the precision: 20 s at 10 %, 40 s at 5 %."""
CLOSING_SLACK = 1.7
"""Closing probes begin at an interval so much wider than asked, for they narrow it too."""
ARRIVALS, LONGEST_FOR_ARRIVALS_S = 300, 60.0
LIMITS = 3.0
"""A probe is no shorter than this many times the largest latency limit: a first guess at the
relaxation time, until probes near the estimate have measured it."""
MOST_OF_BUDGET = 1 / 8
"""No probe is longer than this part of the budget for what the target remembers."""
_HELD_BY_LATENCY = ("quantile", "goodput")
"""Kinds of objectives that a saturated target breaks; without such, errors are."""
BAD_TO_TELL = 60
"""At so many bad arrivals their own clustering counts as much as that of the p95."""
NEAR_RATIO = 0.1
"""Probes this close to the estimate tell its clustering."""
TAILS_RATIO, LEAN = 2.0, 0.25
"""A tail twice as long as the other is looked into, a quarter of the way: where a target breaks at
once, one probe that fails there tells more than many that pass at the median."""
MEMORY_PART, SHORTEST_MEMORY_S, WORTH_WEEDING = 0.5, 12.0, 1.3
"""Near the estimate a probe counts that was planned half as long as the target's memory asks for."""
HIGH_SURE, HIGH_PASSES, LOW_FAILS = 0.95, 2, 2
"""`at_least` takes this probability of more than the highest rate, and so many passes in a row there."""
HIGH_S = (RAMP_S, 40.0, 60.0)
"""Seconds to measure at the highest rate, after none, one, and more passes in a row there."""
HIGH_LOOK_S = 40.0
"""`at_least` takes a probe of this length near the highest rate: the first that make the posterior sure
may be short, and lucky."""
HIGH_TRIES = 3
"""After so many passes in a row there the search looks below it, if the posterior puts the capacity there."""


@dataclass(frozen=True, slots=True)
class Bayes:
    """`first` is where the ramp begins, `supported` the highest rate that passed or was seen to.

    `high_passes` and `low_fails` count verdicts at the ends of the range, in a row; `high_tried` says
    that HIGH_TRIES in a row passed at the upper one. What was planned shorter than `least_s` near the
    estimate is not believed.
    """

    goal: Goal
    posteriors: tuple[Posterior, ...]
    first: Rate
    placed_at: bool = False
    supported: Rate | None = None
    last_passed: Rate | None = None
    was_strained: bool = False
    failed: bool = False
    probes: int = 0
    closings: int = 0
    high_passes: int = 0
    low_fails: int = 0
    high_tried: bool = False
    seen: tuple[Evidence, ...] = ()
    least_s: Seconds = Seconds(0.0)

    @classmethod
    def knowing_nothing(cls, goal: Goal) -> Bayes:
        first, recalled = goal.low, goal.prior is not None
        if goal.prior is not None:
            first = min(max(goal.prior.start, goal.low), goal.high)
        posteriors = tuple(prior(goal, o.budget) for o in goal.judged_by)
        return cls(goal, posteriors, first, placed_at=recalled)

    def placed(self, supported: Rate) -> Bayes:
        first = max(self.goal.low, Rate(FIRST_RATIO * supported))
        if self.goal.prior is not None:
            first = min(supported, max(first, self.goal.prior.start))
        return replace(self, first=first, placed_at=True, supported=supported)

    def observe(self, outcome: Outcome) -> Bayes:
        passed, rate = outcome.verdict is Verdict.PASS, outcome.probe.rate
        at_high, at_low = rate >= self.goal.high, rate <= self.goal.low
        looked = self._high_sure()
        closing = outcome.probe.purpose == "closing" and not looked
        high_passes = self.high_passes + 1 if passed and at_high else 0
        state = replace(
            self,
            probes=self.probes + 1,
            closings=self.closings + closing,
            failed=self.failed or not passed,
            high_passes=high_passes,
            high_tried=self.high_tried or high_passes >= HIGH_TRIES,
            low_fails=self.low_fails + 1 if at_low and not passed else 0,
        )
        if passed:
            state = replace(
                state,
                supported=max(rate, self.supported or rate),
                last_passed=rate,
                was_strained=strained(self.goal, outcome),
            )
        return state if outcome.evidence is None else state.learning(outcome.evidence)

    def learning(self, evidence: Evidence) -> Bayes:
        """What the posteriors make of it, and of what came before."""
        return _weeded(_with(self, evidence))

    def ask(self) -> Ask | Finding:
        if self.low_fails >= LOW_FAILS:
            return Finding("at_most")
        if self._high_sure():
            return self._at_least()
        standing = self.known()
        if not standing.bounded:
            return self._climb()
        if standing.interval.estimate < self.goal.low:
            return self._probe(
                self.goal.low, Seconds(STAGES[1][1]), "does even the lowest rate fail"
            )
        if self._closing(standing.interval):
            if self.closings >= self.goal.closing_probes:
                return Finding("answered")
            return self._close(standing)
        return self._narrow(standing)

    def standing(self) -> Standing | None:
        return self.known() if self.probes else None

    def narrow(self) -> bool:
        standing = self.known()
        return standing.bounded and standing.interval.width <= self.goal.precision

    def beliefs(self) -> tuple[Belief, ...]:
        return tuple(
            Belief(posterior, self._clustering(index))
            for index, posterior in enumerate(self.posteriors)
        )

    def _climb(self) -> Ask:
        if self.last_passed is None:
            return self._probe(self.first, RAMP_S, "where the ramp begins")
        rate = min(self.goal.high, Rate(self.last_passed * self._step()))
        if rate >= self.goal.high:
            again = HIGH_S[min(self.high_passes, len(HIGH_S) - 1)]
            if self.high_passes:  # the first is to tell how long the target remembers
                again = max(again, enough_s(self.seen, self.goal.high))
            return self._probe(rate, Seconds(again), "does even the highest rate pass")
        return self._probe(rate, RAMP_S, "everything passed so far")

    def _step(self) -> float:
        if self.goal.gentle:
            blind = gentle.PLACED_STEP if self.placed_at else gentle.BLIND_STEP
            return min(blind, gentle.STRAINED_STEP) if self.was_strained else blind
        blind = PLACED_STEP if self.placed_at else BLIND_STEP
        return min(blind, STRAINED_STEP) if self.was_strained else blind

    def _aim(self, standing: Standing) -> Rate:
        """The rate that tells most: the binding median, or below it where others need the target."""
        known = standing.interval
        if not self.goal.gentle:
            return Rate(known.estimate * lean(known))
        belief = self.beliefs()[standing.objective]
        (aimed,) = quantiles(belief.posterior, (gentle.AIM,), belief.clustering)
        return aimed

    def _narrow(self, standing: Standing) -> Ask:
        known = standing.interval
        width = known.width
        stage_s = next(seconds for least, seconds in STAGES if width > least)
        spread = SPREAD[self.probes % len(SPREAD)] if width < SPREAD_WIDTH else 1.0
        why = f"the capacity lies between {format_rate(known.low)} and {format_rate(known.high)}"
        held_s = max(stage_s, self._remembered_s(known)) if width < SPREAD_WIDTH else stage_s
        return self._probe(Rate(self._aim(standing) * spread), Seconds(held_s), why)

    def _remembered_s(self, known: Interval) -> Seconds:
        """As long as the target's memory asks for, as far as probes so far can tell of it."""
        if not self.goal.features.batching:
            return Seconds(0.0)
        wanted_s = enough_s(self.seen, known.estimate)
        return Seconds(min(wanted_s, self.goal.budget_s * MOST_OF_BUDGET))

    def _closing(self, known: Interval) -> bool:
        owed = self.closings < self.goal.closing_probes
        return known.width <= self.goal.precision * (CLOSING_SLACK if owed else 1.0)

    def _close(self, standing: Standing) -> Ask:
        if self.closings % 2 == 0:
            known = standing.interval
            aimed = self._aim(standing) if self.goal.gentle else known.estimate
            rate, why = aimed, "confirm the estimate"
        else:
            rate, why = standing.interval.low, "confirm the low end"
        wanted_s = CLOSING_TIMES / self.goal.precision
        closing_s = min(max(wanted_s, SHORTEST_CLOSING_S), LONGEST_CLOSING_S)
        held_s = Seconds(max(closing_s, self._remembered_s(standing.interval)))
        return self._probe(rate, held_s, why, "closing")

    def _probe(
        self,
        rate: Rate,
        measure_s: Seconds,
        why: str,
        purpose: Literal["search", "closing"] = "search",
    ) -> Ask:
        goal = self.goal
        if self.failed and self.supported is not None:
            highest = gentle.HIGHEST_STEP if goal.gentle else HIGHEST_STEP
            rate = min(rate, Rate(highest * self.supported))
        rate = min(max(rate, goal.low), goal.high)
        enough_s = min(ARRIVALS / rate, LONGEST_FOR_ARRIVALS_S)
        held_s = Seconds(max(measure_s, enough_s, LIMITS * goal.largest_limit_s))
        return Ask(purpose, rate, held_s, f"{why}: {format_rate(rate)}")

    def _high_sure(self) -> bool:
        """Whether all that was taught says that the highest rate is carried."""
        taught_by = [belief for belief in self.beliefs() if belief.posterior.probes]
        return self.high_passes >= HIGH_PASSES and all(
            probability_above(belief.posterior, self.goal.high, belief.clustering) >= HIGH_SURE
            for belief in taught_by
        )

    def _at_least(self) -> Ask | Finding:
        """More than the highest rate it is, once a probe there was long enough to tell."""
        high, why = self.goal.high, "is the highest rate carried for longer"
        slow_s = relaxation_s(self.seen, high) or 0.0
        least_s = min(HIGH_LOOK_S, self.goal.budget_s * MOST_OF_BUDGET)
        if longest_measured_s(self.seen, high) >= max(RELAXATIONS * slow_s, int(least_s)):
            return Finding("at_least")
        held_s = Seconds(max(least_s, enough_s(self.seen, high)))
        return self._probe(high, held_s, why, "closing")  # no early stop: it is to be this long

    def known(self) -> Standing:
        """What the binding posterior says, taught or not."""
        read = [
            quantiles(belief.posterior, (0.05, 0.10, 0.50, 0.95), belief.clustering)
            for belief in self.beliefs()
        ]
        taught_of = [i for i, posterior in enumerate(self.posteriors) if posterior.probes]
        index = min(taught_of or range(len(read)), key=lambda i: read[i][2])
        low, safe, median, _ = read[index]
        high = min(read[i][3] for i in taught_of or range(len(read)))
        top = self.goal.high  # nothing was tried above it
        low, safe, median = min(low, top), min(safe, top), min(median, top)
        interval = Interval(low, median, max(high, median))
        below = self.high_tried and read[index][2] < top
        return Standing(interval, safe, index, bounded=self.failed or below)

    def _clustering(self, index: int) -> float | None:
        """Of the p95 by the length of the probes near the median, of the bad arrivals by their number.

        The more bad arrivals there were, the more theirs counts.
        """
        if index >= len(self.goal.objectives):
            return signals.CLUSTERING
        (median,) = quantiles(self.posteriors[index], (0.5,))
        near = [e for e in self.seen if abs(e.offered_per_s / median - 1) <= NEAR_RATIO]
        of_p95 = _mean([(e.measured_s, e.clustering[index]) for e in near])
        if of_p95 is None:
            of_p95 = _mean([(e.measured_s, _remembered(e)) for e in near])
        told = [e for e in near if e.bad_clustering]
        of_bad = _mean([(e.bad[index], e.bad_clustering[index]) for e in told])
        if of_p95 is None or of_bad is None:
            return of_p95 if of_bad is None else of_bad
        bad = sum(e.bad[index] for e in told)
        part = bad / (bad + BAD_TO_TELL)
        return float(max(of_bad, 1.0) ** part * max(of_p95, 1.0) ** (1 - part))


def lean(known: Interval) -> float:
    """How far above or below the median to look, by the longer tail of what is believed."""
    up, down = math.log(known.high / known.estimate), math.log(known.estimate / known.low)
    if max(up, down) <= TAILS_RATIO * min(up, down):
        return 1.0
    return math.exp(LEAN * (up if up > down else -down))


def _remembered(evidence: Evidence) -> float | None:
    """Clustering of what depends on the number in flight alone: 1 + 2 rate x relaxation time."""
    if evidence.relaxation_s is None:
        return None
    slow_s = max(evidence.relaxation_s, evidence.mean_s or 0.0)
    return 1 + 2 * evidence.offered_per_s * slow_s


def _mean(weighted: Iterable[tuple[float, float | None]]) -> float | None:
    known = [(weight, value) for weight, value in weighted if value is not None]
    total = sum(weight for weight, _ in known)
    return sum(weight * value for weight, value in known) / total if total > 0 else None


def _with(state: Bayes, evidence: Evidence) -> Bayes:
    posteriors = tuple(
        taught(posterior, evidence, index, held=_held(state.goal, objective))
        for index, (posterior, objective) in enumerate(
            zip(state.posteriors, state.goal.judged_by, strict=True)
        )
    )
    return replace(state, posteriors=posteriors, seen=(*state.seen, evidence))


def _weeded(state: Bayes) -> Bayes:
    """Without what was too short, once the target's memory is known to be longer.

    A probe begins on a target that is emptier than it will be, and sees too little that is bad.
    """
    if not state.failed or not state.goal.features.batching:
        return state
    estimate = state.known().interval.estimate
    least_s = MEMORY_PART * min(
        enough_s(state.seen, estimate), longest_measured_s(state.seen, estimate)
    )
    if least_s < max(WORTH_WEEDING * state.least_s, SHORTEST_MEMORY_S):
        return state
    kept = [e for e in state.seen if not _too_short(e, estimate, least_s)]
    state = replace(
        state,
        least_s=Seconds(least_s),
        posteriors=tuple(prior(state.goal, o.budget) for o in state.goal.judged_by),
        seen=(),
    )
    for evidence in kept:
        state = _with(state, evidence)
    return state


def _too_short(evidence: Evidence, estimate: Rate, least_s: float) -> bool:
    near = abs(evidence.offered_per_s / estimate - 1) <= NEAR_RATIO
    return near and evidence.planned_s < least_s


def _held(goal: Goal, objective: Objective | SignalObjective) -> bool:
    return objective.kind in _HELD_BY_LATENCY or (
        objective.kind == "error_ratio" and not goal.latency_limits_s
    )


def taught(posterior: Posterior, evidence: Evidence, index: int, *, held: bool) -> Posterior:
    """What a posterior makes of a probe; an objective with nothing judged learns nothing."""
    judged, bad = evidence.judged[index], evidence.bad[index]
    if judged > 0:
        counts = Counts(evidence.offered_per_s, judged, bad, evidence.censored)
        posterior = learned(posterior, counts)
    if held and evidence.saturated_per_s is not None:
        posterior = bounded(posterior, evidence.saturated_per_s, evidence.measured_s)
    return posterior
