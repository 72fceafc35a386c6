"""What outlives a controller, so that a test can begin a run in one and go on in another?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.run.others import FORSAKEN_S
from controller.run.queue import Turns
from controller.run.registry import Registry
from controller.search.goal import Goal
from controller.search.view import RunView
from controller.sim.clock import VirtualClock
from tests.helpers.fakes import MemoryStore, ScriptedFleet


class World:
    """A store that outlives controllers, and the fleets they asked for."""

    def __init__(self, turns: Turns = Turns()) -> None:  # noqa: B008 - frozen
        self.turns = turns
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self.fleets: dict[str, ScriptedFleet] = {}
        self.fences: list[int] = []

    def fleet_of(self, run: str, goal: Goal, fence: int) -> ScriptedFleet:
        self.fences.append(fence)
        fleet = self.fleets[run] = self.new_fleet(run)
        return fleet

    def new_fleet(self, run: str) -> ScriptedFleet:
        return ScriptedFleet(self.clock)

    @asynccontextmanager
    async def controller(self) -> AsyncIterator[Registry]:
        registry = Registry(
            store=self.store,
            fleet_of=self.fleet_of,
            clock=self.clock,
            versions=(("tonnage", "1"),),
            turns=self.turns,
        )
        await registry.start()
        try:
            yield registry
        finally:
            await registry.shutdown()

    async def crashed(self, run: str, after_s: float) -> None:
        """A controller began `run` and was killed in the middle of it: nothing was shut down."""
        await self.clock.sleep(FORSAKEN_S + 1.0)  # then it begins at once
        async with self.controller() as registry:
            await self.clock.sleep(after_s)
            await registry.view(run)
            kept, records = dict(self.store.kept), dict(self.store.records)
            kept = {name: list(events) for name, events in kept.items()}
        self.store.kept, self.store.records = kept, records


async def ended(registry: Registry, run: str) -> RunView:
    view = RunView(run)
    async for update in registry.watch(run):
        view = update.view
    return view
