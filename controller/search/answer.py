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


WarmUpKind = Literal["flat", "warm_up", "slowdown", "cyclic", "not_steady", "fixed", "none"]
"""How a warm-up went; `none`: no warm-up was asked for."""


@dataclass(frozen=True, slots=True)
class Course:
    """How the service time went during a warm-up; times from the end of its ramp.

    `time_to_steady_s`: when the steady part began, None when none did. `cold_curve`: 60 points
    at most of (second, geometric mean of the service time in seconds). `initial_ratio`: service
    time at first over the steady one. `period_s` of a target that repeats itself.
    """

    time_to_steady_s: Seconds | None
    cold_curve: tuple[tuple[float, float], ...]
    initial_ratio: float
    period_s: Seconds | None = None


@dataclass(frozen=True, slots=True)
class WarmUpSummary:
    """How the warm-up went: rate held, how long, whether it became steady, and its `Course`."""

    rate: Rate
    seconds: Seconds
    steady: bool
    kind: WarmUpKind
    reason: str
    time_to_steady_s: Seconds | None = None
    cold_curve: tuple[tuple[float, float], ...] = ()
    initial_ratio: float | None = None
    period_s: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """The target became another one: where that was noticed, and how its service time moved.

    `at_probe` is the sentinel's number; `ratio` the service time over the earlier one at the
    same rate.
    """

    at_probe: int
    ratio: float
    reason: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """The end of a search. Rates are arrivals per second; None where there is no such number.

    `low` and `high` bound the 90 % interval of `estimate`; `strict` counts recovered stalls,
    `safe` is the 10 % quantile of that, None where stalls may leave no rate at all. `stalls` were seen,
    and nothing was completed for `stalled_ratio` of the time. `reason` is one sentence: what limited the target and how
    sure this is, or why there is no number. A `no_verdict` has `low` and `high` where the budget was spent
    before they were as close as asked, and the probes carry them none the less.
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
    drifts: tuple[Drift, ...] = ()

    @property
    def exit_status(self) -> int:
        """What a script sees; design §5's table."""
        if self.gate is None or self.status in ("rejected", "failed", "aborted"):
            return EXIT_OF_STATUS[self.status]
        if self.gate.met is None:
            return 3
        return 0 if self.gate.met else 1
