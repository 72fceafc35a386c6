"""Which fleets are there, and how does a test put each of them in trouble?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contract.signing import FleetKey
from controller.adapters.control_link import ControlLink
from controller.adapters.leases import RedisRoster
from controller.adapters.redis_fleet import RedisFleet, RedisFleetOf
from controller.adapters.system_clock import SystemClock
from controller.ports import Artefacts, Clock, Fleet
from controller.run.demand import Limits
from controller.run.staffing import StaffingOffice
from controller.search.goal import Goal
from controller.search.probe import Probe
from controller.sim.address import parse
from controller.sim.clock import VirtualClock
from controller.sim.fleet import SimulatedFleet
from controller.sim.trouble import Trouble
from tests.helpers.builders import a_goal
from tests.helpers.fake_worker import FakeWorker
from tests.helpers.fakes import Script, ScriptedFleet
from tests.helpers.redis_server import RedisServer

Befalls = Literal["nothing", "loses a worker", "loses the bus"]
TROUBLE_AT_S = 0.6
"""After the epoch of probe 1, in a probe that is longer."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A fleet of two workers in the world it needs."""

    fleet: Fleet
    clock: Clock


Stage = Callable[[Befalls], AbstractAsyncContextManager[Staged]]


@asynccontextmanager
async def scripted(befalls: Befalls) -> AsyncIterator[Staged]:
    clock = VirtualClock()
    scripts = {
        "nothing": Script(),
        "loses a worker": Script(loses_worker_at_s=TROUBLE_AT_S),
        "loses the bus": Script(bus_gone_at_s=TROUBLE_AT_S),
    }
    yield Staged(ScriptedFleet(clock, scripts={1: scripts[befalls]}), clock)


@asynccontextmanager
async def simulated(befalls: Befalls) -> AsyncIterator[Staged]:
    clock = VirtualClock()
    troubles = {
        "nothing": Trouble(),
        "loses a worker": Trouble(lost_at_s=TROUBLE_AT_S),
        "loses the bus": Trouble(gone_at_s=TROUBLE_AT_S),
    }

    def trouble_of(probe: Probe) -> Trouble:
        return troubles[befalls] if probe.number == 1 else Trouble()

    target = parse("sim://fifo?servers=8&mean=5ms&cv=0.6").target(1)
    yield Staged(SimulatedFleet(a_goal(), target=target, clock=clock, trouble_of=trouble_of), clock)


class NoArtefacts:
    """The Artefacts port of a world that has none."""

    async def put_artefact(self, sha256: str, data: bytes) -> None:
        raise AssertionError("nothing is uploaded here")

    async def artefact(self, sha256: str) -> bytes | None:
        return None


class Bus:
    """A real Redis with fake workers on it, and fleets that drive them."""

    def __init__(
        self,
        server: RedisServer,
        names: tuple[str, ...] = ("w1", "w2"),
        key: FleetKey | None = None,
    ) -> None:
        self.server = server
        self.clock = SystemClock()
        self.link = ControlLink(server.url, key)
        self.workers = [FakeWorker(name, server.url, key) for name in names]
        self.roster = RedisRoster(self.link)
        self.office = StaffingOffice(self.roster, self.clock, Limits(64, 4), within_s=60.0)

    def fleet_of(self, artefacts: Artefacts | None = None) -> RedisFleetOf:
        return RedisFleetOf(self.link, artefacts or NoArtefacts(), self.clock, self.office)

    def fleet(self, run: str = "r1", fence: int = 1, goal: Goal | None = None) -> RedisFleet:
        return self.fleet_of()(run, goal or a_goal(), fence)


@asynccontextmanager
async def bus(
    program: Path,
    folder: Path,
    names: tuple[str, ...] = ("w1", "w2"),
    key: FleetKey | None = None,
) -> AsyncIterator[Bus]:
    server = RedisServer(program, folder)
    await asyncio.to_thread(server.start)
    async with AsyncExitStack() as leaving:
        leaving.callback(server.kill)
        world = Bus(server, names, key)
        leaving.push_async_callback(world.link.close)
        for worker in world.workers:
            leaving.push_async_callback(worker.leave)
            await worker.start()
        yield world


def over_redis(program: Path, folder: Path) -> Stage:
    @asynccontextmanager
    async def stage(befalls: Befalls) -> AsyncIterator[Staged]:
        async with bus(program, folder) as world:
            fleet = world.fleet()
            told = asyncio.create_task(_befall(world, befalls))
            try:
                yield Staged(fleet, world.clock)
            finally:
                told.cancel()
                await asyncio.gather(told, return_exceptions=True)
                await asyncio.gather(_quietly(fleet.release()))

    return stage


async def _befall(world: Bus, befalls: Befalls) -> None:
    """Wait until the second worker has a plan, then do the harm."""
    worker = world.workers[-1]
    await worker.has_a_plan.wait()
    await asyncio.sleep(TROUBLE_AT_S)
    if befalls == "loses a worker":
        await worker.crash()
    elif befalls == "loses the bus":
        world.server.kill()


async def _quietly(release: Awaitable[None]) -> None:
    await asyncio.gather(release, return_exceptions=True)
