"""Is every idle connection as likely as any other, and does a cap make arrivals wait in turn?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import gevent
import pytest

from workers.clients.pool import Capped, Own, Shared


class Line:
    """A connection that is open from its first use until it is closed."""

    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


def test_idle_connections_are_taken_with_equal_chances() -> None:
    pool = Shared(Line, seed=7)
    lines = [pool.take() for _ in range(20)]
    for line in lines:
        pool.give(line)
    taken: Counter[Line] = Counter()
    for _ in range(10_000):
        line = pool.take()
        taken[line] += 1
        pool.give(line)
    square = sum((taken[line] - 500) ** 2 / 500 for line in lines)
    assert square < 36.2  # 1 % of chi-square with 19 degrees of freedom
    assert set(taken) == set(lines)


def test_which_connection_comes_next_says_nothing_of_the_one_after() -> None:
    pool = Shared(Line, seed=7)
    lines = [pool.take() for _ in range(4)]
    for line in lines:
        pool.give(line)
    pairs: Counter[tuple[int, int]] = Counter()
    before = 0
    for _ in range(16_000):
        line = pool.take()
        place = lines.index(line)
        pairs[before, place] += 1
        before = place
        pool.give(line)
    square = sum((count - 1000) ** 2 / 1000 for count in pairs.values())
    assert square < 30.6  # 1 % of chi-square with 15 degrees of freedom


def test_a_new_connection_is_made_only_when_none_is_idle() -> None:
    pool = Shared(Line)
    one, other = pool.take(), pool.take()
    pool.give(one)
    assert pool.take() is one
    assert one is not other


def test_a_connection_that_ended_while_it_was_idle_is_not_taken() -> None:
    pool = Shared(Line)
    lines = [pool.take() for _ in range(3)]
    for line in lines:
        pool.give(line)
    lines[0].close()
    lines[2].close()
    assert pool.take() is lines[1]
    assert pool.take() not in lines


def test_a_user_keeps_its_own() -> None:
    pool = Own(Line)
    line = pool.take()
    pool.give(line)
    assert pool.take() is line
    pool.close()
    assert not line.is_open


def queue_up(pool: Capped[Line], count: int) -> tuple[list[Line], list[Any]]:
    """Greenlets that wait for a connection, and what they got, in the order they did."""
    got: list[Line] = []
    greenlets = [gevent.spawn(lambda: got.append(pool.take())) for _ in range(count)]
    gevent.sleep(0)
    return got, greenlets


def finish(greenlets: list[Any]) -> None:
    ended = gevent.joinall(greenlets, timeout=5, raise_error=True)
    assert len(ended) == len(greenlets)


def test_beyond_the_cap_a_request_waits_until_a_connection_is_given_back() -> None:
    waits_s: list[float] = []
    pool = Capped(Line, lambda: 2, waited=waits_s.append)
    one, two = pool.take(), pool.take()
    got, greenlets = queue_up(pool, 2)
    assert (got, pool.waiting, pool.taken) == ([], 2, 2)
    pool.give(two)
    pool.give(one)
    finish(greenlets)
    assert got == [two, one]
    assert (pool.waiting, pool.taken, pool.idle) == (0, 2, 0)
    assert len(waits_s) == 2
    assert min(waits_s) >= 0


def test_whoever_comes_later_does_not_overtake() -> None:
    pool = Capped(Line, lambda: 1)
    line = pool.take()
    got, greenlets = queue_up(pool, 1)
    pool.give(line)
    late, more = queue_up(pool, 1)
    finish(greenlets)
    assert (got, late, pool.waiting) == ([line], [], 1)
    pool.give(line)
    finish(more)
    assert late == [line]


def test_a_closed_connection_gives_its_place_to_whoever_waits() -> None:
    pool = Capped(Line, lambda: 1)
    line = pool.take()
    got, greenlets = queue_up(pool, 1)
    line.close()
    pool.give(line)
    finish(greenlets)
    assert got == [line]  # it opens itself again


def test_one_that_is_interrupted_while_it_waits_takes_no_place() -> None:
    pool = Capped(Line, lambda: 1)
    line = pool.take()
    _, greenlets = queue_up(pool, 2)
    greenlets[0].kill()
    assert pool.waiting == 1
    pool.give(line)
    finish(greenlets[1:])
    assert greenlets[1].successful()


def test_one_that_is_interrupted_as_it_is_given_a_connection_passes_it_on() -> None:
    pool = Capped(Line, lambda: 1)
    line = pool.take()
    got, greenlets = queue_up(pool, 2)
    greenlets[0].kill(block=False)
    pool.give(line)
    finish(greenlets)
    assert got == [line]
    pool.give(line)
    assert (pool.taken, pool.idle) == (0, 1)


def test_an_interruption_reaches_nobody_else() -> None:
    pool = Capped(Line, lambda: 1)
    line = pool.take()

    def wait_and_sleep() -> str:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            pool.take()
        gevent.sleep(0.03)
        return "slept"

    sleeper = gevent.spawn(wait_and_sleep)
    gevent.sleep(0.02)
    pool.give(line)
    assert sleeper.get(timeout=5) == "slept"
    assert pool.take() is line


@pytest.mark.parametrize("idle_first", [True, False])
def test_a_cap_that_shrinks_closes_what_is_too_many(idle_first: bool) -> None:
    room = [4]
    pool = Capped(Line, lambda: room[0])
    lines = [pool.take() for _ in range(4)]
    if idle_first:
        pool.give(lines.pop())
    room[0] = 2
    for line in lines:
        pool.give(line)
    assert pool.taken == 0
    assert pool.idle <= 3
    assert sum(line.is_open for line in lines) <= 2
