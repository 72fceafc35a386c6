"""Which rates does somebody else's algorithm want, and what does it make of them?

Before every rate an advisor, an HTTP endpoint, is consulted (`controller.search.advice`); the
warm-up, void probes, verdicts, budget and the range stay Tonnage's. The advisor ends the search
with its own estimate, which is given as it came; a fault of the advisor's ends it as failed, for
it says nothing of the target. Until then the standing is the bracket of the verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from contract.units import Rate, Seconds, format_rate
from controller.search.advice import Advice, Consult, Result, result_of
from controller.search.answer import Interval
from controller.search.estimate import Belief
from controller.search.goal import Goal
from controller.search.probe import Outcome, Verdict
from controller.search.strategies.binary import worst_objective
from controller.search.strategy import Ask, Finding, Standing, Told

PROBE_S = Seconds(20.0)


@dataclass(frozen=True, slots=True)
class External:
    """`wanted` is the rate advised and not measured yet; `passed` and `failed` all rates judged.

    The failed ones come with the index of the objective that was overrun the most.
    """

    goal: Goal
    results: tuple[Result, ...] = ()
    consults: int = 0
    wanted: Rate | None = None
    last: Advice | None = None
    passed: tuple[Rate, ...] = ()
    failed: tuple[tuple[Rate, int], ...] = ()

    def placed(self, supported: Rate) -> External:  # noqa: ARG002 - rates are the advisor's
        return self

    def advised(self, advice: Advice) -> External:
        """What the advisor answered."""
        return replace(self, consults=self.consults + 1, wanted=advice.rate, last=advice)

    def observe(self, outcome: Outcome) -> External:
        rate, passed = outcome.probe.rate, outcome.verdict is Verdict.PASS
        state = replace(self, results=(*self.results, result_of(outcome)), wanted=None)
        if passed:
            return replace(state, passed=(*self.passed, rate))
        here = (rate, worst_objective(self.goal, outcome))
        return replace(state, failed=(*self.failed, here))

    def ask(self) -> Ask | Finding | Consult:
        last, url = self.last, self._url()
        if last is not None and last.fault is not None:
            return Finding("failed", Told(f"the advisor at {url} {last.fault}"))
        if last is not None and last.done:
            return self._concluded(last)
        if self.wanted is None:
            return Consult(self.consults + 1, url, self.goal.low, self.goal.high, self.results)
        return Ask("search", self.wanted, PROBE_S, f"the advisor wants {format_rate(self.wanted)}")

    def standing(self) -> Standing | None:
        low = max(self.passed, default=None)
        above = [failed for failed in self.failed if low is not None and failed[0] > low]
        if low is None or not above:
            return None
        high, objective = min(above)
        return Standing(Interval(low, Rate((low + high) / 2), high), low, objective)

    def narrow(self) -> bool:
        standing = self.standing()
        return standing is not None and standing.interval.width <= self.goal.precision

    def beliefs(self) -> tuple[Belief, ...]:
        return ()

    def _concluded(self, advice: Advice) -> Finding:
        estimate = advice.estimate
        if estimate is None:
            reason = f"the advisor at {self._url()} ended the search without an estimate"
            return Finding("no_verdict", Told(reason))
        between = ""
        if advice.low is not None and advice.high is not None:
            between = f", between {format_rate(advice.low)} and {format_rate(advice.high)}"
        reason = f"{format_rate(estimate)}{between}, says the advisor at {self._url()}"
        safe = advice.low or max((r for r in self.passed if r <= estimate), default=None)
        told = Told(reason, estimate=estimate, low=advice.low, high=advice.high, safe=safe)
        return Finding("answered", told)

    def _url(self) -> str:
        assert self.goal.advisor is not None
        return self.goal.advisor
