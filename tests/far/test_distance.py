"""Does a worker a long way off, whose clock is wrong, send what a near one would, when it would?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract.latency import Histogram
from contract.messages import DEAD_MAN_S
from controller.errors import FleetLost
from controller.ports import Fleet
from tests.far import scene
from tests.far.scene import ANSWER_AFTER_S, World, a_probe, all_reports, due_us
from tests.helpers.far_redis import FarRedis, far
from tests.helpers.redis_server import RedisServer
from workers.clock import SKEW_VARIABLE

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs_redis_server,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

SLACK_US = 100_000
"""A machine that is busy sends later; a clock that was crossed would be off by 2 s."""


@asynccontextmanager
async def a_far_worker(
    program: Path, folder: Path, **environment: str
) -> AsyncIterator[tuple[World, FarRedis, RedisServer]]:
    """A world with the worker `far`, 100 ms ± 30 ms from its Redis."""
    server = RedisServer(program, folder)
    await asyncio.to_thread(server.start)
    try:
        async with (
            scene.world(server.url) as world,
            far(server.port) as proxy,
            scene.workers(world, scene.worker("far", proxy.url, folder, **environment)),
        ):
            yield world, proxy, server
    finally:
        server.kill()


async def test_a_far_worker_with_a_wrong_clock_sends_its_share_when_it_is_due(
    redis_server_program: Path, tmp_path: Path
) -> None:
    async with (
        a_far_worker(redis_server_program, tmp_path, **{SKEW_VARIABLE: "2"}) as (world, _, server),
        scene.workers(world, scene.worker("near", server.url, tmp_path)),
    ):
        fleet = world.fleet()
        await fleet.prepare(ask_target=False)
        seen = await all_reports(fleet, a_probe())
        plan = await world.latest_plan()
        await fleet.release()
    dues = {worker: due_us(plan, worker) for worker in ("far", "near")}
    totals = seen[-1].totals
    assert sum(report.unaccounted for report in seen) == 0
    assert totals.scheduled == totals.sent == sum(map(len, dues.values())) == 350
    assert {worker: len(dues[worker]) for worker in dues} == {
        worker: len(times) for worker, times in world.target.came_us.items()
    }
    health = {worker: health for report in seen for worker, health in report.health}
    assert health["far"].clock_offset_us < -1_900_000 < health["near"].clock_offset_us
    for worker, due in dues.items():
        error_us = health[worker].clock_error_us
        assert error_us < 200_000
        came = sorted(world.target.came_us[worker])
        earliest_us = min(at - instant for at, instant in zip(came, due, strict=True))
        assert -error_us - 1_000 <= earliest_us <= error_us + SLACK_US
    times = sum((b.response_time for report in seen for b in report.buckets), Histogram())
    assert times.quantile(0.01) >= ANSWER_AFTER_S * 0.99
    assert times.quantile(0.9) < ANSWER_AFTER_S + 0.1  # half of them are the far worker's


async def test_a_cut_of_two_seconds_costs_nothing_but_a_late_report(
    redis_server_program: Path, tmp_path: Path
) -> None:
    async with a_far_worker(redis_server_program, tmp_path) as (world, proxy, _):
        fleet = world.fleet()
        await fleet.prepare(ask_target=False)
        seen = []
        async with fleet.offer(a_probe(measure_s=4.0)) as reports:
            seen.append(await anext(aiter(reports)))
            async with proxy.cut():
                await asyncio.sleep(2.0)
            seen += [report async for report in reports]
        await fleet.release()
    assert [report.lost for report in seen] == [()] * len(seen)
    assert sum(report.unaccounted for report in seen) == 0
    assert seen[-1].totals.sent == seen[-1].totals.scheduled == 450 == len(_all(world))


async def test_in_a_cut_of_ten_seconds_the_load_stops_by_itself_and_the_worker_comes_back(
    redis_server_program: Path, tmp_path: Path
) -> None:
    async with a_far_worker(redis_server_program, tmp_path) as (world, proxy, _):
        fleet = world.fleet()
        await fleet.prepare(ask_target=False)
        with pytest.raises(FleetLost, match="worker far"):
            await _cut_for_ten_seconds(world, proxy, fleet)
        sent = len(_all(world))
        await fleet.prepare(ask_target=False)
        seen = list(await all_reports(fleet, a_probe(2, measure_s=1.0)))
        await fleet.release()
    assert seen[-1].totals.sent == seen[-1].totals.scheduled == 150 == len(_all(world)) - sent
    assert seen[-1].lost == ()


async def _cut_for_ten_seconds(world: World, proxy: FarRedis, fleet: Fleet) -> None:
    async with fleet.offer(a_probe(measure_s=60.0)) as reports:
        await anext(aiter(reports))
        async with proxy.cut():
            await asyncio.sleep(DEAD_MAN_S + 3.0)
            sent = len(_all(world))
            await asyncio.sleep(10.0 - DEAD_MAN_S - 3.0)
            assert len(_all(world)) == sent
        seen = [report async for report in reports]
        assert seen[-1].lost == ("far",)


def _all(world: World) -> list[int]:
    return [at for times in world.target.came_us.values() for at in times]
