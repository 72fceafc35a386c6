"""Does the demo server's accelerator take and hold requests as its flags say?"""

from collections.abc import Callable

import pytest

from deploy.demo.batching import CATCH_UP_S, Batcher, Stalls, Timing

TIMING = Timing(base_s=0.020, per_item_s=0.005, max_batch=4, queue_bound=6)


def loaded(count: int, timing: Timing = TIMING) -> Batcher[int]:
    batcher: Batcher[int] = Batcher(timing)
    for key in range(count):
        batcher.offer(key, 0.0)
    return batcher


def test_a_free_accelerator_takes_a_lone_request_at_once() -> None:
    turn = loaded(1).turn(0.0)
    assert turn.started is not None
    assert turn.started.keys == (0,)
    assert turn.wake_s == pytest.approx(0.025)


def test_a_batch_takes_the_oldest_up_to_the_maximum() -> None:
    batcher = loaded(6)
    turn = batcher.turn(0.0)
    assert turn.started is not None
    assert turn.started.keys == (0, 1, 2, 3)
    assert turn.started.deadline_s == pytest.approx(0.040)
    assert batcher.queued == 2


def test_requests_wait_while_a_batch_runs_and_are_taken_together_when_it_ends() -> None:
    batcher = loaded(1)
    batcher.turn(0.0)
    batcher.offer(7, 0.001)
    batcher.offer(8, 0.002)
    early = batcher.turn(0.010)
    assert early.finished is None
    assert early.started is None
    assert early.wake_s == pytest.approx(0.025)
    turn = batcher.turn(0.025)
    assert turn.finished is not None
    assert turn.finished.keys == (0,)
    assert turn.started is not None
    assert turn.started.keys == (7, 8)


def test_lateness_of_timers_does_not_add_up_under_load() -> None:
    batcher = loaded(1)
    now_s = batcher.turn(0.0).wake_s
    for number in range(1, 101):
        assert now_s is not None
        batcher.offer(number, now_s - 0.010)
        now_s = batcher.turn(now_s + 0.001).wake_s  # a millisecond late every time
    assert now_s == pytest.approx(101 * 0.025)


def test_a_long_pause_of_the_process_is_not_won_back() -> None:
    batcher = loaded(5)
    batcher.turn(0.0)
    turn = batcher.turn(1.0)
    assert turn.started is not None
    assert turn.started.start_s == pytest.approx(1.0 - CATCH_UP_S)


def test_no_batch_starts_before_its_oldest_request_came() -> None:
    batcher = loaded(1)
    batcher.turn(0.0)
    batcher.offer(1, 0.0252)  # between the deadline and the late look at it
    turn = batcher.turn(0.0253)
    assert turn.started is not None
    assert turn.started.start_s == pytest.approx(0.0252)


def test_the_queue_turns_requests_away_at_its_bound() -> None:
    batcher = loaded(6)
    assert not batcher.offer(6, 0.0)
    batcher.turn(0.0)
    assert batcher.offer(6, 0.0)


def test_a_withdrawn_request_is_not_served() -> None:
    batcher = loaded(3)
    assert batcher.withdraw(1)
    assert not batcher.withdraw(1)
    turn = batcher.turn(0.0)
    assert turn.started is not None
    assert turn.started.keys == (0, 2)


def test_warming_up_is_slower_until_its_time_after_the_first_request_is_over() -> None:
    timing = Timing(0.020, 0.005, 4, slowdown=4.0, warm_up_s=30.0)
    batcher: Batcher[int] = Batcher(timing)
    batcher.offer(0, 100.0)
    cold = batcher.turn(100.0).started
    batcher.turn(101.0)
    batcher.offer(1, 129.99)
    still_cold = batcher.turn(129.99).started
    batcher.turn(131.0)
    batcher.offer(2, 131.0)
    warm = batcher.turn(131.0).started
    assert cold is not None
    assert still_cold is not None
    assert warm is not None
    assert [cold.warm, still_cold.warm, warm.warm] == [False, False, True]
    assert cold.deadline_s - cold.start_s == pytest.approx(0.100)
    assert still_cold.deadline_s - still_cold.start_s == pytest.approx(0.100)
    assert warm.deadline_s - warm.start_s == pytest.approx(0.025)


def test_a_stall_holds_back_the_start_of_a_batch() -> None:
    batcher: Batcher[int] = Batcher(Timing(0.020, 0.005, 4, stalls=Stalls(25.0, 0.4)))
    batcher.offer(0, 25.1)
    turn = batcher.turn(25.1)
    assert turn.started is None
    assert turn.wake_s == pytest.approx(25.4)
    batcher.offer(1, 25.3)
    turn = batcher.turn(25.4)
    assert turn.started is not None
    assert turn.started.keys == (0, 1)
    assert turn.started.stalled_s == pytest.approx(0.0)


def test_a_stall_interrupts_a_running_batch() -> None:
    batcher: Batcher[int] = Batcher(Timing(0.020, 0.005, 4, stalls=Stalls(25.0, 0.4)))
    batcher.offer(0, 24.99)
    turn = batcher.turn(24.99)
    assert turn.started is not None
    assert turn.wake_s == pytest.approx(25.415)
    assert turn.started.stalled_s == pytest.approx(0.4)


def test_work_longer_than_the_time_between_stalls_meets_several() -> None:
    stalls = Stalls(every_s=1.0, length_s=0.25)
    assert stalls.finish(0.0, 1.0) == pytest.approx(1.0)
    assert stalls.finish(0.0, 1.5) == pytest.approx(1.75)
    assert stalls.finish(0.0, 2.5) == pytest.approx(3.0)
    assert stalls.finish(1.1, 0.5) == pytest.approx(1.75)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Timing(0.0, 0.0, 4), "base"),
        (lambda: Timing(0.02, 0.0, 0), "max_batch"),
        (lambda: Timing(0.02, 0.0, 1, slowdown=0.0), "slowdown"),
        (lambda: Stalls(every_s=0.3, length_s=0.4), "no time to serve"),
    ],
)
def test_senseless_settings_are_refused(build: Callable[[], object], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        build()
