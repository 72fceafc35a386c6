"""Which rate does the published adaptive search find, taken at its word?

Algorithm 1 of Abdelfattah et al. 2026 (arXiv 2606.22013), as a baseline: rates in [from, to],
step = (to - from)/4, alpha 0.5, tau 2, N 3, epsilon 0.05. A round holds q and looks at its health:

    healthy   worst metric/limit <= 0.8, the text's 20 % headroom    best = max(best, q), q += step
    warn      every objective met                     best = max(best, q), step *= alpha, q += step
    else, at most tau windows of 2 s in violation                                  q += step * alpha
    else                                                                q -= step, step *= alpha

It stops when the last N values of best have a coefficient of variation under epsilon, which three
equal ones have: it stops right after its first hard overshoot, however coarse the step. That is
kept, for it is what was published; bayes is the strategy to use. Rates are held inside the range.
The answer is `best`; its bracket reaches from there to the lowest rate above it that failed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from contract.objectives import Objective
from contract.units import Rate, Seconds, format_rate
from controller.search.answer import Interval
from controller.search.estimate import Belief
from controller.search.goal import Goal
from controller.search.probe import Outcome, Verdict
from controller.search.strategies.binary import worst_objective
from controller.search.strategy import Ask, Finding, Standing, Told

PROBE_S = Seconds(20.0)
STEPS = 4
ALPHA, TAU, ROUNDS, EPSILON = 0.5, 2, 3, 0.05
HEALTHY_RATIO = 0.8
_QUANTILES = {0.5: "p50_s", 0.9: "p90_s", 0.99: "p99_s"}


@dataclass(frozen=True, slots=True)
class Vanguard:
    """`rate` is q; `bests` is best after each round, `low_fails` how often `from` failed.

    `failed` are rates with the index of the objective that was overrun the most, `last_failure` is
    what the latest of them measured.
    """

    goal: Goal
    rate: Rate
    step: float
    bests: tuple[Rate | None, ...] = ()
    failed: tuple[tuple[Rate, int], ...] = ()
    low_fails: int = 0
    last_failure: str = ""

    @classmethod
    def knowing_nothing(cls, goal: Goal) -> Vanguard:
        return cls(goal, goal.low, (goal.high - goal.low) / STEPS)

    @property
    def best(self) -> Rate | None:
        return self.bests[-1] if self.bests else None

    def placed(self, supported: Rate) -> Vanguard:  # noqa: ARG002 - it begins at the lowest rate
        return self

    def observe(self, outcome: Outcome) -> Vanguard:
        rate = outcome.probe.rate
        if outcome.verdict is Verdict.PASS:
            best = max(rate, self.best or rate)
            step = self.step
            if worst_ratio(self.goal, outcome) > HEALTHY_RATIO:
                step *= ALPHA
            return replace(self, rate=self._held(rate + step), step=step, bests=(*self.bests, best))
        state = replace(
            self,
            bests=(*self.bests, self.best),
            failed=(*self.failed, (rate, worst_objective(self.goal, outcome))),
            low_fails=self.low_fails + (rate <= self.goal.low),
            last_failure=outcome.reason,
        )
        if spikes(self.goal, outcome) <= TAU:
            return replace(state, rate=self._held(rate + ALPHA * self.step))
        return replace(state, rate=self._held(rate - self.step), step=ALPHA * self.step)

    def ask(self) -> Ask | Finding:
        if self.best is None and self.low_fails >= ROUNDS:
            return self._too_much()
        if self.narrow():
            return self._found()
        why = f"round {len(self.bests) + 1}, step {self.step:.4g}/s: {format_rate(self.rate)}"
        return Ask("search", self.rate, PROBE_S, why)

    def standing(self) -> Standing | None:
        best = self.best
        above = [failed for failed in self.failed if best is not None and failed[0] > best]
        if best is None or not above:
            return None
        high, objective = min(above)
        return Standing(Interval(best, best, high), best, objective)

    def narrow(self) -> bool:
        """Whether the published rule would stop."""
        latest = [best for best in self.bests[-ROUNDS:] if best is not None]
        return len(latest) == ROUNDS and variation(latest) < EPSILON

    def beliefs(self) -> tuple[Belief, ...]:
        return ()

    def _found(self) -> Finding:
        best = self.best
        assert best is not None
        if self.standing() is not None:
            return Finding("answered")
        if best >= self.goal.high:
            return Finding("at_least")
        reason = (
            f"{format_rate(best)} is the best rate of the published search, which stopped before a"
            " higher one failed: nothing bounds it from above"
        )
        return Finding("answered", Told(reason, estimate=best, safe=best))

    def _too_much(self) -> Finding:
        """Nothing passed, and `from` failed as often as the stop rule looks back."""
        reason = (
            f"the published search saw no rate pass and search.from, {format_rate(self.goal.low)},"
            f" fail {self.low_fails} rounds by single verdicts, which is all that this stands on;"
            f" in the latest {self.last_failure}; lower search.from or look at the target"
        )
        return Finding("at_most", Told(reason, objective=self.failed[-1][1]))

    def _held(self, rate: float) -> Rate:
        return Rate(min(max(rate, self.goal.low), self.goal.high))


def worst_ratio(goal: Goal, outcome: Outcome) -> float:
    """Largest metric/limit of the objectives, unclipped.

    Of a percentile that is not kept, of errors, of goodput and of signals it is the share of bad arrivals over
    the budget; that of any objective counts once it is above 1.
    """
    evidence = outcome.evidence
    if evidence is None:
        return math.inf
    worst = 0.0
    for objective, judged, bad in zip(goal.judged_by, evidence.judged, evidence.bad, strict=True):
        spent = bad / judged / max(objective.budget, 1e-9) if judged else 0.0
        measured = None
        if isinstance(objective, Objective):
            measured = _over_limit(objective, outcome)
        worst = max(worst, spent if measured is None or spent > 1 else measured)
    return worst


def spikes(goal: Goal, outcome: Outcome) -> float:
    """Windows of a failed probe that violate an objective; inf where it was stopped in overload."""
    if outcome.evidence is None or outcome.evidence.censored:
        return math.inf
    return sum(
        any(
            bad > objective.budget * judged
            for objective, judged, bad in zip(
                goal.objectives, window.judged, window.bad, strict=True
            )
        )
        for window in outcome.windows
    )


def variation(rates: list[Rate]) -> float:
    """Their coefficient of variation."""
    mean = sum(rates) / len(rates)
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates)) / mean


def _over_limit(objective: Objective, outcome: Outcome) -> float | None:
    times = outcome.service_time if objective.metric == "service_time" else outcome.response_time
    name = _QUANTILES.get(objective.quantile or 0.0)
    if objective.limit_s is None or objective.request_name or name is None or times is None:
        return None
    if objective.metric not in ("response_time", "service_time", "e2e"):
        return None
    value_s: float = getattr(times, name)
    return value_s / objective.limit_s if math.isfinite(value_s) else None
