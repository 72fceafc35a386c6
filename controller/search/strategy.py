"""What does a search ask of the way it chooses its rates?

A strategy is a frozen value: `observe` gives the next one, `ask` says what to measure. It knows
rates and verdicts only; numbering, budget, warm-up, voids and a dead target are the search's
business (`controller.search.capacity`), so every strategy treats them alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self

from contract.units import Rate, Seconds
from controller.search.answer import Interval
from controller.search.estimate import Belief
from controller.search.probe import Outcome, Purpose


@dataclass(frozen=True, slots=True)
class Ask:
    """A rate to be measured, for how long, and one sentence why."""

    purpose: Purpose
    rate: Rate
    measure_s: Seconds
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The strategy is done: its standing is the answer, or all rates passed, or all failed."""

    status: Literal["answered", "at_least", "at_most"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known so far: the interval, its 10 % quantile and the binding objective's index."""

    interval: Interval
    safe: Rate
    objective: int


class Strategy(Protocol):
    """A way to choose rates."""

    def placed(self, supported: Rate) -> Self:
        """Told the highest rate that a quick look, no evidence in itself, saw supported."""

    def observe(self, outcome: Outcome) -> Self:
        """Learn from a search or closing probe that passed or failed, never from a void one."""

    def ask(self) -> Ask | Finding:
        """What to measure next."""

    def standing(self) -> Standing | None:
        """What is known so far; None before the first evidence."""

    def narrow(self) -> bool:
        """Whether the standing is as precise as the goal asks."""

    def beliefs(self) -> tuple[Belief, ...]:
        """One per objective where the strategy keeps them, for the stop rules."""
