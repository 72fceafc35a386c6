"""Which runs are in progress together, and in which order do the others come? In virtual time."""

from __future__ import annotations

import pytest

from contract.units import Rate
from controller.errors import FleetLost
from controller.ports import Member, Readiness
from controller.run.queue import Turns
from controller.run.registry import Registry
from controller.search.goal import Goal
from controller.search.journal import PreflightStarted, Resumed
from tests.helpers.builders import a_goal
from tests.helpers.fakes import ScriptedFleet, turns
from tests.run.worlds import World, ended

pytestmark = pytest.mark.anyio

RATE_PER_S = 1_000.0
"""Of a worker's self-test: it is counted on for 500/s."""


class Workers:
    """The Roster port: workers that belong to whom the test says."""

    def __init__(self, count: int) -> None:
        self.held: dict[str, str | None] = {f"w{i}": None for i in range(1, count + 1)}
        self.down = False

    async def members(self) -> tuple[Member, ...]:
        if self.down:
            raise FleetLost("Redis does not answer")
        return tuple(Member(w, "h", RATE_PER_S, run) for w, run in self.held.items())

    def give(self, run: str) -> None:
        """One worker, as every run here needs."""
        free = next(w for w, holder in self.held.items() if holder in (None, run))
        self.held[free] = run

    def take_back(self, run: str) -> None:
        self.held = {w: None if holder == run else holder for w, holder in self.held.items()}


class SharedFleet(ScriptedFleet):
    """A fleet of one worker from the shared ones."""

    def __init__(self, run: str, workers: Workers, world: World) -> None:
        super().__init__(world.clock)
        self._run = run
        self._shared = workers

    async def prepare(self, *, ask_target: bool = True) -> Readiness:
        self._shared.give(self._run)
        return await super().prepare(ask_target=ask_target)

    async def release(self) -> None:
        await super().release()
        self._shared.take_back(self._run)


class Shared(World):
    """A world whose runs share `count` workers."""

    def __init__(self, count: int, at_once: int = 4) -> None:
        self.workers = Workers(count)
        super().__init__(Turns(self.workers, at_once))

    def new_fleet(self, run: str) -> ScriptedFleet:
        return SharedFleet(run, self.workers, self)

    async def queued(self, registry: Registry, *ports: int) -> list[str]:
        """Runs of goals that one worker carries, against servers at these ports."""
        runs = []
        for port in ports:
            runs.append(await registry.create("{}", goal_at(port)))
            await self.clock.sleep(0.1)
        return runs

    async def settle(self, seconds: int) -> None:
        """Let time pass in steps, so that nobody who has yet to begin sleeping is left behind."""
        for _ in range(seconds):
            await turns()
            await self.clock.sleep(1.0)

    def began(self, run: str) -> float | None:
        return next((e.at for e in self.store.of(run) if isinstance(e, PreflightStarted)), None)


def goal_at(port: int) -> Goal:
    return a_goal(targets=(f"http://127.0.0.1:{port}",), high=Rate(400.0))


async def test_runs_are_in_progress_together_as_far_as_the_workers_go() -> None:
    world = Shared(2)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 2, 3)
        await world.settle(5)
        assert [registry.ahead(run) for run in runs] == [None, None, 2]
        assert [(await registry.view(run)).state for run in runs[:2]] == ["running"] * 2
        first_ends = [(await ended(registry, run)).last_at or 0.0 for run in runs[:2]]
        view = await ended(registry, runs[2])
        assert view.capacity is not None
        assert view.capacity.status == "answered"
    began = world.began(runs[2])
    assert began is not None
    assert min(first_ends) <= began <= min(first_ends) + 3.0


async def test_no_more_runs_are_in_progress_than_are_allowed() -> None:
    world = Shared(9, at_once=2)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 2, 3, 4)
        await world.settle(5)
        assert [registry.ahead(run) for run in runs] == [None, None, 2, 3]


async def test_two_runs_of_one_target_take_turns_and_nothing_overtakes_the_second() -> None:
    world = Shared(9)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 1, 2)
        await world.settle(5)
        assert [registry.ahead(run) for run in runs] == [None, 1, 2]
        first_end = (await ended(registry, runs[0])).last_at or 0.0
        await world.settle(5)
        assert [registry.ahead(run) for run in runs[1:]] == [None, None]
    assert [(world.began(run) or 0.0) >= first_end for run in runs] == [False, True, True]


async def test_a_queue_of_three_finds_its_order_when_one_worker_is_there() -> None:
    world = Shared(1)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 2, 3)
        for run in runs:
            await ended(registry, run)
    begins = [world.began(run) or 0.0 for run in runs]
    assert begins == sorted(begins)
    assert world.fences == [1, 2, 3]


async def test_a_worker_that_comes_lets_the_next_run_begin() -> None:
    world = Shared(1)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 2)
        await world.settle(5)
        assert registry.ahead(runs[1]) == 1
        world.workers.held["w2"] = None
        await world.settle(3)
        assert registry.ahead(runs[1]) is None


async def test_while_redis_is_gone_nothing_begins_beside_another() -> None:
    world = Shared(9)
    async with world.controller() as registry:
        world.workers.down = True
        runs = await world.queued(registry, 1, 2)
        await world.settle(5)
        assert [registry.ahead(run) for run in runs] == [None, 1]
        world.workers.down = False
        await world.settle(3)
        assert registry.ahead(runs[1]) is None


async def test_an_abort_ends_the_run_it_names_and_no_other() -> None:
    world = Shared(2)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 2, 3)
        await world.settle(5)
        await registry.abort(runs[0])
        view = await ended(registry, runs[0])
        assert view.capacity is not None
        assert view.capacity.status == "aborted"
        await world.settle(3)
        assert [registry.ahead(run) for run in runs[1:]] == [None, None]
        assert (await registry.view(runs[1])).state == "running"


async def test_runs_that_were_together_are_resumed_together_and_those_behind_stay_behind() -> None:
    world = Shared(2)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 2, 3)
        await world.clock.sleep(20.0)
    assert not any(world.fleets[run].is_sending() for run in runs[:2])
    await world.clock.sleep(30.0)
    async with world.controller() as registry:
        await world.settle(5)
        assert [registry.ahead(run) for run in runs] == [None, None, 2]
        for run in runs:
            view = await ended(registry, run)
            assert view.capacity is not None
            assert view.capacity.status == "answered"
    resumed = [any(isinstance(e, Resumed) for e in world.store.of(run)) for run in runs]
    assert resumed == [True, True, False]


async def test_what_is_asked_of_the_fleet_is_told_in_order() -> None:
    world = Shared(1)
    async with world.controller() as registry:
        runs = await world.queued(registry, 1, 2)
        await world.settle(5)
        assert [(wish.run, wish.rate_per_s) for wish in registry.wishes()] == [
            (run, 400.0) for run in runs
        ]
        await ended(registry, runs[0])
        assert [wish.run for wish in registry.wishes()] == [runs[1]]
