"""What does the fleet report say when workers are late, repeat themselves or fall silent?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.arrivals import Law
from contract.latency import Histogram
from contract.messages import Drained, Plan
from contract.report import (
    MOST_REPLICAS,
    OTHER_REPLICAS,
    DueBucket,
    Health,
    InFlight,
    Ledger,
    Report,
    Tick,
)
from contract.units import Rate, Seconds
from controller.adapters.merge import Merge
from controller.ports import Burden

CADENCE_NS = 250_000_000
BOOTS = {"w0": "b0", "w1": "b1"}


def a_plan(workers: tuple[str, ...] = ("w0", "w1")) -> Plan:
    return Plan(
        run="r1",
        fence=3,
        probe=7,
        workers=workers,
        epoch_us=0,
        law=Law("constant"),
        seed=1,
        rate=Rate(100.0),
        ramp_s=Seconds(0.0),
        ramp_from=Rate(0.0),
        duration_s=Seconds(10.0),
        in_flight_cap=10,
        rate_ceiling=Rate(100.0),
    )


def a_report(worker: str, number: int, per_slice: int = 5, **changes: Any) -> Report:
    """The `number`th report of a worker that owns every second arrival and served them all."""
    position = int(worker[1:])
    done = per_slice * number
    bucket = DueBucket(
        number - 1,
        scheduled=per_slice,
        sent=per_slice,
        succeeded=per_slice,
        judged=(per_slice,),
        bad=(1,),
        bad_any=1,
        response_time=Histogram.of([0.01] * per_slice),
    )
    report = Report(
        run="r1",
        fence=3,
        probe=7,
        worker=worker,
        boot=BOOTS[worker],
        sequence=100 + number,
        through_ns=number * CADENCE_NS,
        through_index=position + 2 * (done - 1) + 1,
        totals=Ledger(done, done, succeeded=done),
        buckets=(bucket,),
        requests=per_slice,
    )
    return replace(report, **changes)


def drained(worker: str, reason: str = "the plan's end") -> Drained:
    return Drained("r1", 3, 7, worker, BOOTS[worker], Ledger(), 0, reason)


@pytest.fixture
def merge() -> Merge:
    return Merge(a_plan(), BOOTS, epoch_s=0.0)


def test_a_merged_report_comes_when_every_worker_has_reported(merge: Merge) -> None:
    merge.take(a_report("w0", 1), 0.26)
    assert merge.pop(0.26) is None
    merge.take(a_report("w1", 1), 0.27)
    report = merge.pop(0.27)
    assert report is not None
    assert (report.through_ns, report.workers, report.late) == (CADENCE_NS, 2, ())
    assert report.totals == Ledger(10, 10, succeeded=10)
    assert [(b.index, b.scheduled, b.bad) for b in report.buckets] == [(0, 10, (2,))]
    assert report.buckets[0].response_time.count == 10
    assert report.requests == 10
    assert merge.pop(0.27) is None


def test_a_late_worker_is_waited_for_and_then_named(merge: Merge) -> None:
    merge.take(a_report("w0", 1), 0.26)
    assert merge.pop(1.2) is None
    report = merge.pop(1.3)
    assert report is not None
    assert report.late == ("w1",)
    assert report.buckets[0].scheduled == 5
    assert report.through_ns == CADENCE_NS


def test_what_came_late_is_in_a_later_report_and_counted_once(merge: Merge) -> None:
    merge.take(a_report("w0", 1), 0.26)
    first = merge.pop(1.3)
    merge.take(a_report("w1", 1), 1.31)
    merge.take(a_report("w0", 2), 1.32)
    merge.take(a_report("w1", 2), 1.33)
    second = merge.pop(1.34)
    assert first is not None
    assert second is not None
    assert second.late == ()
    assert second.through_ns == 2 * CADENCE_NS
    scheduled = sum(b.scheduled for report in (first, second) for b in report.buckets)
    assert scheduled == second.totals.scheduled == 20
    assert first.unaccounted + second.unaccounted == 0


def test_a_fast_worker_does_not_pull_the_others_ahead(merge: Merge) -> None:
    for number in (1, 2, 3):
        merge.take(a_report("w0", number), 0.8)
    merge.take(a_report("w1", 1), 0.81)
    report = merge.pop(0.82)
    assert report is not None
    assert report.through_ns == CADENCE_NS


def test_a_repeated_report_counts_once(merge: Merge) -> None:
    for _ in range(3):
        merge.take(a_report("w0", 1), 0.26)
        merge.take(a_report("w1", 1), 0.26)
    report = merge.pop(0.27)
    assert report is not None
    assert report.requests == 10
    assert report.unaccounted == 0


def test_a_report_that_never_came_is_unaccounted_for(merge: Merge) -> None:
    for number in (1, 3):
        merge.take(a_report("w0", number), 0.26)
        merge.take(a_report("w1", number), 0.26)
    merge.take(a_report("w1", 2), 0.27)  # too late: its place is passed
    report = merge.pop(0.28)
    assert report is not None
    assert report.unaccounted == 10


def test_unaccounted_arrivals_are_told_once(merge: Merge) -> None:
    told = []
    for number in (1, 3, 4, 5):
        merge.take(a_report("w0", number), 0.26)
        merge.take(a_report("w1", number), 0.26)
        report = merge.pop(0.28)
        assert report is not None
        told.append(report.unaccounted)
    assert told == [0, 10, 0, 0]


def test_a_worker_that_scheduled_other_than_its_share_is_found_out(merge: Merge) -> None:
    merge.take(a_report("w0", 1, through_index=13), 0.26)  # owes 7, scheduled 5
    merge.take(a_report("w1", 1), 0.26)
    report = merge.pop(0.27)
    assert report is not None
    assert report.unaccounted == 2


def test_a_ledger_that_does_not_balance_is_found_out(merge: Merge) -> None:
    totals = Ledger(5, 4, succeeded=4)
    merge.take(a_report("w0", 1, totals=totals), 0.26)
    merge.take(a_report("w1", 1), 0.26)
    report = merge.pop(0.27)
    assert report is not None
    assert report.unaccounted == 1


def test_a_silent_worker_is_lost_and_named(merge: Merge) -> None:
    merge.take(a_report("w0", 1), 0.26)
    merge.take(a_report("w1", 1), 0.26)
    merge.pop(0.27)
    merge.take(a_report("w0", 2), 3.2)
    assert merge.pop(3.2) is not None
    report = merge.pop(3.3)
    assert report is not None
    assert report.lost == ("w1",)
    assert report.workers == 1
    assert "silent" in merge.lost["w1"]


def test_a_lost_worker_leaves_what_it_owed_when_it_was_lost(merge: Merge) -> None:
    merge.take(a_report("w0", 1), 0.26)
    merge.take(a_report("w1", 1), 0.26)
    merge.take(a_report("w0", 2), 3.2)
    merge.pop(3.2)
    report = merge.pop(3.3)
    assert report is not None
    assert report.owed == (("w1", 10, 4),)  # 11, 13, 15 and 17: w0 is through with 18
    why = "worker w1 was silent for 3 s and owed 4 arrivals from 10 on"
    assert report.notes == (why,)


def test_a_share_by_weight_is_audited_by_its_own_count() -> None:
    plan = replace(a_plan(), weights=(4096, 1024))
    merge = Merge(plan, BOOTS, epoch_s=0.0)
    owed = [plan.shares().owed(position, 200) for position in range(2)]
    for worker, count in zip(BOOTS, owed, strict=True):
        merge.take(a_report(worker, 1, per_slice=count, through_index=200), 0.26)
    report = merge.pop(0.27)
    assert report is not None
    assert (report.unaccounted, report.totals.scheduled) == (0, 200)
    assert owed[0] > 2 * owed[1] > 0


@given(st.tuples(*[st.integers(1, 4096)] * 2), st.integers(0, 900), st.integers(0, 900))
def test_what_a_lost_worker_owed_is_its_own_beyond_its_last_report(
    weights: tuple[int, int], through: int, further: int
) -> None:
    plan = replace(a_plan(), weights=weights)
    merge = Merge(plan, BOOTS, epoch_s=0.0)
    merge.take(a_report("w1", 1, through_index=through), 0.26)
    merge.take(a_report("w0", 1, through_index=through + further), 0.26)
    merge.lose("w1", "went away")
    report = merge.pop(0.3)
    assert report is not None
    own = [plan.shares().owed(1, below) for below in (through, through + further)]
    assert report.owed == (("w1", through, own[1] - own[0]),)


def test_silence_counts_from_the_epoch_for_a_worker_not_heard_yet(merge: Merge) -> None:
    assert merge.pop(2.9) is None
    report = merge.pop(3.1)
    assert report is not None
    assert report.lost == ("w0", "w1")


def test_a_worker_with_a_new_boot_is_lost(merge: Merge) -> None:
    merge.take(a_report("w0", 1, boot="other"), 0.26)
    report = merge.pop(0.27)
    assert report is not None
    assert report.lost == ("w0",)
    assert "restarted" in merge.lost["w0"]


def test_a_worker_that_stops_by_itself_is_lost_with_its_reason(merge: Merge) -> None:
    merge.take(drained("w0", "no beat for 3 s"), 4.0)
    report = merge.pop(4.0)
    assert report is not None
    assert "w0" in report.lost
    assert "no beat for 3 s" in merge.lost["w0"]


def test_being_drained_after_a_stop_is_no_loss(merge: Merge) -> None:
    merge.stop()
    merge.take(drained("w0", "told so"), 1.0)
    merge.take(drained("w1", "told so"), 1.0)
    assert merge.lost == {}
    assert merge.is_done()


def test_the_probe_is_done_when_all_have_drained_and_all_is_merged(merge: Merge) -> None:
    merge.take(a_report("w0", 1, final=True), 10.0)
    merge.take(drained("w0"), 10.0)
    assert not merge.is_done()
    merge.take(a_report("w1", 1, final=True), 10.1)
    merge.take(drained("w1"), 10.1)
    assert not merge.is_done()
    report = merge.pop(10.1)
    assert report is not None
    assert report.late == ()
    assert merge.is_done()
    assert merge.draining == ()


def test_a_worker_that_has_drained_is_not_waited_for(merge: Merge) -> None:
    merge.take(a_report("w0", 1, final=True), 10.0)
    merge.take(drained("w0"), 10.0)
    merge.take(a_report("w1", 1), 10.0)
    assert merge.pop(10.0) is not None
    merge.take(a_report("w1", 2), 10.3)
    report = merge.pop(10.3)
    assert report is not None
    assert report.late == ()
    assert report.through_ns == 2 * CADENCE_NS


@pytest.mark.parametrize(
    "change", [{"run": "r2"}, {"fence": 2}, {"probe": 6}, {"worker": "w9"}], ids=str
)
def test_what_is_not_of_this_probe_changes_nothing(merge: Merge, change: dict[str, Any]) -> None:
    merge.take(replace(a_report("w0", 1), **change), 0.26)
    merge.take(a_report("w1", 1), 0.26)
    assert merge.pop(0.27) is None


def test_states_are_the_latest_and_counts_are_sums(merge: Merge) -> None:
    for worker in ("w0", "w1"):
        for number, in_flight in ((1, 4), (2, 3)):
            sent = a_report(
                worker,
                number,
                in_flight=(InFlight(number, in_flight, (1,)),),
                ticks=(Tick(5, 2, 1),),
                errors=(("503", 2), (worker, 1)),
                send_lag=Histogram.of([0.001]),
            )
            merge.take(sent, 0.5)
    report = merge.pop(0.51)
    assert report is not None
    assert report.in_flight == (InFlight(2, 6, (2,)),)
    assert report.ticks == (Tick(5, 8, 4),)
    assert report.errors == (("503", 8), ("w0", 2), ("w1", 2))
    assert report.send_lag.count == 4


def test_a_worker_that_stopped_by_itself_says_why_in_the_report(merge: Merge) -> None:
    merge.take(drained("w1", "refused: 300/s is above the ceiling of 200/s"), 1.0)
    report = merge.pop(1.0)
    assert report is not None
    assert report.lost == ("w1",)
    why = "worker w1 stopped by itself: refused: 300/s is above the ceiling of 200/s"
    assert report.notes == (why,)


def test_a_replica_keeps_its_place_whichever_worker_saw_it_first(merge: Merge) -> None:
    merge.take(a_report("w0", 1, replicas=("a", "b"), ticks=(Tick(5, 2, 1, 1), Tick(5, 1, 0))), 0.3)
    merge.take(a_report("w1", 1, replicas=("b", "c"), ticks=(Tick(5, 3, 0, 1), Tick(5, 1, 0))), 0.3)
    report = merge.pop(0.31)
    assert report is not None
    assert report.replicas == ("a", "b", "c")
    assert report.ticks == (Tick(5, 2, 0, 0), Tick(5, 2, 1, 1), Tick(5, 3, 0, 2))
    merge.take(a_report("w0", 2, replicas=("a", "b"), ticks=(Tick(20, 1, 0, 2),)), 0.6)
    merge.take(a_report("w1", 2, replicas=("b", "c"), ticks=(Tick(20, 1, 0, 1),)), 0.6)
    report = merge.pop(0.61)
    assert report is not None
    assert report.replicas == ("a", "b", "c")
    assert report.ticks == (Tick(20, 2, 0, 2),)


def test_replicas_too_many_to_follow_are_others(merge: Merge) -> None:
    some = tuple(f"a{k}" for k in range(MOST_REPLICAS))
    more = tuple(f"b{k}" for k in range(MOST_REPLICAS))
    merge.take(a_report("w0", 1, replicas=some, ticks=(Tick(1, 1, 0, 3),)), 0.3)
    merge.take(a_report("w1", 1, replicas=more, ticks=(Tick(1, 1, 0, 3), Tick(1, 2, 0, 4))), 0.3)
    report = merge.pop(0.31)
    assert report is not None
    assert report.replicas == (*some, OTHER_REPLICAS)
    assert report.ticks == (Tick(1, 1, 0, 3), Tick(1, 3, 0, MOST_REPLICAS + 1))


def test_the_burden_counts_what_comes_after_the_stop_and_what_was_given_up_on() -> None:
    merge = Merge(a_plan(), BOOTS, 0.0)
    merge.take(a_report("w0", 1, requests=5), 0.3)
    merge.take(a_report("w1", 1, requests=5), 0.3)
    assert merge.pop(0.3) is not None
    merge.stop()
    late = a_report("w0", 2, requests=3)
    waiting = (InFlight(1, 4, (2,)),)
    merge.take(
        replace(late, totals=replace(late.totals, timed_out=2, in_flight=4), in_flight=waiting), 0.6
    )
    assert merge.burden == Burden(requests=13 + 2 + 4, bad_requests=3 + 2)


def test_the_health_of_what_came_is_told_once_and_of_the_most_strained_alone() -> None:
    names = tuple(f"w{n}" for n in range(30))
    merge = Merge(a_plan(names), dict.fromkeys(names, "b"), 0.0)
    for number in (1, 2):
        for place, name in enumerate(names):
            health = Health(send_lag_p99_s=place / 1e3, refused=(("EMFILE", 1),))
            merge.take(replace(a_report("w1", number), worker=name, boot="b", health=health), 0.3)
    report = merge.pop(0.5)
    assert report is not None
    assert [worker for worker, _ in report.health] == list(names[10:])
    assert {health.refused for _, health in report.health} == {(("EMFILE", 2),)}
    merge.take(replace(a_report("w0", 3), boot="b"), 0.6)
    later = merge.pop(5.0)
    assert later is not None
    assert [worker for worker, _ in later.health] in ([], ["w0"])
