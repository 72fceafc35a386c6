"""Which run's turn is it, and what becomes of runs when the controller goes? In virtual time."""

from __future__ import annotations

import pytest

from controller.errors import Conflict, NotFound
from controller.run.live import END_ATTEMPTS
from controller.search.journal import (
    Event,
    LoadStopped,
    Measured,
    ProbeDecided,
    ProbeStarted,
    Resumed,
    RunEnded,
)
from tests.helpers.builders import a_goal
from tests.run.worlds import World, ended

pytestmark = pytest.mark.anyio


async def test_a_created_run_is_conducted_to_its_end() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
        view = await ended(registry, run)
        assert view.state == "ended"
        assert view.capacity is not None
        assert view.capacity.status == "answered"
        assert view.versions == (("tonnage", "1"),)
        assert [(r.run, r.status) for r in await registry.runs()] == [(run, "answered")]
        assert await registry.view(run) == view


async def test_runs_take_their_turns_in_the_order_they_came() -> None:
    world = World()
    async with world.controller() as registry:
        runs = [await registry.create("{}", a_goal(name=name)) for name in ("a", "b", "c")]
        await world.clock.sleep(2.0)
        assert [registry.ahead(run) for run in runs] == [None, 1, 2]
        ends = [(await ended(registry, run)).last_at or 0.0 for run in runs]
    starts = [world.store.of(run)[1].at for run in runs]
    assert starts[1] >= ends[0]
    assert starts[2] >= ends[1]
    assert world.fences == [1, 2, 3]


async def test_ids_sort_by_the_time_of_creation() -> None:
    world = World()
    async with world.controller() as registry:
        ids = []
        for _ in range(3):
            ids.append(await registry.create("{}", a_goal()))
            await world.clock.sleep(1.0)
    assert ids == sorted(ids)
    assert len(set(ids)) == 3


async def test_the_same_key_makes_one_run_and_refuses_another_goal() -> None:
    world = World()
    async with world.controller() as registry:
        first = await registry.create('{"a": 1}', a_goal(), "key")
        assert await registry.create('{"a": 1}', a_goal(), "key") == first
        with pytest.raises(Conflict, match="key"):
            await registry.create('{"a": 2}', a_goal(), "key")
        assert len(await registry.runs()) == 1


async def test_a_queued_run_is_aborted_at_once_and_never_conducted() -> None:
    world = World()
    async with world.controller() as registry:
        await registry.create("{}", a_goal())
        queued = await registry.create("{}", a_goal())
        await registry.abort(queued, "aborted by a person")
        view = await registry.view(queued)
        assert view.capacity is not None
        assert view.capacity.status == "aborted"
        assert queued not in world.fleets


async def test_an_aborted_run_ends_when_its_load_has_stopped() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
        await world.clock.sleep(5.0)
        await registry.abort(run)
        view = await ended(registry, run)
        assert view.capacity is not None
        assert view.capacity.status == "aborted"
        assert view.load_stopped is True
        with pytest.raises(Conflict, match="ended as aborted"):
            await registry.abort(run)


async def test_a_run_nobody_created_is_not_found() -> None:
    world = World()
    async with world.controller() as registry:
        for question in (registry.view, registry.events, registry.abort):
            with pytest.raises(NotFound, match="nope"):
                await question("nope")
        with pytest.raises(NotFound, match="nope"):
            await anext(aiter(registry.watch("nope")))


async def test_shutdown_stops_the_load_and_the_next_controller_resumes() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
        await world.clock.sleep(20.0)
    assert not world.fleets[run].is_sending()
    events = world.store.of(run)
    assert isinstance(events[-1], LoadStopped)
    undecided = [e for e in events if isinstance(e, ProbeStarted)][-1].probe
    decided = [e for e in events if isinstance(e, ProbeDecided)]
    assert undecided.number == len(decided) + 1
    await world.clock.sleep(60.0)
    async with world.controller() as registry:
        view = await ended(registry, run)
    later = world.store.of(run)[len(events) :]
    assert isinstance(later[0], Resumed)
    assert view.capacity is not None
    assert view.capacity.status == "answered"
    assert world.fences == [1, 2]
    again = next(e for e in later if isinstance(e, ProbeStarted)).probe
    assert again.number == undecided.number


async def test_a_run_that_waits_is_vouched_for_while_another_is_conducted() -> None:
    world = World()
    async with world.controller() as registry:
        await registry.create("{}", a_goal())
        waiting = await registry.create("{}", a_goal())
        await world.clock.sleep(20.0)
        gap_s = world.clock.wall() - (await world.store.run(waiting)).alive_at
    assert gap_s <= 5.0


async def test_a_slow_watcher_skips_to_the_latest_and_misses_no_end() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
        positions, last = [], None
        async for update in registry.watch(run):
            positions.append(update.position)
            last = update
            await world.clock.sleep(10.0)
        assert last is not None
        assert last.view.state == "ended"
        assert len(positions) < last.position / 5
        assert positions == sorted(positions)


async def test_a_watcher_that_comes_back_gets_what_it_missed() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
        await world.clock.sleep(6.0)
        first = await anext(aiter(registry.watch(run)))
        await world.clock.sleep(3.0)
        later = await anext(aiter(registry.watch(run, after=first.position)))
        assert [p for p, _ in later.events] == list(range(first.position + 1, later.position + 1))
        assert any(isinstance(event, Measured) for _, event in later.events)
        await ended(registry, run)
        after = await anext(aiter(registry.watch(run, after=later.position)))
        assert isinstance(after.events[-1][1], RunEnded)


async def test_a_journal_that_cannot_be_read_ends_its_run_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    async with world.controller() as registry:
        strange = await registry.create("{}", a_goal())
        await world.clock.sleep(5.0)
        fine = await registry.create("{}", a_goal())
    read = world.store.read

    async def read_but_one(run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        if run == strange:
            raise ValueError("an event 'Sunk' of schema 9")
        return await read(run, after)

    world.store.read = read_but_one  # type: ignore[method-assign]
    async with world.controller() as registry:
        assert (await ended(registry, fine)).state == "ended"
        assert (await world.store.run(strange)).status == "failed"
    assert "'Sunk'" in caplog.text


async def test_a_run_that_cannot_be_conducted_ends_as_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    async with world.controller() as registry:

        async def no_fence() -> int:
            raise OSError("the disk is full")

        world.store.next_fence = no_fence  # type: ignore[method-assign]
        view = await ended(registry, await registry.create("{}", a_goal()))
        assert view.capacity is not None
        assert view.capacity.status == "failed"
        assert "the disk is full" in caplog.text


@pytest.mark.parametrize("refusals", [2, 10_000])
async def test_the_answer_reaches_its_watchers_even_if_it_cannot_be_journalled(
    refusals: int, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    append, refused = world.store.append, 0

    async def append_but_ends(run: str, event: Event) -> int:
        nonlocal refused
        if isinstance(event, RunEnded) and refused < refusals:
            refused += 1
            raise OSError("the disk is full")
        return await append(run, event)

    world.store.append = append_but_ends  # type: ignore[method-assign]
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
        for view in (await ended(registry, run), await ended(registry, run)):
            assert view.capacity is not None
            assert view.capacity.status == "answered"
        assert refused == min(refusals, END_ATTEMPTS)
        assert isinstance(world.store.of(run)[-1], RunEnded) == (refusals < END_ATTEMPTS)
        with pytest.raises(Conflict, match="has ended"):
            await registry.abort(run)
    assert "the disk is full" in caplog.text
