"""Does a worker obey who may command it, and stop by itself when nobody does any more?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from contract.arrivals import Law
from contract.messages import Drained, Ready, Stop
from contract.recorded import parse_times
from contract.report import Report
from contract.units import Rate, Seconds
from tests.workers.agents import Scene
from tests.workers.servers import eventually
from tests.workers.virtual import MS, START_NS, S, prepare


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(TOKEN="s3cret-value")
    yield made
    made.close()


def stop(probe: int | None, fence: int = 1) -> Stop:
    return Stop("r1", fence, ("w1", "w2"), probe, "enough")


def test_a_prepared_worker_says_what_it_loaded(scene: Scene) -> None:
    ready = scene.prepared(headers=(("Authorization", "Bearer ${TOKEN}"),))
    assert (ready.error, ready.user_sha256, ready.warnings) == (None, "f" * 64, ("a warning",))
    (order,) = scene.engine.orders
    assert order.headers == {"Authorization": "Bearer s3cret-value"}
    assert (order.position, order.workers) == (0, 2)
    assert scene.guard.allowed == ("127.0.0.1:9100",)
    assert (scene.bus.watched, scene.agent.run) == ("r1", "r1")
    assert scene.engine.checked == 0  # another worker was asked to


def test_the_worker_that_is_asked_to_checks_the_target(scene: Scene) -> None:
    scene.engine.check_error = "the target answers 503"
    assert scene.prepared(check_by="w1").error == "the target answers 503"
    assert scene.engine.released == 1
    assert (scene.guard.allowed, scene.agent.run) == ((), None)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"headers": (("X", "${ABSENT}"),)}, "ABSENT"),
        ({"headers": (("X", "${TONNAGE_REDIS_URL}"),)}, "TONNAGE_"),
        ({"targets": ("http://10.0.0.9:80",)}, "not among the run's allowed targets"),
        (
            {"targets": ("http://10.0.0.9:80",), "allowed_targets": ("10.0.0.9:80",)},
            "start it with --allow 10.0.0.9:80",
        ),
        ({"targets": ("nonsense",)}, "'nonsense' is not a URL"),
        ({"objectives": ("p99 speed <= 1ms",)}, "speed"),
        ({"requests_sha256": "a" * 64}, "not stored"),
    ],
)
def test_what_cannot_be_prepared_is_answered_with_the_reason(
    scene: Scene, changed: dict[str, object], says: str
) -> None:
    ready = scene.prepared(**changed)
    assert says in (ready.error or "")
    assert "s3cret" not in (ready.error or "")
    assert scene.engine.orders == []


def test_a_target_on_both_lists_may_be_loaded(scene: Scene) -> None:
    changed = {"targets": ("http://10.1.1.1",), "allowed_targets": ("10.1.1.1:80", "1.2.3.4:5")}
    assert scene.prepared(**changed).error is None
    assert scene.guard.allowed == ("10.1.1.1:80",)


def test_artefacts_must_match_their_hash(scene: Scene) -> None:
    sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    scene.bus.artefacts[sha256] = b"bar"
    assert "do not match their hash" in str(scene.prepared(requests_sha256=sha256).error)
    scene.bus.artefacts[sha256] = b"foo"
    assert scene.prepared(requests_sha256=sha256).error is None
    assert scene.engine.orders[0].requests == b"foo"


def test_a_plan_is_carried_out_reported_each_cadence_and_drained_at_its_end(scene: Scene) -> None:
    scene.prepared()
    plan = scene.plan()
    scene.agent.obey(plan)
    scene.pass_time(11.0)
    reports = scene.bus.of(Report)
    drained = scene.drained(1)
    owed = len(plan.schedule().times()[0::2])
    assert (drained.reason, drained.totals.scheduled) == ("the plan's end", owed)
    assert drained.totals.succeeded == owed
    assert [r.through_ns // (250 * MS) for r in reports[:-1]] == list(range(1, len(reports)))
    assert [r.final for r in reports] == [False] * (len(reports) - 1) + [True]
    assert all(r.totals.balanced for r in reports)


def test_who_watches_the_process_hears_when_a_probe_begins_and_when_there_is_none(
    scene: Scene,
) -> None:
    scene.prepared()
    scene.pass_time(0.1)
    scene.agent.obey(scene.plan(duration_s=Seconds(1.0)))
    assert scene.watch.told == ["rest", "begin"]
    scene.pass_time(1.0)
    assert scene.watch.told == ["rest", "begin"]
    scene.pass_time(1.0)
    assert scene.watch.told == ["rest", "begin", "rest"]


def test_a_share_by_weight_is_sent_and_capped_by_the_weight(scene: Scene) -> None:
    scene.prepared()
    plan = scene.plan(weights=(4096, 1024))
    scene.agent.obey(plan)
    scene.pass_time(11.0)
    owed = plan.shares().owed(0, len(plan.schedule().times()))
    assert scene.drained(1).totals.succeeded == owed > 700
    assert plan.in_flight_cap_of(0) == 80


def test_recorded_times_are_replayed(scene: Scene) -> None:
    data = b"\n".join(b"%d" % (k * k) for k in range(200))
    sha256 = hashlib.sha256(data).hexdigest()
    assert "recorded times" in str(scene.prepared(times_sha256=sha256).error)
    scene.bus.artefacts[sha256] = data
    assert scene.prepared(times_sha256=sha256).error is None
    plan = scene.plan(law=Law("replay", times=sha256))
    scene.agent.obey(plan)
    scene.pass_time(11.0)
    owed = len(plan.schedule(parse_times(data)).times()[0::2])
    assert scene.drained(1).totals.succeeded == owed > 300


def test_recorded_times_that_cannot_be_read_are_an_answer(scene: Scene) -> None:
    sha256 = hashlib.sha256(b"2\n1\n").hexdigest()
    scene.bus.artefacts[sha256] = b"2\n1\n"
    ready = scene.prepared(times_sha256=sha256)
    assert str(ready.error).startswith("recorded times: line 2: '1' is before '2'")


def test_a_stop_ends_the_probe_and_the_rest_of_the_slice_is_cancelled(scene: Scene) -> None:
    scene.prepared()
    scene.agent.obey(scene.plan())
    scene.pass_time(1.6)
    scene.agent.obey(stop(1))
    scene.pass_time(0.1)
    drained = scene.drained(1)
    final = scene.bus.of(Report)[-1]
    assert (drained.reason, drained.totals) == ("enough", final.totals)
    assert drained.totals.cancelled > 0
    assert drained.totals.missed == 0
    owed = len(range(0, final.through_index, 2))
    assert drained.totals.scheduled == owed
    scene.agent.obey(stop(1))
    assert scene.bus.of(Drained) == [drained, drained]


def test_a_closed_loop_waits_for_answers_and_owes_nothing_for_it(scene: Scene) -> None:
    scene.engine.works = False
    scene.prepared(timeout_s=1.0)
    scene.agent.obey(scene.plan(streams=3, duration_s=Seconds(5.0)))
    scene.pass_time(8.0)
    final = scene.bus.of(Report)[-1]
    totals = scene.drained(1).totals
    assert max(r.totals.in_flight for r in scene.bus.of(Report)) == 3
    assert (totals.sent, totals.timed_out) == (totals.scheduled, totals.scheduled)
    assert 3 * 4 <= totals.sent <= 3 * 6
    assert totals.scheduled == len(range(0, final.through_index, 2))
    assert (totals.shed, totals.missed, totals.cancelled) == (0, 0, 0)


def test_what_is_in_flight_when_the_stop_comes_may_finish_or_time_out(scene: Scene) -> None:
    scene.engine.works = False
    scene.prepared()
    scene.agent.obey(scene.plan())
    scene.pass_time(0.6)
    scene.agent.obey(stop(1))
    scene.pass_time(0.5)
    assert scene.bus.of(Drained) == []
    assert scene.bus.of(Report)[-1].totals.in_flight > 0
    scene.pass_time(2.0)
    totals = scene.drained(1).totals
    assert (totals.timed_out, totals.in_flight) == (totals.sent, 0)


def test_a_late_plan_misses_what_was_overdue_and_sends_the_rest(scene: Scene) -> None:
    scene.prepared()
    scene.agent.obey(scene.plan(epoch_us=(scene.clock.ns - 1100 * MS) // 1000))
    scene.pass_time(0.5)
    totals = scene.bus.of(Report)[-1].totals
    assert totals.missed == 50
    assert totals.succeeded > 10


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rate": Rate(121.0)}, "above the ceiling of 60/s"),
        ({"ramp_from": Rate(121.0), "ramp_s": Seconds(1.0)}, "above the ceiling"),
        ({"profile": ((0.0, 1.0), (5.0, 1.3))}, "130/s is above the ceiling"),
        ({"epoch_us": (START_NS - 20 * S) // 1000}, "had ended before it came"),
        ({"run": "r2"}, "not prepared for run r2"),
        ({"in_flight_cap": 0}, "in_flight_cap"),
    ],
)
def test_a_plan_that_may_not_be_carried_out_is_refused_with_the_reason(
    scene: Scene, changed: dict[str, Any], says: str
) -> None:
    scene.prepared()
    scene.agent.obey(scene.plan(**changed))
    (drained,) = scene.bus.of(Drained)
    assert (drained.probe, drained.totals.scheduled) == (1, 0)
    assert says in drained.reason
    assert scene.agent.probe is None


def test_a_lower_fence_is_not_obeyed_and_a_higher_one_is(scene: Scene) -> None:
    scene.prepared(fence=5)
    scene.agent.obey(scene.plan(fence=4))
    assert (scene.agent.probe, scene.bus.of(Drained)) == (None, [])
    scene.agent.obey(scene.plan(fence=6))
    scene.pass_time(1.0)
    scene.agent.obey(stop(1, fence=5))
    assert scene.agent.probe == 1
    scene.agent.obey(stop(1, fence=6))
    scene.pass_time(0.1)
    assert scene.drained(1).fence == 6


def test_a_message_that_names_others_is_not_obeyed(scene: Scene) -> None:
    scene.agent.obey(prepare(workers=("w2", "w3")))
    gevent.sleep(0)
    assert (scene.agent.run, scene.bus.sent) == (None, [])


def test_without_a_new_beat_for_three_seconds_the_load_stops_and_the_run_is_let_go(
    scene: Scene,
) -> None:
    scene.prepared()
    scene.agent.obey(scene.plan())
    scene.pass_time(2.0)
    scene.pass_time(3.0, beats=False)
    assert scene.agent.probe == 1
    before = scene.bus.of(Report)[-1].totals.sent
    scene.pass_time(0.2, beats=False)
    drained = scene.drained(1)
    assert drained.reason == "no beat of the controller for 3 s"
    assert drained.totals.sent <= before + 12  # at most until the three seconds were over
    assert scene.bus.of(Report)[-1].health.note == drained.reason
    assert scene.drained(None).totals == drained.totals
    assert (scene.agent.run, scene.guard.allowed) == (None, ())


def test_a_process_that_slept_through_the_dead_mans_time_sends_no_burst(scene: Scene) -> None:
    scene.prepared()
    scene.agent.obey(scene.plan())
    scene.pass_time(2.0)
    before = scene.bus.of(Report)[-1].totals.sent
    scene.clock.advance(5 * S)
    scene.pass_time(0.1, beats=False)
    totals = scene.drained(1).totals
    assert totals.sent - before < 15
    assert totals.missed > 200


def test_a_prepared_run_that_nobody_resumes_is_let_go(scene: Scene) -> None:
    scene.prepared()
    scene.pass_time(149.0, beats=False)
    assert scene.agent.run == "r1"
    scene.pass_time(2.0, beats=False)
    assert "no beat" in scene.drained(None).reason


def test_stop_without_a_probe_ends_the_run_and_says_so_even_twice(scene: Scene) -> None:
    scene.prepared()
    scene.agent.obey(scene.plan())
    scene.pass_time(1.0)
    scene.agent.obey(stop(None))
    scene.pass_time(0.1)
    whole = scene.drained(None)
    assert scene.drained(1).totals == whole.totals
    assert [d.probe for d in scene.bus.of(Drained)] == [1, None]
    assert (scene.engine.released, scene.agent.run) == (1, None)
    scene.agent.obey(stop(None))
    scene.agent.tick()
    eventually(lambda: len(scene.bus.of(Drained)) == 3)


def test_a_stop_interrupts_the_preparation(scene: Scene) -> None:
    scene.engine.spawn_takes_s = 1000.0
    scene.agent.obey(prepare())
    eventually(lambda: scene.engine.users > 0)
    scene.agent.obey(stop(None))
    scene.agent.tick()
    assert scene.drained(None).reason == "enough"
    assert scene.bus.of(Ready) == []


def test_a_worker_in_use_refuses_another_run_until_its_controller_is_silent(scene: Scene) -> None:
    scene.prepared()
    scene.pass_time(0.1)
    assert "busy with run r1" in str(scene.prepared(run="r2").error)
    assert scene.agent.run == "r1"
    scene.pass_time(4.0, beats=False)
    assert scene.prepared(run="r2").error is None
    assert scene.agent.run == "r2"


def test_the_next_plan_waits_until_the_one_before_is_drained(scene: Scene) -> None:
    scene.engine.works = False
    scene.prepared()
    scene.agent.obey(scene.plan(1))
    scene.pass_time(0.6)
    scene.agent.obey(scene.plan(2))
    assert scene.agent.probe == 1
    scene.pass_time(2.5)
    assert scene.drained(1).reason == "the next plan came"
    assert scene.agent.probe == 2


def test_shutting_down_says_what_was_lost(scene: Scene) -> None:
    scene.engine.works = False
    scene.prepared()
    scene.agent.obey(scene.plan())
    scene.pass_time(0.7)
    scene.agent.shut_down("SIGTERM")
    drained = scene.drained(1)
    assert drained.reason == "SIGTERM"
    assert drained.totals.failed == drained.totals.sent > 0
    assert scene.bus.of(Report)[-1].final


def test_users_that_start_slowly_are_asked_for_before_ready_and_a_shortage_is_told(
    scene: Scene,
) -> None:
    scene.engine.start_warning = "slow"
    ready = scene.prepared(max_rate=Rate(100.0), timeout_s=Seconds(2.0))
    assert (ready.error, ready.warnings) == (None, ("a warning", "slow"))
    assert scene.engine.slow == 200  # 50/s for 2 s and 2 s more
