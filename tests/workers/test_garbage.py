"""When is garbage collected, and what of it is told?"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from workers.garbage import GROWN_BYTES, Garbage


class Memory:
    """What the process is said to have."""

    def __init__(self) -> None:
        self.used = 500_000_000

    def __call__(self) -> int:
        return self.used


class Knot:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def garbage(memory: Memory) -> Iterator[Garbage]:
    garbage = Garbage(memory)
    yield garbage
    garbage.close()
    gc.unfreeze()


def knots(count: int = 2_000) -> weakref.ref[Knot]:
    """More cycles than any generation's threshold; the last one, to see whether it is freed."""
    last = Knot()
    for _ in range(count):
        last = Knot()
    return weakref.ref(last)


def note_of(garbage: Garbage) -> str | None:
    return garbage.note


def test_nothing_is_collected_while_a_probe_lasts_and_all_of_it_afterwards(
    garbage: Garbage,
) -> None:
    garbage.keep_out()
    last = knots()
    garbage.look()
    assert last() is not None
    assert garbage.take_pause_s() == 0.0
    garbage.let_in()
    assert last() is None
    assert gc.isenabled()
    assert garbage.take_pause_s() > 0.0
    assert garbage.take_pause_s() == 0.0


def test_what_was_frozen_alive_and_died_is_collected_after_the_next_probe(
    garbage: Garbage,
) -> None:
    kept: list[Knot] = [Knot()]
    dead = weakref.ref(kept[0])
    garbage.keep_out()
    garbage.let_in()
    kept.clear()
    garbage.keep_out()
    assert dead() is not None
    garbage.let_in()
    assert dead() is None


def test_a_process_that_grows_collects_once_and_says_so(garbage: Garbage, memory: Memory) -> None:
    garbage.keep_out()
    last = knots(10)
    memory.used += GROWN_BYTES - 1
    garbage.look()
    assert last() is not None
    assert note_of(garbage) is None
    memory.used += 1
    garbage.look()
    assert last() is None
    assert note_of(garbage) == "collected garbage in mid-probe: the process had grown by 200 MB"
    assert garbage.take_pause_s() > 0.0
    later = knots(10)
    garbage.look()
    assert later() is not None, "it counts anew from there"
    garbage.keep_out()
    assert note_of(garbage) is None


def test_without_a_probe_it_is_pythons_own_affair(garbage: Garbage, memory: Memory) -> None:
    memory.used += 2 * GROWN_BYTES
    garbage.look()
    garbage.let_in()
    assert note_of(garbage) is None
    assert gc.isenabled()
