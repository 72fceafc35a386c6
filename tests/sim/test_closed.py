"""Does a simulated closed loop hold back when the target is slow, as real ones do?"""

from dataclasses import replace

import numpy as np
import pytest

from contract.report import FleetReport
from tests.sim.offering import BATCH, fleet_for, goal_for, probe_at, reports_of
from tests.sim.test_fleet import check_ledger, summed

pytestmark = pytest.mark.anyio

STALLING = BATCH + "&stall_every=4s&stall=1s"


def p99_s(reports: list[FleetReport]) -> float:
    total = reports[0].buckets[0].response_time
    for report in reports:
        for bucket in report.buckets:
            total = total + bucket.response_time
    return total.quantile(0.99)


@pytest.mark.parametrize("url", [BATCH, STALLING])
@pytest.mark.parametrize("rate", [40.0, 230.0, 900.0])
async def test_never_more_than_the_streams_are_in_flight_and_every_report_balances(
    url: str, rate: float
) -> None:
    fleet, _ = fleet_for(goal_for(url))
    await fleet.prepare()
    reports = await reports_of(fleet, replace(probe_at(rate), streams=12))
    check_ledger(reports)
    assert max(report.totals.in_flight for report in reports) <= 12
    totals = reports[-1].totals
    assert totals.sent == totals.scheduled == totals.succeeded
    assert (totals.shed, totals.missed, totals.cancelled) == (0, 0, 0)
    assert max(bucket.index for report in reports for bucket in report.buckets) <= 4 * 6.75


async def test_with_streams_to_spare_it_is_an_open_loop() -> None:
    goal = goal_for()
    told = []
    for streams in (0, 10_000):
        fleet, _ = fleet_for(goal)
        await fleet.prepare()
        told.append(await reports_of(fleet, replace(probe_at(150.0), streams=streams)))
    assert told[0] == told[1]


async def test_a_target_that_cannot_keep_up_is_asked_less() -> None:
    fleet, _ = fleet_for(goal_for())
    await fleet.prepare()
    reports = await reports_of(fleet, replace(probe_at(900.0), streams=12))
    sent_per_s = summed(reports, "sent") / 6.75
    assert 150 < sent_per_s < 267
    assert p99_s(reports) < 0.15


async def test_a_stall_is_hardly_seen_by_a_loop_that_waits_for_it() -> None:
    seen = {}
    for streams in (0, 16):
        fleet, _ = fleet_for(goal_for(STALLING))
        await fleet.prepare()
        reports = await reports_of(fleet, replace(probe_at(100.0, 18.0), streams=streams))
        times = np.sum([b.bad_any for r in reports for b in r.buckets])
        seen[streams] = int(times)
    assert seen[16] < seen[0] / 4


async def test_a_stop_cancels_nothing_that_was_never_due() -> None:
    fleet, _ = fleet_for(goal_for())
    await fleet.prepare()
    probe = replace(probe_at(900.0), streams=12)
    reports = await reports_of(fleet, probe, until=lambda r: r.through_ns >= 2_000_000_000)
    assert reports
    assert fleet.totals.cancelled == 0
    assert fleet.totals.sent == fleet.totals.scheduled
