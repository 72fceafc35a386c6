"""Is every arrival released when it is due, with its due time, and none forgotten?"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

import gevent
import numpy as np
import pytest
from gevent.event import Event

from contract.arrivals import Law, Schedule
from contract.shares import Stride
from contract.units import Rate, Seconds
from tests.workers.servers import eventually
from tests.workers.virtual import MS, START_NS, Clock, S, Timers
from workers.clock import monotonic_ns
from workers.pacer import Pacer
from workers.timer import (
    LOOK_EVERY,
    FdTimer,
    LoopTimer,
    Timer,
    in_a_long_turn,
    make_timer,
)


@dataclass
class Sink:
    clock: Clock
    released: list[tuple[int, int, int]] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)

    def release(self, index: int, due_ns: int) -> None:
        self.released.append((index, due_ns, self.clock.ns))

    def miss(self, index: int, due_ns: int) -> None:
        self.missed.append(index)

    def cancel(self, index: int, due_ns: int) -> None:
        self.cancelled.append(index)


class Scene:
    """A pacer in virtual time; arrivals are due at these ns after the epoch."""

    def __init__(self, due_ns: Iterable[int]) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.sink = Sink(self.clock)
        due = np.array(list(due_ns), dtype=np.int64)
        share = iter([(np.arange(len(due), dtype=np.int64), due)])
        self.pacer = Pacer(share, START_NS, self.sink, now=self.clock, timer=self.timers)
        self.pacer.extend(START_NS + 1000 * S)


def test_each_arrival_is_released_at_its_due_time() -> None:
    scene = Scene([0, 10 * MS, 25 * MS])
    scene.pacer.start(START_NS)
    scene.timers.run_until(START_NS + S)
    assert scene.sink.released == [
        (0, 0, START_NS),
        (1, 10 * MS, START_NS + 10 * MS),
        (2, 25 * MS, START_NS + 25 * MS),
    ]
    assert scene.pacer.exhausted


def test_after_a_blocked_loop_all_that_is_due_goes_out_at_once_with_its_own_due_time() -> None:
    scene = Scene(k * MS for k in range(2000))
    scene.pacer.start(START_NS)
    scene.timers.run_until(START_NS + 100 * MS)
    before = len(scene.sink.released)
    scene.clock.advance(S)  # nothing ran meanwhile
    scene.timers.run_until(scene.clock.ns)
    burst = scene.sink.released[before:]
    assert {at for _, _, at in burst} == {scene.clock.ns}
    assert [due for _, due, _ in burst] == [k * MS for k in range(before, before + len(burst))]
    assert len(burst) >= 999
    assert scene.sink.missed == []


def test_what_was_overdue_when_the_plan_came_is_missed_and_not_sent_in_a_burst() -> None:
    scene = Scene(k * 10 * MS for k in range(100))
    scene.clock.advance(500 * MS)
    scene.pacer.start(scene.clock.ns)
    assert scene.sink.missed == list(range(40))
    assert [index for index, _, _ in scene.sink.released] == list(range(40, 51))


def test_a_stop_cancels_the_rest_of_the_slice_and_leaves_later_ones_alone() -> None:
    scene = Scene(k * 10 * MS for k in range(100))
    scene.pacer.start(START_NS)
    scene.timers.run_until(START_NS + 105 * MS)
    scene.pacer.stop()
    scene.pacer.stop()
    assert [index for index, _, _ in scene.sink.released] == list(range(11))
    assert scene.sink.cancelled == list(range(11, 25))
    assert scene.sink.missed == []
    scene.timers.run_until(START_NS + S)
    assert len(scene.sink.released) == 11
    assert scene.pacer.exhausted


def test_a_stop_before_the_epoch_accounts_for_nothing() -> None:
    scene = Scene([0, MS])
    scene.clock.advance(-300 * MS)
    scene.pacer.start(scene.clock.ns)
    scene.pacer.stop()
    assert (scene.sink.released, scene.sink.missed, scene.sink.cancelled) == ([], [], [])


def test_nothing_is_released_after_the_lease_and_what_was_due_then_is_missed() -> None:
    scene = Scene(k * 10 * MS for k in range(100))
    scene.pacer.extend(START_NS + 50 * MS)
    scene.pacer.start(START_NS)
    scene.timers.run_until(START_NS + 80 * MS)
    assert [index for index, _, _ in scene.sink.released] == list(range(6))
    scene.pacer.stop()
    assert scene.sink.missed == [6, 7, 8]


def test_a_lease_that_is_extended_after_it_ran_out_is_used_again() -> None:
    scene = Scene(k * 10 * MS for k in range(100))
    scene.pacer.extend(START_NS + 50 * MS)
    scene.pacer.start(START_NS)
    scene.timers.run_until(START_NS + 80 * MS)
    scene.pacer.extend(START_NS + 60 * MS)  # not far enough
    assert len(scene.sink.released) == 6
    scene.pacer.extend(START_NS + 120 * MS)
    scene.timers.run_until(START_NS + 200 * MS)
    released = [(index, at - START_NS) for index, _, at in scene.sink.released[6:]]
    assert released == [(6, 80 * MS), (7, 80 * MS), (8, 80 * MS)] + [
        (k, k * 10 * MS) for k in range(9, 13)
    ]


def test_shares_of_a_real_schedule_are_released_whole_and_in_order() -> None:
    schedule = Schedule(Law("poisson"), 3, 1, Rate(2000.0), Seconds(10.0))
    released: list[int] = []
    for position in range(3):
        clock = Clock()
        sink, timers = Sink(clock), Timers(clock)
        share = schedule.share(position, Stride(3))
        pacer = Pacer(share, START_NS, sink, now=clock, timer=timers)
        pacer.extend(START_NS + 100 * S)
        pacer.start(START_NS)
        timers.run_until(START_NS + 11 * S)
        indices = [index for index, _, _ in sink.released]
        assert indices == sorted(indices)
        assert all(at - START_NS >= due for _, due, at in sink.released)
        released += indices
    assert sorted(released) == list(range(len(schedule.times())))


def is_open(descriptor: int) -> bool:
    """Whether the loop has not closed it yet."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", [FdTimer, LoopTimer, make_timer])
def test_a_real_timer_rings_once_and_not_before_its_time(kind: type[FdTimer]) -> None:
    rang = Event()
    at: list[int] = []

    def ring() -> None:
        at.append(monotonic_ns())
        rang.set()

    timer: Timer = kind(ring)
    due_ns = monotonic_ns() + 5 * MS
    timer.arm(due_ns)
    with gevent.Timeout(10):
        rang.wait()
    rang.clear()
    timer.arm(due_ns)  # in the past: at once
    with gevent.Timeout(10):
        rang.wait()
    descriptor = getattr(timer, "_fd", None)
    timer.close()
    eventually(lambda: descriptor is None or not is_open(descriptor))
    assert len(at) == 2
    # The loop's timer rounds to its millisecond.
    assert at[0] >= due_ns - MS


@pytest.mark.parametrize("kind", [FdTimer, LoopTimer])
def test_a_timer_that_is_armed_anew_as_it_rings_is_never_forgotten(kind: type[FdTimer]) -> None:
    rings: list[int] = []

    def ring() -> None:
        rings.append(monotonic_ns())
        if len(rings) < 300:
            timer.arm(rings[-1] + len(rings) % 7 * 20_000)

    timer = kind(ring)
    timer.arm(monotonic_ns())
    with gevent.Timeout(30):
        while len(rings) < 300:
            gevent.sleep(0.01)
    timer.close()


def test_in_a_long_turn_of_the_loop_it_is_looked_for_what_is_due() -> None:
    rings: list[str] = []
    seen: list[list[str]] = []
    timer = FdTimer(lambda: rings.append("rang"))

    def handle_events() -> None:
        timer.arm(monotonic_ns())
        for _ in range(LOOK_EVERY):
            in_a_long_turn()
        seen.append(list(rings))

    gevent.get_hub().loop.run_callback(handle_events)
    gevent.sleep(0.01)
    timer.close()
    assert seen == [["rang"]]
