"""Does the simulated fleet report what a real one would, and account for every arrival?"""

import math
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from contract.objectives import parse_objective
from contract.report import BUCKET_NS, FleetReport, Ledger
from contract.units import Seconds
from controller.errors import FleetLost, NoWorkers, PreflightFailed
from controller.search.goal import Workload
from controller.sim.trouble import Trouble
from tests.sim.offering import BATCH, fleet_for, goal_for, probe_at, reports_of, schedule_of

pytestmark = pytest.mark.anyio

SLO = tuple(
    parse_objective(text)
    for text in (
        "p99 response_time <= 150ms",
        "p90 service_time <= 60ms",
        "error_ratio <= 1%",
        "goodput >= 99%",
    )
)
TROUBLED = BATCH + "&queue_bound=60&fail_ratio=3%&stall_every=3s&stall=0.3s&speed_noise=5%"


def summed(reports: list[FleetReport], name: str) -> int:
    return sum(getattr(bucket, name) for report in reports for bucket in report.buckets)


def check_ledger(reports: list[FleetReport]) -> None:
    """Every report balances, and increments add up to the totals."""
    counted: Counter[str] = Counter()
    for report in reports:
        for bucket in report.buckets:
            for field in fields(Ledger):
                counted[field.name] += getattr(bucket, field.name, 0)
        totals = report.totals
        assert totals.balanced
        assert totals.in_flight == sum(entry.count for entry in report.in_flight)
        for name in ("scheduled", "sent", "shed", "shed_overdue", "missed", "cancelled"):
            assert counted[name] == getattr(totals, name)
        for name in ("succeeded", "failed", "timed_out"):
            assert counted[name] == getattr(totals, name)


@pytest.mark.parametrize("rate", [40.0, 230.0, 900.0])
async def test_every_report_balances_and_every_arrival_ends(rate: float) -> None:
    goal = goal_for(TROUBLED, objectives=SLO)
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(rate))
    check_ledger(reports)
    assert reports[-1].totals.in_flight == 0
    assert reports[-1].totals == fleet.totals
    assert [r.through_ns for r in reports] == [BUCKET_NS * (k + 1) for k in range(len(reports))]


async def test_the_reports_together_are_the_schedule() -> None:
    goal, probe = goal_for(), probe_at(230.0)
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    reports = await reports_of(fleet, probe)
    due = schedule_of(goal, probe).times() // BUCKET_NS
    expected = dict(zip(*np.unique(due, return_counts=True), strict=True))
    seen: Counter[int] = Counter()
    for report in reports:
        for bucket in report.buckets:
            seen[bucket.index] += bucket.scheduled
    assert {k: v for k, v in seen.items() if v} == expected


async def test_a_probe_lasts_to_its_end_however_few_arrive() -> None:
    probe = probe_at(1.0)
    for seed in range(1, 9):
        fleet, _ = fleet_for(goal_for(seed=seed))
        await fleet.prepare()
        assert (await reports_of(fleet, probe))[-1].through_ns >= probe.duration_s * 1e9


async def test_every_decided_arrival_is_judged_once_and_its_times_are_counted() -> None:
    goal = goal_for(TROUBLED, objectives=SLO)
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(250.0))
    totals = reports[-1].totals
    decided = totals.succeeded + totals.failed + totals.timed_out
    buckets = [bucket for report in reports for bucket in report.buckets]
    for row in range(len(SLO)):
        assert sum(b.judged[row] for b in buckets) == decided + totals.shed_overdue
    assert sum(b.response_time.count for b in buckets) == decided
    assert sum(b.service_time.count for b in buckets) == decided
    assert sum(t.completed for r in reports for t in r.ticks) == totals.succeeded + totals.failed
    assert sum(t.errors for r in reports for t in r.ticks) == totals.failed
    assert sum(r.send_lag.count for r in reports) == totals.sent
    assert sum(count for r in reports for _, count in r.errors) == totals.failed


async def test_bad_is_what_the_histograms_say_is_over_the_limit() -> None:
    goal = goal_for(objectives=SLO)
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    buckets = [b for r in await reports_of(fleet, probe_at(250.0, 10.0)) for b in r.buckets]
    by_response = sum(b.response_time.count_above(0.150) for b in buckets)
    by_service = sum(b.service_time.count_above(0.060) for b in buckets)
    assert by_response > 50
    assert sum(b.bad[0] for b in buckets) == pytest.approx(by_response, abs=5)
    assert sum(b.bad[1] for b in buckets) == pytest.approx(by_service, abs=0.05 * by_service)
    assert sum(b.bad[2] for b in buckets) == 0
    assert sum(b.bad[3] for b in buckets) == sum(b.bad_any for b in buckets)


async def test_an_overloaded_target_makes_the_fleet_shed_overdue_at_its_cap() -> None:
    fleet, _ = fleet_for(goal_for())
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(900.0, 10.0))
    totals = reports[-1].totals
    assert totals.shed == totals.shed_overdue > 100
    assert max(report.totals.in_flight for report in reports) <= 2 * math.ceil(450 * 2.45)


async def test_who_waits_beyond_the_time_out_is_timed_out_and_bad() -> None:
    goal = goal_for(workload=Workload(timeout_s=Seconds(0.5)))
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(400.0))
    totals = reports[-1].totals
    assert totals.timed_out > 100
    assert summed(reports, "bad_any") >= totals.timed_out
    longest_s = max(b.response_time.max_s for r in reports for b in r.buckets if b.succeeded)
    assert longest_s <= 0.5 + 1e-6


async def test_those_in_flight_over_their_limit_are_reported_as_bad_already() -> None:
    fleet, _ = fleet_for(goal_for(objectives=SLO))
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(600.0))
    overdue = max(sum(e.over_limit[0] for e in r.in_flight) for r in reports)
    assert overdue > 100
    assert all(e.over_limit[0] <= e.count for r in reports for e in r.in_flight)
    for entry in (e for r in reports for e in r.in_flight):
        response, service, errors, goodput = entry.over_limit
        assert errors == 0  # whether it fails is open
        assert max(response, service) <= goodput <= response + service


async def test_leaving_the_block_stops_the_load_and_waits_for_what_is_in_flight() -> None:
    fleet, clock = fleet_for(goal_for())
    await fleet.prepare()
    reports = await reports_of(
        fleet, probe_at(300.0, 600.0), until=lambda report: report.through_ns >= 3e9
    )
    assert fleet.totals.balanced
    assert fleet.totals.in_flight == 0
    assert fleet.totals.cancelled > 0
    assert reports[-1].totals.sent < fleet.totals.sent < 1.2 * reports[-1].totals.sent
    assert clock.now() < 10
    await fleet.release()
    await fleet.release()


async def test_a_backlog_is_carried_over_to_the_next_probe() -> None:
    goal = goal_for(workload=Workload(timeout_s=Seconds(0.2)))
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    rested, _ = fleet_for(goal)
    await rested.prepare()
    await reports_of(fleet, probe_at(1500.0, 4.0))  # its clients give up, the server does not
    after = (await reports_of(fleet, probe_at(20.0, number=2)))[-1].totals
    alone = (await reports_of(rested, probe_at(20.0, number=2)))[-1].totals
    assert alone.timed_out == 0
    assert after.timed_out > 20


async def test_the_same_seed_gives_the_same_reports() -> None:
    seen = []
    for _ in range(2):
        fleet, _ = fleet_for(goal_for(TROUBLED))
        await fleet.prepare()
        seen.append(await reports_of(fleet, probe_at(300.0)))
    assert seen[0] == seen[1]
    other, _ = fleet_for(goal_for(TROUBLED, seed=2))
    await other.prepare()
    assert await reports_of(other, probe_at(300.0)) != seen[0]


async def test_a_lost_worker_is_named_and_the_reports_end() -> None:
    fleet, clock = fleet_for(goal_for(), trouble_of=lambda probe: Trouble(lost_at_s=2.0))
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(100.0, 20.0))
    assert reports[-1].lost == ("sim-2",)
    assert all(not report.lost for report in reports[:-1])
    assert 5 < clock.now() < 8
    readiness = await fleet.prepare()
    assert readiness.workers == ("sim-1",)
    await reports_of(fleet, probe_at(100.0, 20.0, number=2))
    with pytest.raises(NoWorkers):
        await fleet.prepare()


async def test_a_lost_bus_is_an_error_out_of_the_reports() -> None:
    fleet, _ = fleet_for(goal_for(), trouble_of=lambda probe: Trouble(gone_at_s=1.0))
    await fleet.prepare()
    with pytest.raises(FleetLost):
        await reports_of(fleet, probe_at(100.0))
    assert fleet.totals.in_flight == 0


async def test_lag_is_seen_in_response_times_and_not_in_service_times() -> None:
    quick, _ = fleet_for(goal_for())
    slow, _ = fleet_for(goal_for(), trouble_of=lambda probe: Trouble(lag_s=0.040))
    seen = []
    for fleet in (quick, slow):
        await fleet.prepare()
        buckets = [b for r in await reports_of(fleet, probe_at(30.0)) for b in r.buckets]
        count = sum(b.response_time.count for b in buckets)
        seen.append(
            (
                sum(b.response_time.sum_s for b in buckets) / count,
                sum(b.service_time.sum_s for b in buckets) / count,
            )
        )
    (quick_response_s, quick_service_s), (slow_response_s, slow_service_s) = seen
    assert slow_response_s - quick_response_s == pytest.approx(0.040, abs=0.003)
    assert slow_service_s == pytest.approx(quick_service_s, abs=0.003)


async def test_a_pause_of_the_workers_is_send_lag_of_those_due_in_it() -> None:
    fleet, _ = fleet_for(goal_for(), trouble_of=lambda probe: Trouble(pause_at_s=2.0, pause_s=0.5))
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(100.0))
    late = sum(report.send_lag.count_above(0.010) for report in reports)
    assert late == pytest.approx(50, abs=15)
    assert max(r.send_lag.max_s for r in reports if r.send_lag.count) <= 0.51


async def test_missed_arrivals_are_in_the_ledger_and_not_at_the_target() -> None:
    fleet, _ = fleet_for(goal_for(), trouble_of=lambda probe: Trouble(missed_ratio=0.1))
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(100.0, 20.0))
    check_ledger(reports)
    totals = reports[-1].totals
    assert totals.missed == pytest.approx(0.1 * totals.scheduled, rel=0.2)
    assert totals.succeeded + totals.missed == totals.scheduled


async def test_an_objective_that_no_simulated_request_can_meet_is_refused_in_preflight() -> None:
    for text in ("p99 ttft <= 1s", "predict: p99 response_time <= 1s"):
        fleet, _ = fleet_for(goal_for(objectives=(parse_objective(text),)))
        with pytest.raises(PreflightFailed, match="response_time"):
            await fleet.prepare()


async def test_reports_that_wait_for_a_worker_say_so() -> None:
    fleet, _ = fleet_for(goal_for(), trouble_of=lambda p: Trouble(late_at_s=3.0, unaccounted=4))
    await fleet.prepare()
    reports = await reports_of(fleet, replace(probe_at(100.0), number=3))
    assert [r.late for r in reports] == [("sim-2",) if r.through_ns > 3e9 else () for r in reports]
    assert {r.unaccounted for r in reports} == {4}


async def test_without_a_latency_limit_a_target_that_hangs_is_overloaded_and_nothing_is_void() -> (
    None
):
    goal = goal_for(
        objectives=(parse_objective("error_ratio <= 1%"),), workload=Workload(timeout_s=Seconds(2))
    )
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    totals = (await reports_of(fleet, probe_at(900.0)))[-1].totals
    assert totals.timed_out > 100
    assert totals.shed == totals.shed_overdue


async def test_phases_of_generated_answers_are_judged() -> None:
    url = "sim://decode?cap=2&token=20ms&token_per_request=10ms&output=10&output_cv=0&prompt=1"
    goal = goal_for(
        url + "&prompt_cv=0",
        objectives=tuple(
            parse_objective(text)
            for text in ("p99 ttft <= 90ms", "p99 itl <= 35ms", "p99 tpot <= 1s", "goodput >= 50%")
        ),
    )
    fleet, _ = fleet_for(goal)
    await fleet.prepare()
    buckets = [b for r in await reports_of(fleet, probe_at(5.0, 60.0)) for b in r.buckets]
    judged, *bad = (
        sum(b.judged[0] for b in buckets),
        *(sum(b.bad[k] for b in buckets) for k in range(4)),
    )
    late_first, slow, never, any_bad = bad
    assert 0 < late_first < judged  # who waits for a place
    assert 0 < slow < judged  # who shares all the way
    assert never == 0
    assert max(late_first, slow) <= any_bad <= late_first + slow


async def test_completions_are_told_apart_by_replica() -> None:
    fleet, _ = fleet_for(goal_for("sim://mm1?mean=1ms&copies=3&skew=1"))
    await fleet.prepare()
    reports = await reports_of(fleet, probe_at(200.0, 20.0))
    assert all(report.replicas == ("replica-1", "replica-2", "replica-3") for report in reports)
    counts = Counter(dict.fromkeys((1, 2, 3), 0))
    for tick in (tick for report in reports for tick in report.ticks):
        counts[tick.replica] += tick.completed
    assert sum(counts.values()) == reports[-1].totals.succeeded
    assert counts[1] > counts[2] > counts[3] > 0
    for report in reports:
        keys = [(tick.index, tick.replica) for tick in report.ticks]
        assert keys == sorted(set(keys))
