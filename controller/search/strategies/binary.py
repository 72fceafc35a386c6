"""Which rate does plain bisection find, taking every probe's verdict at its word?

From `low`, double until a rate fails; then halve the bracket between the highest passing and the
lowest failing rate with probes of fixed length until it is as narrow as the precision asks. A
probe that ran to its end and failed is tried once more before it counts; one that had to be stopped
counts at once. The interval is the bracket: it bounds what
the probes said, it is no probability.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from contract.units import Rate, Seconds, format_rate
from controller.search.answer import Interval
from controller.search.estimate import Belief
from controller.search.goal import Goal
from controller.search.probe import Outcome, Verdict
from controller.search.strategy import Ask, Finding, Standing

PROBE_S = Seconds(20.0)
STOPPED = ("R1", "R2", "R4")
"""Rules that stop a failing probe: six budgets are no bad luck."""
_START_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class Binary:
    """`passed` and `failed` are the bracket's ends; `doubted` is a rate that failed once."""

    goal: Goal
    first: Rate
    passed: Rate | None = None
    failed: Rate | None = None
    doubted: Rate | None = None
    objective: int = 0

    def placed(self, supported: Rate) -> Binary:
        first = min(max(self.goal.low, Rate(_START_RATIO * supported)), self.goal.high)
        return replace(self, first=first)

    def observe(self, outcome: Outcome) -> Binary:
        rate = outcome.probe.rate
        if outcome.verdict is Verdict.PASS:
            return replace(self, passed=rate, doubted=None)
        if self.doubted != rate and not outcome.rule.startswith(STOPPED):
            return replace(self, doubted=rate)
        objective = worst_objective(self.goal, outcome)
        if self.passed is None and rate > self.goal.low:
            return replace(self, first=self.goal.low, failed=rate, doubted=None)
        return replace(self, failed=rate, doubted=None, objective=objective)

    def ask(self) -> Ask | Finding:
        if self.doubted is not None:
            return self._probe(self.doubted, "it failed once: is that so again")
        if self.passed is None:
            if self.failed is not None and self.failed <= self.goal.low:
                return Finding("at_most")
            return self._probe(self.first, "where does it begin")
        if self.failed is None:
            if self.passed >= self.goal.high:
                return Finding("at_least")
            return self._probe(min(self.goal.high, Rate(2 * self.passed)), "double until it fails")
        if self.narrow():
            return Finding("answered")
        return self._probe(Rate((self.passed + self.failed) / 2), "halve the bracket")

    def standing(self) -> Standing | None:
        if self.passed is None or self.failed is None:
            return None
        middle = Rate((self.passed + self.failed) / 2)
        return Standing(Interval(self.passed, middle, self.failed), self.passed, self.objective)

    def narrow(self) -> bool:
        standing = self.standing()
        return standing is not None and standing.interval.width <= self.goal.precision

    def beliefs(self) -> tuple[Belief, ...]:
        return ()

    def _probe(self, rate: Rate, why: str) -> Ask:
        return Ask("search", rate, PROBE_S, f"{why}: {format_rate(rate)}")


def worst_objective(goal: Goal, outcome: Outcome) -> int:
    """Index of the objective that overran its budget the most."""
    evidence = outcome.evidence
    if evidence is None:
        return 0
    overrun = [
        bad / max(judged, 1) / max(objective.budget, 1e-9)
        for objective, judged, bad in zip(
            goal.judged_by, evidence.judged, evidence.bad, strict=True
        )
    ]
    return overrun.index(max(overrun))
