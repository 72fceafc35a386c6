"""Is every arrival in the ledger once, and every report balanced, whatever happens?"""

from __future__ import annotations

import random
from dataclasses import fields

import gevent

from contract.report import (
    BUCKET_NS,
    MOST_REPLICAS,
    OTHER_REPLICAS,
    DueBucket,
    Health,
    InFlight,
    Ledger,
    Report,
    Tick,
)
from tests.workers.virtual import HEADER, MS, START_NS, Clock, S, judge
from workers.permit import (
    CANCELLED,
    MISSED,
    OPEN,
    PENDING,
    SENT,
    SHED,
    SHED_OVERDUE,
    Permit,
)
from workers.recorder import KINDS_KEPT, Recorder
from workers.ticks import LONGEST_NAME

OBJECTIVES = ("p99 response_time <= 100ms", "error_ratio <= 1%")


class Scene:
    """A recorder in virtual time, and the reports it gave."""

    def __init__(self, *objectives: str) -> None:
        self.clock = Clock()
        self.judge = judge(*objectives)
        self.recorder = Recorder(HEADER, self.judge, START_NS, now=self.clock)
        self.reports: list[Report] = []

    def sent(self, index: int, due_ns: int) -> Permit:
        permit = self.recorder.permit(index, due_ns)
        permit.start, permit.start_ns = SENT, max(self.clock.ns, START_NS + due_ns)
        return permit

    def flush(self) -> Report:
        report = self.recorder.flush(self.clock.ns - START_NS, Health())
        self.reports.append(report)
        return report


def test_only_the_first_request_of_an_arrival_counts_from_its_due_time() -> None:
    scene = Scene(*OBJECTIVES)
    scene.clock.advance(30 * MS)
    permit = scene.sent(0, 10 * MS)
    scene.clock.advance(40 * MS)
    scene.recorder.request(permit, "first", 0.040)
    scene.clock.advance(500 * MS)
    scene.recorder.request(permit, "second", 0.025)
    scene.recorder.end(permit)
    (bucket,) = scene.flush().buckets
    assert (bucket.response_time.min_s, bucket.response_time.max_s) == (0.025, 0.060)
    assert (bucket.service_time.min_s, bucket.service_time.max_s) == (0.025, 0.040)
    assert (bucket.judged, bucket.bad, bucket.bad_any) == ((1, 1), (0, 0), 0)
    assert scene.reports[0].send_lag.max_s == 0.020


def test_a_late_result_goes_to_the_bucket_of_its_due_time_in_a_later_report() -> None:
    scene = Scene(*OBJECTIVES)
    permit = scene.sent(4, 3 * BUCKET_NS)
    scene.clock.advance(3 * BUCKET_NS + 150 * MS)
    first = scene.flush()
    assert first.in_flight == (InFlight(3, 1, (1, 0)),)
    assert first.buckets == (DueBucket(3, scheduled=1, sent=1, judged=(0, 0), bad=(0, 0)),)
    scene.clock.advance(S)
    scene.recorder.request(permit, "x", 1.0)
    scene.recorder.end(permit)
    second = scene.flush()
    assert second.in_flight == ()
    assert [(b.index, b.succeeded, b.bad) for b in second.buckets] == [(3, 1, (1, 0))]
    assert second.totals == Ledger(scheduled=1, sent=1, succeeded=1)


def test_an_arrival_without_requests_is_judged_by_the_length_of_its_task() -> None:
    scene = Scene(*OBJECTIVES)
    permit = scene.sent(0, 0)
    scene.clock.advance(150 * MS)
    scene.recorder.end(permit)
    report = scene.flush()
    assert report.buckets[0].response_time.max_s == 0.150
    assert report.buckets[0].bad == (1, 0)
    assert report.totals.succeeded == 1


def test_a_failed_request_fails_its_arrival_and_a_raising_task_does_too() -> None:
    scene = Scene(*OBJECTIVES)
    failing, raising = scene.sent(0, 0), scene.sent(1, 0)
    scene.clock.advance(MS)
    scene.recorder.request(failing, "x", 0.001, error="HTTP 500")
    scene.recorder.end(failing)
    scene.recorder.request(raising, "x", 0.001)
    scene.recorder.end(raising, "ValueError")
    report = scene.flush()
    assert report.totals.failed == 2
    assert report.errors == (("HTTP 500", 1), ("ValueError", 1))
    assert (report.buckets[0].bad, report.buckets[0].bad_any) == ((2, 2), 2)


def test_a_time_out_counts_its_age_and_later_requests_of_it_count_nowhere() -> None:
    scene = Scene(*OBJECTIVES)
    permit = scene.sent(0, 0)
    scene.clock.advance(2 * S)
    scene.recorder.time_out(permit)
    scene.recorder.request(permit, "x", 2.5)
    scene.recorder.end(permit)
    report = scene.flush()
    assert report.totals == Ledger(scheduled=1, sent=1, timed_out=1)
    assert report.buckets[0].response_time.max_s == 2.0
    assert (report.requests, report.ticks) == (0, ())


def test_completions_are_counted_by_20_ms_with_errors_among_them() -> None:
    scene = Scene(*OBJECTIVES)
    for at_ms, error in ((5, None), (19, "HTTP 503"), (20, None), (61, None)):
        permit = scene.sent(at_ms, 0)
        scene.clock.ns = START_NS + at_ms * MS
        scene.recorder.request(permit, "x", 0.001, error=error)
        scene.recorder.end(permit)
    assert scene.flush().ticks == (Tick(0, 2, 1), Tick(1, 1, 0), Tick(3, 1, 0))


def test_completions_are_counted_by_the_replica_that_answers_name() -> None:
    scene = Scene(*OBJECTIVES)
    for index, replica in enumerate(("a", "b", None, "b")):
        permit = scene.sent(index, 0)
        scene.recorder.request(permit, "x", 0.001, replica=replica)
        scene.recorder.end(permit)
    report = scene.flush()
    assert report.replicas == ("a", "b")
    assert report.ticks == (Tick(0, 1, 0), Tick(0, 1, 0, 1), Tick(0, 2, 0, 2))
    assert scene.flush().replicas == ("a", "b")


def test_names_of_replicas_are_bounded_in_number_and_length() -> None:
    scene = Scene(*OBJECTIVES)
    permit = scene.sent(0, 0)
    for k in range(MOST_REPLICAS + 50):
        scene.recorder.request(permit, "x", 0.001, replica=f"{k}".zfill(500))
        scene.recorder.request(permit, "x", 0.001, replica=f"{k:02}")
    names = scene.flush().replicas
    assert len(names) == MOST_REPLICAS + 1
    assert names[-1] == OTHER_REPLICAS
    assert max(map(len, names)) == LONGEST_NAME


def test_an_arrival_that_waits_for_a_user_holds_back_those_behind_it() -> None:
    scene = Scene(*OBJECTIVES)
    waiting = scene.recorder.permit(0, 0)
    behind = scene.sent(3, MS)
    scene.clock.advance(5 * MS)
    scene.recorder.end(behind)
    report = scene.flush()
    assert (report.through_index, report.totals) == (0, Ledger())
    waiting.start, waiting.start_ns = SENT, scene.clock.ns
    report = scene.flush()
    assert (report.through_index, report.totals.scheduled) == (4, 2)
    assert (report.totals.in_flight, report.totals.succeeded) == (1, 1)


def test_the_loop_turns_between_the_parts_of_a_report() -> None:
    scene = Scene(*OBJECTIVES)
    for index in range(8):  # two slices
        scene.sent(index, index * 50 * MS)
    looks: list[int] = []

    def report() -> None:
        scene.clock.advance(S)
        gevent.idle()
        looks.clear()
        scene.flush()

    look = gevent.get_hub().loop.check()
    look.start(lambda: looks.append(1))
    gevent.spawn(report).join()
    look.stop()
    look.close()
    assert len(scene.reports[0].buckets) == 2
    assert len(looks) >= 4 + len(scene.reports[0].buckets)


def test_shed_while_overdue_is_judged_and_bad_and_other_shed_is_neither() -> None:
    scene = Scene(*OBJECTIVES)
    scene.recorder.permit(0, 0).start = SHED
    scene.recorder.permit(1, 0).start = SHED_OVERDUE
    scene.recorder.permit(2, 0).start = MISSED
    scene.recorder.permit(3, 0).start = CANCELLED
    report = scene.flush()
    assert report.totals == Ledger(scheduled=4, shed=2, shed_overdue=1, missed=1, cancelled=1)
    assert (report.buckets[0].judged, report.buckets[0].bad) == ((1, 1), (1, 1))


def test_a_client_that_measured_no_time_is_given_the_age_of_the_arrival() -> None:
    scene = Scene(*OBJECTIVES)
    permit = scene.sent(0, 0)
    scene.clock.advance(10 * MS)
    scene.recorder.request(permit, "x", -1.0)
    assert scene.flush().buckets[0].service_time.max_s == 0.010


def test_kinds_of_error_are_bounded() -> None:
    scene = Scene(*OBJECTIVES)
    for k in range(KINDS_KEPT + 50):
        scene.recorder.count_error(f"kind {k}")
    report = scene.flush()
    assert len(report.errors) == 20
    assert report.errors[0] == ("other", 50)


def test_the_ledger_balances_in_every_report_and_sums_to_its_totals(seed: int) -> None:
    for case in range(20):
        _random_probe(random.Random(seed + case))


def test_counting_many_at_once_gives_the_reports_of_counting_each(seed: int) -> None:
    for case in range(20):
        at_once = _random_probe(random.Random(seed + case))
        one_by_one = _random_probe(random.Random(seed + case), at_once=False)
        assert at_once.reports == one_by_one.reports


def _random_probe(chance: random.Random, *, at_once: bool = True) -> Scene:
    """Arrivals start, end and are lost in any order, flushed at any time."""
    scene = Scene(*OBJECTIVES, "goodput >= 95%", "p90 service_time <= 50ms")
    scene.judge.is_plain = at_once
    undecided: list[Permit] = []
    in_flight: list[Permit] = []
    count = chance.randrange(1, 300)
    for index in range(count):
        scene.clock.advance(chance.randrange(0, 20 * MS))
        undecided.append(scene.recorder.permit(index, scene.clock.ns - START_NS))
        _decide_some(chance, scene, undecided, in_flight)
        if chance.random() < 0.1:
            _check(scene, scene.flush())
    while undecided or in_flight:
        scene.clock.advance(10 * MS)
        _decide_some(chance, scene, undecided, in_flight)
    report = scene.flush()
    _check(scene, report)
    assert (report.totals.scheduled, report.through_index) == (count, count)
    assert report.totals.in_flight == 0
    return scene


def _decide_some(
    chance: random.Random, scene: Scene, undecided: list[Permit], in_flight: list[Permit]
) -> None:
    for permit in list(undecided):
        if chance.random() < 0.5:
            undecided.remove(permit)
            permit.start = chance.choice([SENT, SENT, SENT, SHED, SHED_OVERDUE, MISSED, CANCELLED])
            if permit.start == SENT:
                permit.start_ns = scene.clock.ns
                in_flight.append(permit)
    for permit in list(in_flight):
        if chance.random() < 0.3:
            in_flight.remove(permit)
            if chance.random() < 0.2:  # its first request ends before it does
                scene.recorder.request(permit, "x", 0.06)
                scene.flush()
            _end(chance, scene.recorder, permit)


def _end(chance: random.Random, recorder: Recorder, permit: Permit) -> None:
    for _ in range(chance.randrange(0, 3)):
        error = chance.choice([None, None, None, "HTTP 500"])
        recorder.request(permit, "x", chance.choice([0.001, 0.06]), error=error)
    if chance.random() < 0.2:
        recorder.time_out(permit)
    recorder.end(permit, chance.choice([None, None, "ValueError"]))
    assert permit.outcome != OPEN


def _check(scene: Scene, report: Report) -> None:
    assert report.totals.balanced
    assert report.totals.in_flight == sum(entry.count for entry in report.in_flight)
    names = {f.name for f in fields(Ledger)} & {f.name for f in fields(DueBucket)}
    for name in names:
        summed = sum(getattr(b, name) for r in scene.reports for b in r.buckets)
        assert summed == getattr(report.totals, name), name
    assert report.through_index == report.totals.scheduled
    for bucket in report.buckets:
        assert all(bad <= judged for bad, judged in zip(bucket.bad, bucket.judged, strict=True))
        assert max(bucket.bad) <= bucket.bad_any
    assert PENDING not in {permit.start for permit in scene.recorder._open}
