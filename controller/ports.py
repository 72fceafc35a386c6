"""What does the shell need from the world: a fleet, a memory, a clock?

The real ones are in `adapters`, the virtual ones in `sim`; tests/ports holds both to the
same claims.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from contract.messages import Hello
from contract.report import FleetReport
from contract.units import Seconds
from controller.search.goal import Goal
from controller.search.journal import Event
from controller.search.probe import Probe


@dataclass(frozen=True, slots=True)
class Readiness:
    """The fleet after preflight. `rate_per_s` is what it believes it can send together."""

    workers: tuple[str, ...]
    rate_per_s: float
    warnings: tuple[str, ...] = ()


class Fleet(Protocol):
    """Workers that offer load together, for one run."""

    async def prepare(self) -> Readiness:
        """Have every live worker load the user and one of them ask the target.

        Called again after a loss: it takes whoever is there by then.

        Raises:
            PreflightFailed: a worker could not load it, or the target did not answer.
            NoWorkers: none came within the grace.
            FleetLost: the bus is gone.
            Fenced: another controller runs this.
        """

    def offer(self, probe: Probe) -> AbstractAsyncContextManager[AsyncIterator[FleetReport]]:
        """Start `probe` on every prepared worker and yield merged reports, oldest first.

        Leaving the block stops the load, however it is left, and returns when every worker
        has said so and nothing is in flight (or its grace is over). The iterator ends by
        itself when the workers have drained after the plan's end. A worker that is lost is
        named in `FleetReport.lost`, and the iterator ends after it.

        Raises:
            FleetLost, Fenced: as for prepare; also out of the iterator.
        """

    async def release(self) -> None:
        """Stop whatever runs, confirmed by the workers, and let them go. Idempotent."""


class Journal(Protocol):
    """Every event of every run, in order, kept."""

    async def append(self, run: str, event: Event) -> int:
        """Position of the event, growing by run."""

    async def read(self, run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        """Events behind position `after`, oldest first."""


class Clock(Protocol):
    """Time, real or virtual."""

    def now(self) -> Seconds:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class FleetOf(Protocol):
    """Makes the fleet of one run: the conductor asks for it when the run's turn has come."""

    def __call__(self, run: str, goal: Goal, fence: int) -> Fleet:
        """A fleet bound to the run; nothing is sent before `prepare`."""
