"""What does a search know at any moment?"""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.objectives import Objective
from contract.units import Rate, Seconds
from controller.search.goal import Goal
from controller.search.opening import Opening
from controller.search.probe import Evidence
from controller.search.sentinel import Sentinel
from controller.search.signal_objectives import SignalObjective
from controller.search.strategy import Ask, Strategy

UNMATCHED_FEWEST = 100
"""Of fewer arrivals, none may have made a request that is rare."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A target that may have stopped answering: what was seen, and whether a check confirmed it."""

    rate: Rate
    arrivals: int
    error_ratio: float
    error: str
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Everything known of a capacity question.

    `probes` counts every decided probe, void ones too; `voids` those in a row, `void_probes` all.
    `least_passed` and `most_passed` are (rate, probe number). `saturated_per_s` is the most a
    saturated target completed, `unloaded_s` and `idle_s` the least median and mean service time of a probe that passed,
    `bursts` the burst factors of the latest ones. `watched` is the evidence of all probes in which a
    stall would have shown. `seen` is the evidence of search and closing probes, `decided` how
    many arrivals those of them ended that ran their course. `again` is a probe to be repeated.
    """

    goal: Goal
    strategy: Strategy
    opening: Opening
    probes: int = 0
    elapsed_s: Seconds = Seconds(0.0)
    requests: int = 0
    bad_requests: int = 0
    voids: int = 0
    void_probes: int = 0
    void_reason: str = ""
    rest_s: Seconds = Seconds(0.0)
    saturated_per_s: Rate | None = None
    least_passed: tuple[Rate, int] | None = None
    most_passed: tuple[Rate, int] | None = None
    suspicion: Suspicion | None = None
    seen: tuple[Evidence, ...] = ()
    decided: int = 0
    watched: tuple[Evidence, ...] = ()
    unloaded_s: Seconds | None = None
    idle_s: Seconds | None = None
    bursts: tuple[float, ...] = ()
    sentinel: Sentinel = field(default_factory=Sentinel)
    again: Ask | None = None

    @property
    def burst(self) -> float:
        """The target's burst factor in the probes so far, 0 while there were none."""
        return sorted(self.bursts)[len(self.bursts) // 2] if self.bursts else 0.0

    @property
    def remaining_s(self) -> Seconds:
        return Seconds(self.goal.budget_s - self.elapsed_s)

    @property
    def unmatched(self) -> tuple[Objective, ...]:
        """Objectives that judged none of the arrivals, though enough were decided."""
        whole = [evidence for evidence in self.seen if not evidence.censored]
        if self.decided < UNMATCHED_FEWEST:
            return ()
        return tuple(
            objective
            for index, objective in enumerate(self.goal.objectives)
            if not any(evidence.judged[index] for evidence in whole)
        )

    @property
    def unseen(self) -> tuple[SignalObjective, ...]:
        """Objectives of signals by which no window was judged."""
        first = len(self.goal.objectives)
        return tuple(
            objective
            for index, objective in enumerate(self.goal.signal_objectives, start=first)
            if not any(evidence.judged[index] for evidence in self.seen)
        )
