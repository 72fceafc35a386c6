"""What may a baseline do to a target, what does it see of it, and what does it hand back?

A baseline asks for load and is shown what a client could know at that time: due times, and of each
request how it ended once it has. It never sees the truth. All times are in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Spacing = Literal["poisson", "constant"]
Bound = Literal["", "at_least", "at_most"]


class BudgetSpent(Exception):
    """The search may cost no more; it has no answer."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Load, as a client saw it at the time it looked; one entry per request sent.

    `due_s` and `end_s` count from `start_s`, which is on the environment's clock. `took_s` is what
    the objective judges. A request without an end yet, and one that failed, took for ever.
    `name` is the environment's business.
    """

    name: int
    rate: float
    start_s: float
    seconds: float
    due_s: Floats
    end_s: Floats
    took_s: Floats
    failed: Flags

    @property
    def ended(self) -> Flags:
        return np.isfinite(self.end_s)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a search has cost so far; `overload_s` is time spent above 1.02 × the true capacity."""

    sent: int
    bad: int
    overload_s: float
    probes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Arrivals per second; `rate` None: no answer, and `note` says why.

    `bound` at_least: everything the question allows was carried, up to `rate`; at_most: not even
    `rate` was.
    """

    rate: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    bound: Bound = ""


Stop = Callable[[Probe], bool]


class Environment(Protocol):
    """A question, and a target to find the answer at.

    Every method that takes time raises BudgetSpent when the question's budget is over.
    """

    @property
    def limit_s(self) -> float:
        """What the objective allows `took_s` to be."""

    @property
    def quantile(self) -> float:
        """Of `took_s`, 0.99 for p99."""

    @property
    def budget(self) -> float:
        """Share of requests that may be bad, 0.01 for p99."""

    @property
    def low(self) -> float:
        """Lowest rate of interest."""

    @property
    def high(self) -> float:
        """Highest rate of interest."""

    @property
    def first(self) -> float:
        """A rate that the person asking takes for safe."""

    @property
    def budget_s(self) -> float:
        """How long the search may last."""

    @property
    def now_s(self) -> float: ...

    def probe(
        self,
        rate: float,
        seconds: float,
        *,
        arrivals: Spacing = "poisson",
        stop: Stop | None = None,
        continued: bool = False,
    ) -> Probe:
        """Open-loop load, seen at its end without waiting for responses.

        `stop` is asked every 250 ms with what is known by then, and ends the load when it says so.
        `continued`: goes on with the load before it, so it is counted as no probe of its own.
        """

    def burst(self, count: int, rate: float, *, arrivals: Spacing = "poisson") -> Probe:
        """Exactly `count` requests, seen when the last one has been sent."""

    def closed_loop(self, streams: int, seconds: float) -> Probe:
        """Streams that each send as soon as their last response is there; `rate` is what came."""

    def look(self, probe: Probe) -> Probe:
        """The same requests with all that is known of them by now."""

    def finish(self, probe: Probe) -> Probe:
        """Wait until all of them have ended, or a client's patience has; then look."""

    def wait(self, seconds: float) -> None: ...

    def drain(self) -> None:
        """Wait until nothing is in flight."""

    def spent(self) -> Cost: ...


class Search(Protocol):
    """A way to find capacity: a frozen dataclass whose fields are the tool's own settings."""

    def find(self, env: Environment) -> Answer: ...


def ask(search: Search, env: Environment) -> Answer:
    """The answer of a search, or none when its budget is spent first."""
    try:
        return search.find(env)
    except BudgetSpent as spent:
        return Answer(None, note=str(spent))
