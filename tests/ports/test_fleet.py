"""What may the conductor rely on, whichever fleet it has?"""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.report import FleetReport
from controller.errors import FleetLost
from controller.ports import Burden, Fleet
from controller.search.probe import Probe
from tests.helpers.builders import a_probe
from tests.ports.fleets import Stage, over_redis, scripted, simulated

pytestmark = pytest.mark.anyio

LONG_S, SHORT_S = 30.0, 0.5


@pytest.fixture(
    params=[
        "scripted",
        "simulated",
        pytest.param("redis", marks=pytest.mark.needs_redis_server),
    ]
)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    if request.param == "scripted":
        return scripted
    if request.param == "simulated":
        return simulated
    return over_redis(request.getfixturevalue("redis_server_program"), tmp_path)


async def whole(fleet: Fleet, probe: Probe) -> list[FleetReport]:
    async with fleet.offer(probe) as reports:
        return [report async for report in reports]


async def broken_off(fleet: Fleet, probe: Probe) -> None:
    async with fleet.offer(probe) as reports:
        await anext(aiter(reports))
        raise KeyError("ours")


async def test_prepare_names_the_workers_and_what_they_can_send(stage: Stage) -> None:
    async with stage("nothing") as world:
        readiness = await world.fleet.prepare()
        assert len(readiness.workers) == 2
        assert readiness.rate_per_s > 0


async def test_reports_come_in_order_until_the_probe_has_ended(stage: Stage) -> None:
    probe = a_probe(measure_s=SHORT_S)
    async with stage("nothing") as world:
        await world.fleet.prepare()
        seen = await whole(world.fleet, probe)
        through_s = [report.through_ns / 1e9 for report in seen]
        assert through_s == sorted(through_s)
        assert through_s[-1] >= probe.duration_s
        assert {report.probe for report in seen} == {probe.number}
        assert all(report.lost == () for report in seen)


async def test_no_arrival_is_unaccounted_for(stage: Stage) -> None:
    async with stage("nothing") as world:
        await world.fleet.prepare()
        seen = await whole(world.fleet, a_probe(measure_s=SHORT_S))
        buckets = [bucket for report in seen for bucket in report.buckets]
        totals = seen[-1].totals
        assert totals.balanced
        assert totals.scheduled == sum(bucket.scheduled for bucket in buckets) > 0
        assert totals.succeeded == sum(bucket.succeeded for bucket in buckets)
        assert sum(report.unaccounted for report in seen) == 0


async def test_the_burden_grows_by_every_request_also_of_a_probe_left_early(stage: Stage) -> None:
    async with stage("nothing") as world:
        await world.fleet.prepare()
        assert world.fleet.burden() == Burden()
        seen = await whole(world.fleet, a_probe(1, measure_s=SHORT_S))
        first = world.fleet.burden()
        assert first.requests == seen[-1].totals.sent
        assert first.bad_requests == sum(b.bad_any for report in seen for b in report.buckets)
        with pytest.raises(KeyError):
            await broken_off(world.fleet, a_probe(2, measure_s=LONG_S))
        assert world.fleet.burden().requests > first.requests


async def test_leaving_early_stops_the_load_and_the_next_probe_can_start(stage: Stage) -> None:
    async with stage("nothing") as world:
        await world.fleet.prepare()
        async with world.fleet.offer(a_probe(1, measure_s=LONG_S)) as reports:
            first = await anext(aiter(reports))
        assert first.probe == 1
        started = world.clock.now()
        seen = await whole(world.fleet, a_probe(2, measure_s=SHORT_S))
        assert {report.probe for report in seen} == {2}
        assert world.clock.now() - started < LONG_S


async def test_an_error_in_the_block_stops_the_load_and_goes_on(stage: Stage) -> None:
    async with stage("nothing") as world:
        await world.fleet.prepare()
        with pytest.raises(KeyError):
            await broken_off(world.fleet, a_probe(1, measure_s=LONG_S))
        assert await whole(world.fleet, a_probe(2, measure_s=SHORT_S))


async def test_a_lost_worker_is_named_in_the_last_report(stage: Stage) -> None:
    async with stage("loses a worker") as world:
        before = await world.fleet.prepare()
        seen: list[FleetReport] = []
        try:
            async with world.fleet.offer(a_probe(1, measure_s=LONG_S)) as reports:
                seen.extend([report async for report in reports])
        except FleetLost:
            pass  # a fleet may say on leaving that the stop was not confirmed by all
        assert [bool(report.lost) for report in seen] == [False] * (len(seen) - 1) + [True]
        assert set(seen[-1].lost) < set(before.workers)
        after = await world.fleet.prepare()
        assert set(after.workers) == set(before.workers) - set(seen[-1].lost)
        assert await whole(world.fleet, a_probe(2, measure_s=SHORT_S))


async def test_a_bus_that_is_gone_comes_out_of_the_iterator(stage: Stage) -> None:
    async with stage("loses the bus") as world:
        await world.fleet.prepare()
        with pytest.raises(FleetLost):
            await whole(world.fleet, a_probe(1, measure_s=LONG_S))


async def test_releasing_twice_is_as_good_as_once(stage: Stage) -> None:
    async with stage("nothing") as world:
        await world.fleet.prepare()
        await whole(world.fleet, a_probe(1, measure_s=SHORT_S))
        await world.fleet.release()
        await world.fleet.release()


async def test_a_fleet_that_was_never_prepared_can_be_released(stage: Stage) -> None:
    async with stage("nothing") as world:
        await world.fleet.release()
