"""Who gets a permit, what waits, what is shed, and what is interrupted?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import gevent
import pytest

from contract.report import Health, Ledger
from tests.workers.virtual import HEADER, MS, START_NS, Clock, S, judge
from workers.gate import Gate, Lane
from workers.permit import SENT, ArrivalTimedOut, Permit
from workers.recorder import Recorder


class Scene:
    """A gate with hand-made users: each takes a permit and works until told to finish."""

    def __init__(self, *, cap: int = 100, weights: tuple[float, ...] = (1.0,)) -> None:
        self.clock = Clock()
        self.gate = Gate(now=self.clock)
        self.lanes = self.gate.set_lanes(weights)
        self.judge = judge("p99 response_time <= 100ms")
        self.recorder = Recorder(HEADER, self.judge, START_NS, now=self.clock)
        self.started: list[tuple[int, Permit]] = []
        self.survived: list[int] = []
        self.users: list[gevent.Greenlet[..., None]] = []
        self._index = 0
        self.gate.open(cap=cap, timeout_s=2.0, overdue_s=self.judge.overdue_s(2.0), seed=1)

    def add_users(self, count: int, lane: Lane | None = None, busy: bool = False) -> None:
        for _ in range(count):
            number = len(self.users)
            user = gevent.spawn(self._work, number, lane or self.lanes[0], busy)
            self.users.append(user)
        gevent.sleep(0)

    def release(self, count: int = 1) -> list[Permit]:
        permits = []
        for _ in range(count):
            permit = self.recorder.permit(self._index, self.clock.ns - START_NS)
            self.gate.release(permit)
            permits.append(permit)
            self._index += 1
        for _ in range(3):
            gevent.sleep(0)
        return permits

    def totals(self) -> Ledger:
        totals = self.recorder.flush(0, Health()).totals
        assert totals.balanced
        return totals

    def close(self) -> None:
        gevent.killall(self.users)

    def _work(self, number: int, lane: Lane, busy: bool) -> None:
        while True:
            permit = self.gate.acquire(lane)
            self.started.append((number, permit))
            try:
                while busy:
                    gevent.sleep(1000)
            except ArrivalTimedOut:
                self.survived.append(number)
                busy = False
            finally:
                self.gate.finish(permit)


MakeScene = Callable[..., Scene]


@pytest.fixture
def make() -> Iterator[MakeScene]:
    scenes: list[Scene] = []

    def make_scene(**options: object) -> Scene:
        scenes.append(Scene(**options))  # type: ignore[arg-type]
        return scenes[-1]

    yield make_scene
    for scene in scenes:
        scene.close()


def test_idle_users_are_taken_at_random_and_not_the_last_one_again(make: MakeScene) -> None:
    scene = make()
    scene.add_users(20)
    for _ in range(400):
        scene.release()
    uses = Counter(number for number, _ in scene.started)
    assert len(uses) == 20
    assert max(uses.values()) < 3 * 400 / 20


def test_the_same_seed_chooses_the_same_users(make: MakeScene) -> None:
    chosen = []
    for _ in range(2):
        scene = make()
        scene.add_users(10)
        for _ in range(50):
            scene.release()
        chosen.append([number for number, _ in scene.started])
    assert chosen[0] == chosen[1]


def test_without_an_idle_user_a_permit_waits_and_keeps_its_due_time(make: MakeScene) -> None:
    scene = make()
    short: list[Lane] = []
    scene.gate.short = short.append
    (permit,) = scene.release()
    due_ns = permit.due_ns
    assert (scene.gate.waiting, short) == (1, [scene.lanes[0]])
    scene.clock.advance(300 * MS)
    scene.add_users(1)
    assert (permit.start, permit.due_ns) == (SENT, due_ns)
    assert permit.start_ns - permit.due_ns == 300 * MS
    assert scene.totals().succeeded == 1


def test_over_the_cap_arrivals_are_shed_and_the_ledger_says_so(make: MakeScene) -> None:
    scene = make(cap=3)
    scene.add_users(5, busy=True)
    scene.release(5)
    assert scene.totals() == Ledger(scheduled=5, sent=3, shed=2, in_flight=3)


def test_what_waits_for_a_user_counts_towards_the_cap(make: MakeScene) -> None:
    scene = make(cap=3)
    scene.release(5)
    assert (scene.gate.waiting, scene.gate.in_flight) == (3, 0)
    assert scene.totals() == Ledger()  # the first arrival is not decided yet
    scene.gate.close()
    assert scene.totals() == Ledger(scheduled=5, shed=5)


def test_shed_while_the_oldest_in_flight_is_over_its_limit_is_the_targets_doing(
    make: MakeScene,
) -> None:
    scene = make(cap=1)
    scene.add_users(1, busy=True)
    scene.release(2)
    scene.clock.advance(100 * MS)
    scene.release(1)
    scene.clock.advance(10 * MS)
    scene.release(3)
    assert scene.totals() == Ledger(scheduled=6, sent=1, shed=5, shed_overdue=3, in_flight=1)


def test_at_its_time_out_a_task_is_interrupted_and_its_user_goes_on(make: MakeScene) -> None:
    scene = make()
    scene.add_users(1, busy=True)
    scene.release()
    scene.clock.advance(2 * S - 1)
    scene.gate.sweep()
    gevent.sleep(0)
    assert scene.survived == []
    scene.clock.advance(1)
    scene.gate.sweep()
    gevent.sleep(0)
    assert scene.survived == [0]
    assert scene.totals() == Ledger(scheduled=1, sent=1, timed_out=1)
    scene.release()
    assert scene.totals() == Ledger(scheduled=2, sent=2, timed_out=1, succeeded=1)


def test_an_arrival_that_ends_after_its_time_out_has_timed_out(make: MakeScene) -> None:
    scene = make()
    (permit,) = scene.release()
    scene.clock.advance(3 * S)  # no sweep meanwhile
    scene.add_users(1)
    assert permit.start == SENT
    assert scene.totals() == Ledger(scheduled=1, sent=1, timed_out=1)


def test_a_task_that_ends_while_its_interruption_is_on_the_way_is_not_hit_later(
    make: MakeScene,
) -> None:
    scene = make()
    permit = scene.recorder.permit(0, 0)
    caught: list[BaseException] = []

    def user() -> None:
        taken = scene.gate.acquire(scene.lanes[0])
        gevent.sleep(0)
        scene.gate.finish(taken)
        try:
            scene.gate.acquire(scene.lanes[0])
        except BaseException as error:
            caught.append(error)
            raise

    scene.users.append(gevent.spawn(user))
    gevent.sleep(0)
    scene.gate.release(permit)
    gevent.sleep(0)
    scene.clock.advance(3 * S)
    scene.gate.sweep()
    for _ in range(3):
        gevent.sleep(0)
    assert not any(isinstance(error, ArrivalTimedOut) for error in caught)


def test_a_user_that_dies_when_chosen_leaves_its_permit_to_another(make: MakeScene) -> None:
    scene = make()
    scene.add_users(1)
    permit = scene.recorder.permit(0, 0)
    scene.gate.release(permit)
    scene.users[0].kill(block=False)  # before it runs
    scene.users[0].join()
    scene.add_users(1)
    assert scene.gate.in_flight == 0
    assert scene.totals() == Ledger(scheduled=1, sent=1, succeeded=1)


def test_a_user_that_dies_idle_is_not_chosen_any_more(make: MakeScene) -> None:
    scene = make()
    scene.add_users(5)
    gevent.killall(scene.users[1:4])
    scene.release(50)
    assert {number for number, _ in scene.started} == {0, 4}
    assert scene.totals().succeeded == 50


def test_a_closed_gate_sheds(make: MakeScene) -> None:
    scene = make()
    scene.add_users(1)
    scene.gate.close()
    scene.release()
    assert scene.totals() == Ledger(scheduled=1, shed=1)


def test_user_classes_get_arrivals_by_their_weight(make: MakeScene) -> None:
    scene = make(weights=(3.0, 1.0))
    scene.add_users(2, scene.lanes[0])
    scene.add_users(20, scene.lanes[1])  # more idle users do not attract more arrivals
    for _ in range(400):
        scene.release()
    first = sum(number < 2 for number, _ in scene.started)
    assert 250 < first < 350
    assert scene.totals().succeeded == 400


def test_abandoning_fails_what_is_in_flight(make: MakeScene) -> None:
    scene = make()
    scene.add_users(3, busy=True)
    scene.release(3)
    scene.gate.abandon("the worker ends")
    assert scene.totals() == Ledger(scheduled=3, sent=3, failed=3)
    assert scene.gate.in_flight == 0
