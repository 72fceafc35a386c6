"""Does a worker belong to one run at a time, and to nobody once its controller is dead? Real Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract import keys
from contract.units import Rate
from controller.adapters import leases
from controller.adapters.control_link import ControlLink
from controller.adapters.leases import Leases, standing
from controller.adapters.system_clock import SystemClock
from controller.errors import Fenced, FleetLost, NoWorkers
from controller.ports import Fleet
from controller.run.queue import Turns
from controller.run.registry import Registry
from tests.helpers.builders import a_goal, a_probe
from tests.helpers.fake_worker import FakeWorker
from tests.helpers.fakes import MemoryStore
from tests.helpers.redis_server import RedisServer
from tests.ports.fleets import Bus, bus

pytestmark = [pytest.mark.anyio, pytest.mark.needs_redis_server]

WAIT_S = 30.0


@pytest.fixture
async def link(
    redis_server_program: Path, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[ControlLink]:
    server = RedisServer(redis_server_program, tmp_path)
    await asyncio.to_thread(server.start)
    link = ControlLink(server.url)
    yield link
    await link.close()
    server.kill()


@pytest.fixture
async def world(
    redis_server_program: Path, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Bus]:
    async with bus(redis_server_program, tmp_path, ("w1", "w2", "w3", "w4")) as made:
        yield made


def of(link: ControlLink, run: str, fence: int = 1) -> Leases:
    return Leases(run, fence, link, SystemClock())


async def until_free(link: ControlLink, worker: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while worker in (await standing(link))[1]:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.05)


async def test_a_run_gets_those_that_nobody_else_holds(link: ControlLink) -> None:
    one, two = of(link, "r1"), of(link, "r2")
    assert await one.take(["w1", "w2"]) == {"w1", "w2"}
    assert await two.take(["w2", "w3"]) == {"w3"}
    assert (await standing(link))[1] == {"w1": "r1", "w2": "r1", "w3": "r2"}
    await one.end()
    assert await two.take(["w2", "w3"]) == {"w2", "w3"}
    await two.end()
    assert await standing(link) == (frozenset(), {})


async def test_what_a_run_does_not_ask_for_again_it_has_no_more(link: ControlLink) -> None:
    one, two = of(link, "r1"), of(link, "r2")
    await one.take(["w1", "w2"])
    assert await one.take(["w2"]) == {"w2"}
    assert await two.take(["w1"]) == {"w1"}
    await one.end()
    await two.end()


async def test_many_runs_that_ask_at_the_same_time_never_share_a_worker(link: ControlLink) -> None:
    asking = [of(link, f"r{number}") for number in range(8)]
    names = [f"w{number}" for number in range(5)]
    got = await asyncio.gather(*(run.take(names) for run in asking))
    assert sorted(worker for workers in got for worker in workers) == names
    await asyncio.gather(*(run.end() for run in asking))


async def test_the_leases_of_a_killed_controller_run_out_by_themselves(
    link: ControlLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leases.LEASE_S == 5.0
    monkeypatch.setattr(leases, "LEASE_S", 2.0)
    dead, heir = of(link, "r1"), of(link, "r2")
    await dead.take(["w1"])
    await dead.end(give_back=False)  # nobody renews them any more
    assert await heir.take(["w1"]) == frozenset()
    await until_free(link, "w1")
    assert await heir.take(["w1"]) == {"w1"}
    await heir.end()


async def test_leases_are_renewed_until_they_end(
    link: ControlLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.05)
    one = of(link, "r1")
    await one.take(["w1"])
    seen_ms = [await ends_at_ms(link, "r1")]
    async with asyncio.timeout(WAIT_S):
        while len(seen_ms) < 4:
            await asyncio.sleep(0.02)
            if (end_ms := await ends_at_ms(link, "r1")) != seen_ms[-1]:
                seen_ms.append(end_ms)
    assert seen_ms == sorted(seen_ms)
    assert seen_ms[-1] - await link.time_us() / 1_000 <= leases.LEASE_S * 1_000
    await one.end()


async def ends_at_ms(link: ControlLink, run: str) -> float:
    script = "return redis.call('ZSCORE', KEYS[1], ARGV[1])"
    return float(await link.evaluate(script, (keys.FLEET_HOLDERS,), (run,)))


async def test_a_controller_that_was_taken_over_has_no_say(link: ControlLink) -> None:
    old, new = of(link, "r1", fence=1), of(link, "r1", fence=2)
    await old.take(["w1"])
    await link.beat("r1", 2, 0)
    assert await new.take(["w1", "w2"]) == {"w1", "w2"}
    with pytest.raises(Fenced):
        await old.take(["w3"])
    await old.end()
    assert (await standing(link))[1] == {"w1": "r1", "w2": "r1"}
    await new.end()


async def prepared(fleet: Fleet) -> set[str]:
    return set((await fleet.prepare()).workers)


async def test_two_runs_on_four_workers_never_share_one(world: Bus) -> None:
    goals = [a_goal(targets=(f"http://127.0.0.1:{port}",), high=Rate(900.0)) for port in (1, 2)]
    one, two = (world.fleet(f"r{i}", i, goal) for i, goal in enumerate(goals, 1))
    mine, yours = await asyncio.gather(prepared(one), prepared(two))
    assert (len(mine), len(yours)) == (2, 2)
    assert mine | yours == {"w1", "w2", "w3", "w4"}
    holders = {member.worker: member.run for member in await world.roster.members()}
    assert holders == dict.fromkeys(mine, "r1") | dict.fromkeys(yours, "r2")
    await one.release()
    assert await prepared(two) == yours
    await two.release()
    assert {member.run for member in await world.roster.members()} == {None}


async def test_a_run_finds_nobody_while_others_hold_all(
    world: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.adapters.choosing.WORKERS_WITHIN_S", 1.0)
    other = of(world.link, "r0")
    await other.take(["w1", "w2", "w3", "w4"])
    with pytest.raises(NoWorkers):
        await world.fleet().prepare()
    await other.end()


async def test_a_run_waits_for_the_workers_that_somebody_brings(world: Bus) -> None:
    fleet = world.fleet(goal=a_goal(high=Rate(2_300.0)))  # five workers
    world.office.wishes = lambda: [world.office.wish("r1", a_goal(high=Rate(2_300.0)))]
    assert (await world.office.demand()).workers == 5
    preparing = asyncio.create_task(prepared(fleet))
    await asyncio.sleep(1.2)
    assert not preparing.done()
    fifth = FakeWorker("w5", world.server.url)
    await fifth.start()
    async with asyncio.timeout(WAIT_S):
        assert await preparing == {"w1", "w2", "w3", "w4", "w5"}
    await fleet.release()
    await fifth.leave()


async def test_a_run_that_waited_for_workers_in_vain_begins_and_says_so(
    world: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.office, "_within_s", 1.0)
    goal = a_goal(high=Rate(2_300.0))
    world.office.wishes = lambda: [world.office.wish("r1", goal)]
    await world.office.demand()
    fleet = world.fleet(goal=goal)
    readiness = await fleet.prepare()
    assert len(readiness.workers) == 4
    (warning,) = readiness.warnings
    assert "for more than 4 workers: none came" in warning
    await fleet.release()


async def test_where_nobody_brings_any_it_begins_with_those_there_are(world: Bus) -> None:
    fleet = world.fleet(goal=a_goal(high=Rate(1e6)))
    async with asyncio.timeout(WAIT_S):
        assert len(await prepared(fleet)) == 4
    await fleet.release()


async def test_a_user_that_sends_less_than_the_self_test_gets_more_workers(world: Bus) -> None:
    for worker in world.workers:
        worker.rate_per_s = Rate(400.0)
    fleet = world.fleet(goal=a_goal(high=Rate(450.0)))  # one of 500/s, three of 200/s
    assert len(await prepared(fleet)) == 3
    await fleet.release()


async def test_a_worker_that_does_not_confirm_its_end_is_kept_until_it_must_have_stopped(
    world: Bus,
) -> None:
    fleet = world.fleet(goal=a_goal(high=Rate(400.0)))
    (name,) = await prepared(fleet)
    worker = next(worker for worker in world.workers if worker.name == name)
    worker.mute = True
    with pytest.raises(FleetLost, match="did not say"):
        await fleet.release()
    assert (await standing(world.link))[1] == {name: "r1"}


async def test_a_run_that_never_got_to_its_workers_gives_them_back(
    world: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone() -> str:
        raise FleetLost("Redis does not answer")

    fleet = world.fleet()
    with monkeypatch.context() as patched:
        patched.setattr(world.link, "server", gone)
        with pytest.raises(FleetLost):
            await fleet.prepare()
    assert len((await standing(world.link))[1]) == 3
    await fleet.release()
    assert (await standing(world.link))[1] == {}


async def test_workers_that_are_left_out_are_let_go(world: Bus) -> None:
    fleet = world.fleet(goal=a_goal(high=Rate(450.0)))
    world.office.strained("r1")
    assert len(await prepared(fleet)) == 2
    world.office._strains.clear()
    kept = await prepared(fleet)
    assert len(kept) == 1
    async with asyncio.timeout(WAIT_S):
        while sum(worker.run == "r1" for worker in world.workers) > 1:  # noqa: ASYNC110 - fakes
            await asyncio.sleep(0.02)
    await fleet.release()


async def offered_until_lost(fleet: Fleet, world: Bus) -> None:
    async with fleet.offer(a_probe(2, measure_s=30.0)) as reports:
        await anext(aiter(reports))
        await world.workers[0].crash()
        async for _ in reports:
            pass


async def test_a_void_probe_brings_more_workers_to_the_next_and_a_lost_worker_does_not(
    world: Bus,
) -> None:
    fleet = world.fleet(goal=a_goal(high=Rate(450.0)))
    assert len(await prepared(fleet)) == 1
    async with fleet.offer(a_probe(1, measure_s=30.0)) as reports:
        await anext(aiter(reports))
    assert len(await prepared(fleet)) == 2
    with pytest.raises(FleetLost):
        await offered_until_lost(fleet, world)
    assert len(await prepared(fleet)) == 2
    await fleet.release()


async def test_three_runs_of_one_controller_share_four_workers_in_their_order(world: Bus) -> None:
    store = MemoryStore()
    registry = Registry(
        store=store,
        fleet_of=world.fleet_of(),
        clock=world.clock,
        turns=Turns(world.roster, 4, world.office.wish),
    )
    await registry.start()
    runs = []
    for port in (1, 2, 1):
        goal = a_goal(targets=(f"http://127.0.0.1:{port}",), high=Rate(900.0))
        runs.append(await registry.create("{}", goal))

    async def until_measured(run: str) -> None:
        async with asyncio.timeout(WAIT_S):
            async for update in registry.watch(run):
                if update.view.curve:
                    return

    await asyncio.gather(*map(until_measured, runs[:2]))
    assert [registry.ahead(run) for run in runs] == [None, None, 2]
    held = Counter(member.run for member in await world.roster.members())
    assert held == {runs[0]: 2, runs[1]: 2}
    await registry.abort(runs[0])
    await until_measured(runs[2])
    assert registry.ahead(runs[2]) is None
    held = Counter(member.run for member in await world.roster.members())
    assert held == {runs[1]: 2, runs[2]: 2}
    await registry.shutdown()
    assert (await standing(world.link))[1] == {}
