"""What would a simulated target tell of itself, if it told?

Utilisation and queue depth, from what its fleet reports: completions of the last seconds over what
the servers could complete, and what is in flight beyond one request a server.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from contract.report import FleetReport
from controller.ports import Burden, Clock, Fleet, Journal, Readiness
from controller.run.conductor import conduct
from controller.search.answer import Capacity
from controller.search.goal import Goal, SignalSource
from controller.search.probe import Probe
from controller.search.signals import source_of

UTILISATION, QUEUE = "utilization", "queue_depth"
SOURCE = SignalSource(("sim://told",), ((UTILISATION, UTILISATION), (QUEUE, QUEUE)))
REMEMBERED = 4
"""Reports, at a cadence of 250 ms a second."""


@dataclass(slots=True)
class Told:
    """Signals and the fleet they are overheard from.

    `per_s` is what the target's servers complete when busy, `servers` how many there are.
    """

    fleet: Fleet
    per_s: float
    servers: int
    heard: list[tuple[int, int]] = field(default_factory=list)
    in_flight: int = 0

    def hear(self, report: FleetReport) -> None:
        done = sum(tick.completed for tick in report.ticks)
        self.heard = [*self.heard, (report.through_ns, done)][-REMEMBERED - 1 :]
        self.in_flight = sum(each.count for each in report.in_flight)

    async def read(self) -> Mapping[str, float]:
        if len(self.heard) < 2:
            return {}
        seconds = (self.heard[-1][0] - self.heard[0][0]) / 1e9
        rate = sum(done for _, done in self.heard[1:]) / seconds
        waiting = max(0, self.in_flight - self.servers)
        return {UTILISATION: min(1.0, rate / self.per_s), QUEUE: float(waiting)}

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def prepare(self, *, ask_target: bool = True) -> Readiness:
        return await self.fleet.prepare(ask_target=ask_target)

    def burden(self) -> Burden:
        return self.fleet.burden()

    async def release(self) -> None:
        await self.fleet.release()

    def offer(self, probe: Probe) -> AbstractAsyncContextManager[AsyncIterator[FleetReport]]:
        return self._offer(probe)

    @asynccontextmanager
    async def _offer(self, probe: Probe) -> AsyncGenerator[AsyncIterator[FleetReport], None]:
        self.heard, self.in_flight = [], 0
        async with self.fleet.offer(probe) as reports:
            yield self._overheard(reports)

    async def _overheard(self, reports: AsyncIterator[FleetReport]) -> AsyncIterator[FleetReport]:
        async for report in reports:
            self.hear(report)
            yield report


@dataclass(frozen=True, slots=True)
class TellingConduct:
    """`conduct` of a run whose target tells."""

    per_s: float
    servers: int

    async def __call__(
        self, run: str, goal: Goal, *, fleet: Fleet, journal: Journal, clock: Clock
    ) -> Capacity:
        told = Told(fleet, self.per_s, self.servers)
        read = None if source_of(goal) is None else told
        return await conduct(run, goal, fleet=told, journal=journal, clock=clock, signals=read)
