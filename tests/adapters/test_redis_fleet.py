"""Does the fleet over a real Redis keep its word: fences, beats, preflight, losses, outages?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract import keys, signing
from contract.connections import Connections
from contract.signing import FleetKey
from contract.units import Rate
from controller.adapters import choosing, plans
from controller.adapters.control_link import ENDED_TTL_S
from controller.errors import Fenced, FleetLost, NoWorkers, PreflightFailed
from controller.ports import Fleet
from controller.run.conductor import conduct
from controller.run.orders import Orders
from controller.search.goal import Workload
from controller.search.journal import FleetChanged, LoadStopped, Measured, ProbeDecided
from controller.search.probe import Verdict
from tests.helpers.builders import a_goal, a_probe
from tests.helpers.fakes import MemoryJournal
from tests.ports.fleets import Bus, bus

pytestmark = [pytest.mark.anyio, pytest.mark.needs_redis_server]

WAIT_S = 40.0
KEY = FleetKey("a key of the fleet, long enough for use")


@pytest.fixture
async def world(
    redis_server_program: Path, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Bus]:
    async with bus(redis_server_program, tmp_path) as made:
        yield made


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait, however slow the machine is, for something that must come."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - looks at state that tells nobody
            await asyncio.sleep(0.02)


async def one_report(fleet: Fleet, number: int = 1) -> None:
    async with fleet.offer(a_probe(number, measure_s=30.0)) as reports:
        await anext(aiter(reports))


async def offered(fleet: Fleet, *, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """A long probe in which something happens after the first report."""
    async with fleet.offer(a_probe(1, measure_s=30.0)) as reports:
        await anext(aiter(reports))
        await meanwhile()
        async for _ in reports:
            pass


async def value(world: Bus, key: str) -> bytes | None:
    async with Redis.from_url(world.server.url) as client:
        found = await client.get(key)
    return found if isinstance(found, bytes) else None


async def test_a_worker_that_can_send_less_owes_less_and_each_arrival_is_sent_once(
    world: Bus,
) -> None:
    world.workers[0].rate_per_s = Rate(250.0)
    fleet = world.fleet(fence=1)
    await fleet.prepare()
    probe = a_probe(1, rate=400.0, measure_s=1.0)
    async with fleet.offer(probe) as reports:
        seen = [report async for report in reports]
    assert sum(report.unaccounted for report in seen) == 0
    sent = [worker.scheduled[1] for worker in world.workers]
    assert sum(sent) == seen[-1].totals.scheduled > 300
    assert 3 * sent[0] < sum(sent)
    await fleet.release()


async def test_a_controller_with_a_lower_fence_may_not_speak(world: Bus) -> None:
    old, new = world.fleet(fence=1), world.fleet(fence=2)
    await old.prepare()
    await new.prepare()
    told = [len(worker.heard) for worker in world.workers]
    with pytest.raises(Fenced):
        await old.prepare()
    with pytest.raises(Fenced):
        await one_report(old)
    with pytest.raises(Fenced):
        await old.release()
    assert [len(worker.heard) for worker in world.workers] == told
    await new.release()


async def test_a_fenced_controller_notices_in_mid_probe(world: Bus) -> None:
    old, new = world.fleet(fence=1), world.fleet(fence=2)
    await old.prepare()
    with pytest.raises(Fenced):
        await offered(old, meanwhile=new.prepare)
    await new.release()


async def test_beats_are_renewed_and_grow_even_from_a_new_controller(world: Bus) -> None:
    first = world.fleet(fence=1)
    await first.prepare()
    seen = [await value(world, keys.beat("r1"))]
    async with asyncio.timeout(WAIT_S):
        while len(seen) < 3:
            await asyncio.sleep(0.05)
            if (number := await value(world, keys.beat("r1"))) != seen[-1]:
                seen.append(number)
    second = world.fleet(fence=2)
    await second.prepare()
    seen.append(await value(world, keys.beat("r1")))
    numbers = [int(number or 0) for number in seen]
    assert numbers == sorted(set(numbers))
    with pytest.raises(Fenced):
        await first.release()
    await second.release()


async def test_a_worker_that_cannot_names_itself_and_why(world: Bus) -> None:
    world.workers[1].cannot = "no module named 'ranker'"
    fleet = world.fleet()
    with pytest.raises(PreflightFailed, match="worker w2: no module named 'ranker'"):
        await fleet.prepare()
    await fleet.release()


async def test_a_worker_that_does_not_confirm_its_end_is_named(world: Bus) -> None:
    fleet = world.fleet()
    await fleet.prepare()
    world.workers[1].mute = True
    with pytest.raises(FleetLost, match="worker w2 did not say"):
        await fleet.release()


async def test_a_target_is_asked_by_the_first_worker_or_by_nobody() -> None:
    speech = plans.Speech("r1", a_goal(), 1)
    assert speech.prepare(("w1", "w2")).check_by == "w1"
    assert speech.prepare(("w1", "w2"), ask_target=False).check_by == plans.NOBODY


async def test_workers_with_different_users_are_refused(world: Bus) -> None:
    world.workers[1].user_sha256 = "1" * 64
    fleet = world.fleet()
    with pytest.raises(PreflightFailed, match=r"worker w1 has .* worker w2 has 1111"):
        await fleet.prepare()
    await fleet.release()


async def test_a_worker_of_a_beating_run_is_not_taken(
    world: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "WORKERS_WITHIN_S", 4.0)
    other = world.fleet(run="r0", fence=1)
    await other.prepare()
    await asyncio.sleep(0.7)  # the workers say so in their next hello
    with pytest.raises(NoWorkers, match="busy"):
        await world.fleet(run="r1", fence=2).prepare()
    await other.release()


async def test_a_worker_whose_run_has_no_beat_any_more_is_taken(world: Bus) -> None:
    for worker in world.workers:
        worker.run = "r0"
        await worker.restart()
        worker.run = "r0"
    fleet = world.fleet(fence=2)
    assert len((await fleet.prepare()).workers) == 2
    await fleet.release()


async def test_no_worker_at_all_is_said_so(world: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "WORKERS_WITHIN_S", 1.0)
    for worker in world.workers:
        await worker.crash()
    async with Redis.from_url(world.server.url) as client:
        await client.delete(keys.FLEET_SEEN)
    with pytest.raises(NoWorkers, match="no worker came within 1 s"):
        await world.fleet().prepare()


class OneArtefact:
    """The Artefacts port with one recording."""

    data = b'{"a": 1}\n'
    sha256 = hashlib.sha256(data).hexdigest()

    async def put_artefact(self, sha256: str, data: bytes) -> None:
        raise AssertionError("nothing is uploaded here")

    async def artefact(self, sha256: str) -> bytes | None:
        return self.data if sha256 == self.sha256 else None


async def test_a_recording_lies_in_redis_before_workers_are_told(world: Bus) -> None:
    fleet_of = world.fleet_of(OneArtefact())
    goal = a_goal()
    workload = type(goal.workload)(requests=OneArtefact.sha256)
    fleet = fleet_of("r1", a_goal(workload=workload), 1)
    await fleet.prepare()
    assert await value(world, keys.artefact(OneArtefact.sha256)) == OneArtefact.data
    await fleet.release()
    async with Redis.from_url(world.server.url) as client:
        left_s = await client.ttl(keys.artefact(OneArtefact.sha256))
    assert 0 < left_s <= ENDED_TTL_S
    missing = fleet_of("r2", a_goal(workload=type(goal.workload)(requests="0" * 64)), 2)
    with pytest.raises(PreflightFailed, match="upload it first"):
        await missing.prepare()


async def test_an_authority_lies_in_redis_before_workers_are_told(world: Bus) -> None:
    fleet_of = world.fleet_of(OneArtefact())
    workloads = [
        Workload(connections=Connections(ca_sha256=sha256))
        for sha256 in (OneArtefact.sha256, "0" * 64)
    ]
    there, missing = (
        fleet_of(f"r{fence}", a_goal(workload=workload), fence)
        for fence, workload in enumerate(workloads, 1)
    )
    await there.prepare()
    assert await value(world, keys.artefact(OneArtefact.sha256)) == OneArtefact.data
    await there.release()
    with pytest.raises(PreflightFailed, match=r"^workload\.connections\.ca: no artefact 000"):
        await missing.prepare()


async def test_a_repeated_report_counts_once_and_a_dropped_one_is_missed(world: Bus) -> None:
    world.workers[0].repeats = frozenset({2, 3})
    fleet = world.fleet()
    await fleet.prepare()
    async with fleet.offer(a_probe(1, measure_s=1.0)) as reports:
        seen = [report async for report in reports]
    assert sum(report.unaccounted for report in seen) == 0
    assert sum(b.scheduled for r in seen for b in r.buckets) == seen[-1].totals.scheduled
    world.workers[0].repeats, world.workers[0].drops = frozenset(), frozenset({3})
    async with fleet.offer(a_probe(2, measure_s=1.0)) as reports:
        seen = [report async for report in reports]
    missing = seen[-1].totals.scheduled - sum(b.scheduled for r in seen for b in r.buckets)
    assert sum(report.unaccounted for report in seen) == missing > 0
    await fleet.release()


async def test_a_restarted_worker_voids_the_probe_and_takes_part_in_the_next(world: Bus) -> None:
    fleet = world.fleet()
    await fleet.prepare()
    with pytest.raises(FleetLost, match=r"worker w2 (restarted|was silent)"):
        await offered(fleet, meanwhile=world.workers[1].restart)
    assert (await fleet.prepare()).workers == ("w1", "w2")
    await one_report(fleet, 2)
    await fleet.release()


@pytest.mark.parametrize("turns", range(12))
async def test_no_cancellation_is_lost_in_a_call(world: Bus, turns: int) -> None:
    async def forever() -> None:
        while True:
            await world.link.replies({keys.replies("r1"): "0-0"})
            await world.link.ping()

    await world.link.ping()
    for more in range(0, 60, 12):
        task = asyncio.create_task(forever())
        for _ in range(turns + more):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=WAIT_S)
        assert done == {task}
        assert task.cancelled()


async def test_redis_that_comes_back_costs_the_run_one_probe(world: Bus) -> None:
    journal, orders = MemoryJournal(), Orders()
    fleet = world.fleet()
    running = asyncio.create_task(
        conduct("r1", a_goal(), fleet=fleet, journal=journal, clock=world.clock, orders=orders)
    )
    await eventually(lambda: any(isinstance(e, Measured) for e in journal.of("r1")))
    world.server.kill()
    await eventually(lambda: any(isinstance(e, ProbeDecided) for e in journal.of("r1")))
    await asyncio.to_thread(world.server.start)
    await eventually(lambda: isinstance(journal.of("r1")[-1], Measured))
    orders.abort("seen enough")
    assert (await running).status == "aborted"
    decided = [e.outcome for e in journal.of("r1") if isinstance(e, ProbeDecided)]
    assert [outcome.verdict for outcome in decided] == [Verdict.VOID]
    changed = [e for e in journal.of("r1") if isinstance(e, FleetChanged)]
    assert [e.workers for e in changed] == [("w1", "w2")]


async def test_an_abort_is_confirmed_by_every_worker(world: Bus) -> None:
    journal, orders = MemoryJournal(), Orders()
    running = asyncio.create_task(
        conduct(
            "r1",
            a_goal(),
            fleet=world.fleet(),
            journal=journal,
            clock=world.clock,
            orders=orders,
        )
    )
    await eventually(lambda: any(isinstance(e, Measured) for e in journal.of("r1")))
    orders.abort("aborted by a person")
    assert (await running).status == "aborted"
    (stopped,) = [e for e in journal.of("r1") if isinstance(e, LoadStopped)]
    assert stopped.confirmed
    for worker in world.workers:
        assert worker.heard[-2:] == ["Stop", "Stop"]
        assert worker.run is None


async def test_a_fleet_with_a_key_tells_and_beats_under_it(
    redis_server_program: Path, tmp_path: Path
) -> None:
    async with bus(redis_server_program, tmp_path, key=KEY) as world:
        fleet = world.fleet()
        await fleet.prepare()
        async with fleet.offer(a_probe(1, measure_s=0.5)) as reports:
            seen = [report async for report in reports]
        assert seen[-1].totals.scheduled > 0
        door = signing.Door(KEY)
        before = door.beat("r1", await value(world, keys.beat("r1")) or b"")
        later = world.fleet(fence=2)
        await later.prepare()
        after = door.beat("r1", await value(world, keys.beat("r1")) or b"")
        assert 0 < (before or 0) < (after or 0)
        await later.release()


async def test_a_worker_with_another_key_is_left_out_and_named(
    redis_server_program: Path, tmp_path: Path
) -> None:
    async with bus(redis_server_program, tmp_path, key=KEY) as world:
        stranger = world.workers[1]
        stranger.key = FleetKey("of another fleet on the same Redis server")
        await stranger.restart()
        assert [m.worker for m in await world.roster.members()] == ["w1"]
        fleet = world.fleet()
        ready = await fleet.prepare()
        assert ready.workers == ("w1",)
        assert any(
            f"w2 on host has another TONNAGE_FLEET_KEY (id {stranger.key.id}" in text
            for text in ready.warnings
        )
        await fleet.release()


async def test_a_fleet_that_nobody_can_hear_says_what_is_missing(
    world: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "WORKERS_WITHIN_S", 0.5)
    for worker in world.workers:
        worker.key = KEY
        await worker.restart()
    fleet = world.fleet()
    with pytest.raises(NoWorkers, match="w1 on host has a TONNAGE_FLEET_KEY, and the controller"):
        await fleet.prepare()
    await fleet.release()
