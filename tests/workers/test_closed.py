"""Does a closed loop wait for answers, and count from the send, as ordinary generators do?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tests.workers.virtual import MS, START_NS, Clock, S, Timers
from workers.closed import HELD_GAP_NS, ClosedPacer


@dataclass
class Sink:
    """Arrivals in flight, which end when the test says so."""

    clock: Clock
    released: list[tuple[int, int, int]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    in_flight: int = 0

    def release(self, index: int, due_ns: int) -> None:
        self.in_flight += 1
        self.released.append((index, due_ns, self.clock.ns - START_NS))

    def miss(self, index: int, due_ns: int) -> None:
        self.lost.append(index)

    def cancel(self, index: int, due_ns: int) -> None:
        self.lost.append(index)


class Scene:
    def __init__(self, due_ns: Iterable[int], *, streams: int, length_ns: int = 10 * S) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.sink = Sink(self.clock)
        due = np.array(list(due_ns), dtype=np.int64)
        share = iter([(np.arange(len(due), dtype=np.int64), due)])
        self.pacer = ClosedPacer(
            share,
            START_NS,
            self.sink,
            streams=streams,
            busy=lambda: self.sink.in_flight,
            length_ns=length_ns,
            now=self.clock,
            timer=self.timers,
        )
        self.pacer.extend(START_NS + 1000 * S)
        self.pacer.start(START_NS)

    def run_until(self, after_ns: int) -> None:
        self.timers.run_until(START_NS + after_ns)


def test_with_streams_to_spare_it_is_paced_as_an_open_loop() -> None:
    scene = Scene([0, 10 * MS, 25 * MS], streams=3)
    scene.run_until(S)
    assert [due for _, due, _ in scene.sink.released] == [0, 10 * MS, 25 * MS]
    assert scene.pacer.exhausted


def test_while_all_streams_wait_nothing_is_sent_and_the_schedule_stands_still() -> None:
    scene = Scene([0, 10 * MS, 20 * MS, 30 * MS], streams=1)
    scene.run_until(500 * MS)
    assert [index for index, _, _ in scene.sink.released] == [0]
    scene.sink.in_flight = 0
    scene.run_until(502 * MS)
    index, due_ns, at_ns = scene.sink.released[1]
    assert (index, due_ns) == (1, at_ns)
    assert 500 * MS <= at_ns <= 500 * MS + HELD_GAP_NS
    scene.sink.in_flight = 0
    scene.run_until(505 * MS)
    assert len(scene.sink.released) == 2
    scene.run_until(515 * MS)
    assert scene.sink.released[2][1] == due_ns + 10 * MS


def test_what_the_plan_has_no_time_left_for_is_neither_sent_nor_lost() -> None:
    scene = Scene([k * 100 * MS for k in range(10)], streams=1, length_ns=S)
    scene.run_until(850 * MS)
    scene.sink.in_flight = 0
    scene.run_until(2 * S)
    assert [index for index, _, _ in scene.sink.released] == [0, 1]
    scene.sink.in_flight = 0
    scene.run_until(3 * S)
    assert len(scene.sink.released) == 3 - 1
    assert scene.sink.lost == []


def test_a_stop_loses_nothing_that_was_held_back() -> None:
    scene = Scene([0, 10 * MS, 20 * MS], streams=1)
    scene.run_until(100 * MS)
    scene.pacer.stop()
    scene.pacer.stop()
    assert scene.pacer.exhausted
    scene.sink.in_flight = 0
    scene.run_until(S)
    assert len(scene.sink.released) == 1
    assert scene.sink.lost == []
