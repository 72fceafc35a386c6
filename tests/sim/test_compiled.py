"""Do compiled loops give what the same loops give as written?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.sim import batch, counting, fifo, heaps, profile
from controller.sim.compiled import as_written, compile_loops
from controller.sim.counting import BETWEEN_TOKENS, ERROR_RATIO, GOODPUT, RESPONSE, SERVICE
from controller.sim.laws import Law
from controller.sim.serving import Family, Requests
from tests.sim.serving import EVERY_FAMILY, TROUBLES, arrivals, served


def batches() -> list[Any]:
    family = batch.Batches(batch.Batching(0.02, 0.0025, 16, 2, queue_bound=40, cv=0.1), 3)
    return _gone_through(family)


def queue() -> list[Any]:
    return _gone_through(fifo.Fifo(6, 30, fifo.Drawn(Law(0.02, 0.8).draws(3))))


def _gone_through(family: Family) -> list[Any]:
    sent_s, found = arrivals(300.0, 2000), []
    for first in range(0, 2000, 100):
        some = sent_s[first : first + 100]
        keys = np.arange(first, first + 100)
        told = family.go(Requests(keys, some, some), float(some[-1]))
        found += [told.keys.tolist(), told.ends.tolist(), told.errors.tolist()]
    return found


def counts() -> list[Any]:
    random = np.random.default_rng(8)
    due = np.sort(random.integers(0, 2_000_000_000, 500))
    start = due + random.integers(0, 1_000_000, 500)
    end = start + random.integers(1_000_000, 900_000_000, 500)
    error = random.choice([0, 0, 0, 1, 2], 500).astype(np.int8)
    fate = random.choice([1, 1, 1, 2, 3, 4], 500).astype(np.int8)
    looks_at = np.array([RESPONSE, SERVICE, BETWEEN_TOKENS, ERROR_RATIO, GOODPUT])
    limits = np.array([300_000_000, 200_000_000, 9_000_000, 0, 0])
    found = counting.counted(
        (due, start, end, error, fate),
        (due + 100, end - start, random.integers(1, 4, 500).astype(np.int16)),
        np.flatnonzero(fate[:400] == 1),
        (looks_at, limits),
        (300, 500, 1_500_000_000, 700_000_000),
    )
    still, table, low, times, ticks, kinds = found
    return [still.tolist(), table.tolist(), low, *map(list, times), ticks.tolist(), kinds.tolist()]


def noise() -> list[Any]:
    return list(profile._wander(np.random.default_rng(2).standard_normal(99), 0.3, 0.9, 0.0))


def every_family() -> list[Any]:
    sent_s = arrivals(300.0, 600)
    troubled = [served(url + TROUBLES, sent_s) for url in EVERY_FAMILY.values()]
    return [told.ends_s.tolist() for told in troubled]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_loops_give_the_same_compiled_and_as_written() -> None:
    looked_at = (batches, queue, counts, noise, every_family)
    written = [found() for found in looked_at]
    assert compile_loops()
    try:
        assert hasattr(batch._batch, "py_func")
        assert hasattr(vars(batch)["replace_first"], "py_func")  # wherever it is named
        quick = [found() for found in looked_at]
    finally:
        as_written()
    assert not hasattr(batch._batch, "py_func")
    assert quick == written


def test_heaps_keep_the_smallest_on_top() -> None:
    random = np.random.default_rng(4)
    keys, values = np.empty(200), np.empty(200, dtype=np.int64)
    wanted = [(float(key), int(value)) for value, key in enumerate(random.integers(0, 50, 200))]
    for size, (key, value) in enumerate(wanted):
        heaps.push(keys, values, size, key, value)
    taken = []
    for size in range(200, 0, -1):
        taken.append((float(keys[0]), int(values[0])))
        heaps.pop(keys, values, size)
    assert taken == sorted(wanted)
