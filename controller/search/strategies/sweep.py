"""Which is the highest rate of a fixed ladder that passes below the first that fails?

Rates go geometrically from `low` to `high` with probes of fixed length. The step where the ladder
broke is cut at its geometric middle until it is as narrow as the precision asks. The interval is
that step: it bounds what the probes said, it is no probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from contract.units import Rate, Seconds, format_rate
from controller.search.answer import Interval
from controller.search.estimate import Belief
from controller.search.goal import Goal
from controller.search.probe import Outcome, Verdict
from controller.search.strategies.binary import worst_objective
from controller.search.strategy import Ask, Finding, Standing

PROBE_S = Seconds(20.0)
FEWEST_RATES = 12
MOST_RATES = 24
BUDGET_RATIO, AROUND_S = 0.7, 5.0
"""The part of the budget for the ladder, and what a probe costs besides its length."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """`rung` is the index of the next rate of the ladder; `doubted`: the first rung failed once."""

    goal: Goal
    rung: int = 0
    passed: Rate | None = None
    failed: Rate | None = None
    doubted: bool = False
    objective: int = 0

    def placed(self, supported: Rate) -> Sweep:  # noqa: ARG002 - the ladder is the goal's
        return self

    def observe(self, outcome: Outcome) -> Sweep:
        rate = outcome.probe.rate
        if outcome.verdict is Verdict.PASS:
            climbed = self.rung + (self.failed is None)
            return replace(self, passed=rate, rung=climbed, doubted=False)
        if self.passed is None and not self.doubted:
            return replace(self, doubted=True)
        return replace(self, failed=rate, objective=worst_objective(self.goal, outcome))

    def ask(self) -> Ask | Finding:
        if self.failed is not None:
            return Finding("at_most") if self.passed is None else self._refined()
        rates = ladder(self.goal)
        if self.rung >= len(rates):
            return Finding("at_least")
        rate = rates[self.rung]
        why = f"rung {self.rung + 1} of {len(rates)}: {format_rate(rate)}"
        return Ask("search", rate, PROBE_S, why)

    def standing(self) -> Standing | None:
        if self.passed is None or self.failed is None:
            return None
        interval = Interval(self.passed, self.passed, self.failed)
        return Standing(interval, self.passed, self.objective)

    def narrow(self) -> bool:
        standing = self.standing()
        return standing is not None and standing.interval.width <= self.goal.precision

    def _refined(self) -> Ask | Finding:
        assert self.passed is not None
        assert self.failed is not None
        if self.narrow():
            return Finding("answered")
        rate = Rate(math.sqrt(self.passed * self.failed))
        why = f"between the rungs {format_rate(self.passed)} and {format_rate(self.failed)}"
        return Ask("search", rate, PROBE_S, f"{why}: {format_rate(rate)}")

    def beliefs(self) -> tuple[Belief, ...]:
        return ()


def ladder(goal: Goal) -> tuple[Rate, ...]:
    """The rates of a sweep: steps of the precision, as many as the budget and `MOST_RATES` allow."""
    span = math.log(goal.high / goal.low)
    wanted = math.ceil(span / math.log1p(goal.precision)) + 1
    affordable = math.floor(BUDGET_RATIO * goal.budget_s / (PROBE_S + AROUND_S))
    count = max(2, min(max(wanted, FEWEST_RATES), MOST_RATES, affordable))
    rates = [Rate(goal.low * math.exp(span * i / (count - 1))) for i in range(count - 1)]
    return (*rates, goal.high)
