"""Does the target carry one rate for hours, and does it stay as it was?

The rate is held in stretches of ten minutes, back to back, until the budget is spent: a void one
costs no more than that, and what is kept of each is a line a minute. Nothing is left out: stalls
count. The SLO is broken

    at once         when a stretch has to be stopped (R1, R2, R4): the target could not carry it
    in between      when two stretches in a row overrun a budget, or the bad arrivals use up what
                    the whole soak may have
    at the end      when all arrivals together overrun a budget

The rate may follow a profile (`workload.profile`), on the soak's own time; what was carried then is
the mean. A soak that keeps it is answered, unless the target was not steady: a trend or a shift for the
worse (`controller.search.drift`) by more than 5 % over the soak.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from contract.units import Rate, Seconds, format_duration, format_rate
from controller.search import explain, profiles
from controller.search.estimate import Belief
from controller.search.goal import Goal
from controller.search.probe import Outcome, Verdict, Window
from controller.search.signal_objectives import SignalObjective
from controller.search.strategies.binary import worst_objective
from controller.search.strategies.soaking import Held, changes, steadiness
from controller.search.strategy import Ask, Finding, Standing, Told

STRETCH_S = Seconds(600.0)
SHORT_S = 60.0
"""A shorter stretch that overruns a budget is no sign by itself."""
MOST_OVERRUN = 2


@dataclass(frozen=True, slots=True)
class Break:
    """When the SLO was broken, after so much soaking, why, and which objective."""

    at_s: float
    reason: str
    objective: int


@dataclass(frozen=True, slots=True)
class Soak:
    """`windows` are on the soak's own time, which is that of judged load; counts per objective."""

    goal: Goal
    windows: tuple[Window, ...] = ()
    soaked_s: Seconds = Seconds(0.0)
    judged: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()
    overrun: int = 0
    overrun_from_s: float = 0.0
    broken: Break | None = None

    @classmethod
    def knowing_nothing(cls, goal: Goal) -> Soak:
        none = (0,) * len(goal.judged_by)
        return cls(goal, judged=none, bad=none)

    def placed(self, supported: Rate) -> Soak:  # noqa: ARG002 - the rate is the goal's
        return self

    def observe(self, outcome: Outcome) -> Soak:
        evidence, before_s = outcome.evidence, self.soaked_s
        if evidence is None:
            return self
        failed = outcome.verdict is Verdict.FAIL
        long = evidence.measured_s >= SHORT_S
        state = replace(
            self,
            windows=(*self.windows, *(_later(w, before_s) for w in outcome.windows)),
            soaked_s=Seconds(before_s + evidence.measured_s),
            judged=_added(self.judged, evidence.judged),
            bad=_added(self.bad, evidence.bad),
            overrun=self.overrun + 1 if failed and long else 0,
            overrun_from_s=self.overrun_from_s if self.overrun else float(before_s),
        )
        if not failed:
            return replace(state, broken=state.spent(self._planned()))
        objective = worst_objective(self.goal, outcome)
        if evidence.censored:
            broken = Break(float(state.soaked_s), outcome.reason, objective)
        elif state.overrun >= MOST_OVERRUN:
            broken = Break(state.overrun_from_s, f"from there on {outcome.reason}", objective)
        else:
            return replace(state, broken=state.spent(self._planned()))
        return replace(state, broken=broken)

    def ask(self) -> Ask | Finding:
        if self.broken is not None:
            return self._broke(self.broken)
        rate = self.goal.high
        why = f"hold {self._load()}, {_long(self.soaked_s)} held so far"
        profile = profiles.rest(self.goal.workload.profile, self.soaked_s)
        return Ask("soak", rate, STRETCH_S, why, otherwise=self._ended(), profile=profile)

    def standing(self) -> Standing | None:
        return None

    def narrow(self) -> bool:
        return False

    def beliefs(self) -> tuple[Belief, ...]:
        return ()

    def _planned(self) -> tuple[float, ...]:
        """Arrivals, or windows of a signal, that the whole budget could judge, per objective."""
        of_arrivals, budget_s = len(self.goal.objectives), float(self.goal.budget_s)
        rest = len(self.bad) - of_arrivals
        arrivals = self.goal.high * budget_s * profiles.mean(self.goal.workload.profile, budget_s)
        return (arrivals,) * of_arrivals + (budget_s,) * rest

    def spent(self, out_of: Iterable[float]) -> Break | None:
        """Whether the bad arrivals use up the budget of so many arrivals, and since when."""
        for index, (objective, bad, whole) in enumerate(
            zip(self.goal.judged_by, self.bad, out_of, strict=True)
        ):
            allowed = objective.budget * whole
            if bad <= allowed + 1e-9:
                continue
            reason = f"by then the budget was spent: {self._said(index)}"
            return Break(self._reached_s(index, allowed), reason, index)
        return None

    def _load(self) -> str:
        """What is held, in words."""
        rate = format_rate(self.goal.high)
        return f"the profile of {rate}" if self.goal.workload.profile else rate

    def _said(self, index: int) -> str:
        """What was counted of one objective."""
        objective, judged, bad = self.goal.judged_by[index], self.judged[index], self.bad[index]
        if isinstance(objective, SignalObjective):
            return explain.beyond_signal(objective, judged, bad)
        return explain.judged(objective, judged, bad, None)

    def _used(self, index: int) -> float:
        """The part of an objective's budget that its bad arrivals use."""
        allowed = self.goal.judged_by[index].budget * self.judged[index]
        return self.bad[index] / max(allowed, 1e-9)

    def _reached_s(self, index: int, allowed: float) -> float:
        """When the bad arrivals came to more than `allowed`; now, where no window says."""
        if index >= len(self.goal.objectives):
            return float(self.soaked_s)
        total = 0
        for window in self.windows:
            total += window.bad[index]
            if total > allowed:
                return float(window.from_s)
        return float(self.soaked_s)

    def _ended(self) -> Finding:
        """The answer where no further stretch fits the budget."""
        if not any(self.judged):
            reason = (
                f"the budget of {format_duration(self.goal.budget_s)} was spent before the soak"
                " began; allow more in search.budget"
            )
            return Finding("no_verdict", Told(reason))
        broken = self.spent(float(judged) for judged in self.judged)
        if broken is not None:
            return self._broke(broken)
        held = Held(self.goal, self.windows, self.soaked_s)
        found = changes(held)
        steady = steadiness(held, found)
        rate = Rate(self.goal.high * profiles.mean(self.goal.workload.profile, self.soaked_s))
        if steady is not None:
            reason = (
                f"{self._load()} kept every objective for {_long(self.soaked_s)}, but the"
                f" target was not steady: {steady}"
            )
            return Finding("no_verdict", Told(reason))
        worst = max(range(len(self.bad)), key=self._used)
        said = self._said(worst)
        reason = f"held {self._load()} for {_long(self.soaked_s)}: {said}; {found.told}"
        return Finding("answered", Told(reason, estimate=rate, strict=rate, safe=rate))

    def _broke(self, broken: Break) -> Finding:
        reason = (
            f"{self._load()} broke the SLO after {_long(broken.at_s)} of soaking: {broken.reason}"
        )
        return Finding("at_most", Told(reason, objective=broken.objective))


def _later(window: Window, by_s: Seconds) -> Window:
    return replace(window, from_s=Seconds(window.from_s + by_s))


def _added(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True))


def _long(seconds: float) -> str:
    return explain.duration(seconds) if seconds < SHORT_S else format_duration(math.floor(seconds))
