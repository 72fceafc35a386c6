"""What does a search ask of the way it chooses its rates?

A strategy is a frozen value: `observe` gives the next one, `ask` says what to measure. It knows
rates and verdicts only; numbering, budget, warm-up, voids and a dead target are the search's
business (`controller.search.capacity`), so every strategy treats them alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self

from contract.units import Rate, Seconds
from controller.search.advice import Consult
from controller.search.answer import Interval
from controller.search.estimate import Belief
from controller.search.probe import Outcome, Purpose


@dataclass(frozen=True, slots=True)
class Told:
    """An answer in the strategy's own words, where its standing is not the answer.

    `reason` leaves out what the search cost. `objective` is the index of the binding one. An
    estimate without `strict` left stalls out: the search counts them itself, in `safe` too.
    """

    reason: str
    estimate: Rate | None = None
    low: Rate | None = None
    high: Rate | None = None
    strict: Rate | None = None
    safe: Rate | None = None
    objective: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The strategy is done: its standing is the answer, or all rates passed, or all failed.

    The last two statuses come with what is `told` instead.
    """

    status: Literal["answered", "at_least", "at_most", "no_verdict", "failed"]
    told: Told | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A rate to be measured, for how long, and one sentence why.

    `otherwise` is the answer where this does not fit the budget any more; None: the standing.
    `profile` is the rate over the measured time, where it does not stay, as ratios of `rate`.
    """

    purpose: Purpose
    rate: Rate
    measure_s: Seconds
    why: str
    otherwise: Finding | None = None
    profile: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known so far: the interval, its 10 % quantile and the binding objective's index.

    Not `bounded`: nothing has failed yet, so its middle says no more than where the prior ends.
    """

    interval: Interval
    safe: Rate
    objective: int
    bounded: bool = True


class Strategy(Protocol):
    """A way to choose rates."""

    def placed(self, supported: Rate) -> Self:
        """Told the highest rate that a quick look, no evidence in itself, saw supported."""

    def observe(self, outcome: Outcome) -> Self:
        """Learn from a search or closing probe that passed or failed, never from a void one."""

    def ask(self) -> Ask | Finding | Consult:
        """What to measure next, or whom to ask for it."""

    def standing(self) -> Standing | None:
        """What is known so far; None before the first evidence."""

    def narrow(self) -> bool:
        """Whether the standing is as precise as the goal asks."""

    def beliefs(self) -> tuple[Belief, ...]:
        """One per objective where the strategy keeps them, for the stop rules."""
