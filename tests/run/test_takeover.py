"""Which runs of a former controller resume, which end, and which are none of ours?"""

from __future__ import annotations

import pytest

from contract.units import Seconds
from controller.errors import Conflict
from controller.run.others import LOOK_AGAIN_S
from controller.run.takeover import RESUME_WITHIN_S
from controller.search.journal import ProbeDecided, ProbeStarted, Resumed, restore
from tests.helpers.builders import a_goal
from tests.run.worlds import World, ended

pytestmark = pytest.mark.anyio


async def test_a_killed_controllers_run_resumes_within_two_minutes() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
    await world.crashed(run, after_s=20.0)
    await world.clock.sleep(RESUME_WITHIN_S - 30.0)
    async with world.controller() as registry:
        view = await ended(registry, run)
    assert any(isinstance(event, Resumed) for event in world.store.of(run))
    assert view.capacity is not None
    assert view.capacity.status == "answered"


async def test_a_controller_gone_for_too_long_ends_its_run() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
    await world.crashed(run, after_s=20.0)
    await world.clock.sleep(420.0)
    async with world.controller() as registry:
        view = await registry.view(run)
    assert view.capacity is not None
    assert view.capacity.status == "aborted"
    assert "gone for 7min" in view.capacity.reason
    assert "within 2min" in view.capacity.reason


async def test_a_run_whose_budget_is_spent_does_not_resume() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal(budget_s=60.0))
    await world.crashed(run, after_s=25.0)
    await world.clock.sleep(50.0)
    async with world.controller() as registry:
        view = await registry.view(run)
    assert view.capacity is not None
    assert view.capacity.status == "aborted"
    assert "budget" in view.capacity.reason


async def test_a_run_whose_controller_was_just_killed_resumes_in_seconds() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal())
    await world.crashed(run, after_s=20.0)
    died_at = world.clock.wall()
    async with world.controller() as registry:
        assert world.clock.wall() == died_at  # the start waits for nothing
        assert (await registry.view(run)).state == "running"
        view = await ended(registry, run)
    resumed = [e for e in world.store.of(run) if isinstance(e, Resumed)]
    assert resumed[-1].at - died_at == pytest.approx(LOOK_AGAIN_S, abs=0.1)
    assert view.capacity is not None
    assert view.capacity.status == "answered"


async def test_a_run_that_has_a_controller_is_left_to_it() -> None:
    world = World()
    async with world.controller() as first:
        run = await first.create("{}", a_goal())
        await world.clock.sleep(5.0)
        async with world.controller() as second:
            with pytest.raises(Conflict, match="another controller"):
                await second.abort(run)
            assert (await ended(first, run)).capacity is not None
    assert world.fences == [1]
    assert not any(isinstance(event, Resumed) for event in world.store.of(run))


async def test_a_run_is_taken_over_when_its_other_controller_has_gone_later() -> None:
    world = World()
    async with world.controller() as first:
        run = await first.create("{}", a_goal(precision=0.01))
        await world.clock.sleep(5.0)
        async with world.controller() as second:
            await world.clock.sleep(7.0)
            await first.shutdown()
            await world.clock.sleep(35.0)
            assert world.fences == [1, 2]
            assert any(isinstance(event, Resumed) for event in world.store.of(run))
            assert (await ended(second, run)).state == "ended"


async def test_a_new_run_waits_for_those_that_may_resume() -> None:
    world = World()
    async with world.controller() as registry:
        old = await registry.create("{}", a_goal())
    await world.crashed(old, after_s=20.0)
    async with world.controller() as registry:
        new = await registry.create("{}", a_goal())
        await world.clock.sleep(LOOK_AGAIN_S + 2.0)
        assert (registry.ahead(old), registry.ahead(new)) == (None, 1)
        assert new not in world.fleets


async def test_the_gap_counts_towards_the_budget() -> None:
    world = World()
    goal = a_goal()
    async with world.controller() as registry:
        run = await registry.create("{}", goal)
    await world.crashed(run, after_s=40.0)
    await world.clock.sleep(60.0)
    before = world.store.of(run)
    decided = [event for event in before if isinstance(event, ProbeDecided)]
    async with world.controller() as registry:
        await ended(registry, run)
    events = world.store.of(run)
    (resumed,) = [event for event in events if isinstance(event, Resumed)]
    assert resumed.seconds == pytest.approx(resumed.at - decided[-1].at)
    assert resumed.seconds >= 60.0
    paid_s = restore(goal, before).elapsed_s
    assert restore(goal, [*before, resumed]).elapsed_s == Seconds(paid_s + resumed.seconds)


async def test_a_resumed_run_repeats_its_warm_up() -> None:
    world = World()
    async with world.controller() as registry:
        run = await registry.create("{}", a_goal(warm_up=5.0))
    await world.crashed(run, after_s=60.0)
    before = world.store.of(run)
    purposes = [event.probe.purpose for event in before if isinstance(event, ProbeStarted)]
    assert purposes.count("warm_up") == 1
    assert purposes[-1] == "search"
    async with world.controller() as registry:
        await ended(registry, run)
    later = world.store.of(run)[len(before) :]
    assert next(e for e in later if isinstance(e, ProbeStarted)).probe.purpose == "warm_up"
