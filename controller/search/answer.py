"""What does a run answer: a capacity with its interval, or why there is none?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from contract.units import Rate, Seconds

Status = Literal["answered", "at_least", "at_most", "no_verdict", "rejected", "failed", "aborted"]

EXIT_OF_STATUS: dict[Status, int] = {
    "answered": 0,
    "at_least": 0,
    "at_most": 3,
    "no_verdict": 3,
    "rejected": 2,
    "failed": 4,
    "aborted": 130,
}
"""Exit status of a goal without `require`; see `Gate` for goals that have one."""


class Interval(NamedTuple):
    """Where the capacity lies: 5 % quantile, median, 95 % quantile, in arrivals per second."""

    low: Rate
    estimate: Rate
    high: Rate

    @property
    def width(self) -> float:
        """Full width over the estimate, as `Goal.precision` asks for it."""
        return (self.high - self.low) / self.estimate


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether `safe` reached `require`. `met` is None when the run cannot tell."""

    require: Rate
    met: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class WarmUpSummary:
    """How the warm-up went: rate held, how long, and whether it became steady."""

    rate: Rate
    seconds: Seconds
    steady: bool
    kind: Literal["flat", "warm_up", "not_steady", "fixed", "none"]
    reason: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """The end of a search. Rates are arrivals per second; None where there is no such number.

    `low` and `high` bound the 90 % interval of `estimate`; `strict` counts recovered stalls,
    `safe` is the 10 % quantile of that, 0 where stalls may leave no rate at all. `stalls` were seen,
    and nothing was completed for `stalled_ratio` of the time. `reason` is one sentence: what limited the target and how
    sure this is, or why there is no number.
    """

    status: Status
    reason: str
    estimate: Rate | None = None
    low: Rate | None = None
    high: Rate | None = None
    strict: Rate | None = None
    safe: Rate | None = None
    knee: Rate | None = None
    binding_objective: str | None = None
    gate: Gate | None = None
    warm_up: WarmUpSummary | None = None
    stalls: int = 0
    stalled_ratio: float = 0.0

    @property
    def exit_status(self) -> int:
        """What a script sees; design §5's table."""
        if self.gate is None or self.status in ("rejected", "failed", "aborted"):
            return EXIT_OF_STATUS[self.status]
        if self.gate.met is None:
            return 3
        return 0 if self.gate.met else 1
