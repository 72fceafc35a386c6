"""How sure is a worker of the Redis clock, and does a clock that is ahead ring its timers in time?"""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from workers import timer
from workers.clock import DRIFT, KEPT, NS_PER_S, Local, RedisClock
from workers.timer import FdTimer, LoopTimer

AHEAD_NS = 3_600 * NS_PER_S


def exchange(at_ns: int, trip_ns: int, offset_ns: int = 0) -> tuple[int, int, int]:
    """One whose way there takes as long as its way back."""
    middle_ns = at_ns + trip_ns // 2
    return at_ns, (middle_ns + offset_ns) // 1_000, at_ns + trip_ns


def test_a_sure_exchange_outlasts_later_ones_that_are_less_sure() -> None:
    clock = RedisClock()
    clock.calibrate([exchange(0, 1_000_000)])
    clock.calibrate([(1_000_000_000, 1_090_000, 1_100_000_000)])  # slow there, quick back
    assert clock.local_ns(500) == 500_000
    assert clock.error_us == pytest.approx(500 + 1.1e6 * DRIFT, rel=0.01)


def test_an_exchange_is_worth_less_the_older_it_is() -> None:
    clock = RedisClock()
    clock.calibrate([exchange(0, 1_000_000)])
    clock.calibrate([exchange(100 * NS_PER_S, 4_000_000, offset_ns=1_000_000)])
    assert clock.error_us == 2_000
    assert clock.redis_us(100 * NS_PER_S) == 100_001_000


def test_a_redis_clock_that_was_set_is_believed_at_once() -> None:
    clock = RedisClock()
    for second in range(5):
        clock.calibrate([exchange(second * NS_PER_S, 1_000_000)])
    clock.calibrate([exchange(5 * NS_PER_S, 200_000_000, offset_ns=10 * NS_PER_S)])
    assert clock.redis_us(0) == 10_000_000
    clock.calibrate([exchange(6 * NS_PER_S, 1_000_000, offset_ns=10 * NS_PER_S)])
    assert clock.error_us == 500


def test_only_the_latest_exchanges_are_kept() -> None:
    clock = RedisClock()
    clock.calibrate([exchange(0, 0)])
    for second in range(1, KEPT + 1):
        clock.calibrate([exchange(second * NS_PER_S, 100_000_000)])
    assert clock.error_us >= 50_000


@pytest.mark.parametrize("kind", [FdTimer, LoopTimer])
def test_a_timer_of_a_clock_that_is_ahead_rings_by_the_kernels(
    kind: type[FdTimer] | type[LoopTimer], monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = Local(AHEAD_NS)
    monkeypatch.setattr(timer, "LOCAL", ahead)
    monkeypatch.setattr(timer, "monotonic_ns", ahead.monotonic_ns)
    rung = Event()
    ring = kind(rung.set)
    try:
        ring.arm(ahead.monotonic_ns() + 20_000_000)
        gevent.idle()
        assert rung.wait(30.0)  # not in an hour
    finally:
        ring.close()
