"""When does a server that works in batches finish its requests?

Greedy dynamic batching: as soon as a replica is free and requests wait, it takes up to `max_batch`
of them, oldest first, and is busy for `base + per_item n` seconds, times a lognormal factor of
coefficient of variation `cv`. Replicas share one queue. A request that finds `queue_bound` others
waiting is turned away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from controller.sim.compiled import compiled
from controller.sim.draws import Draws, Floats
from controller.sim.heaps import replace_first
from controller.sim.laws import Law
from controller.sim.serving import Ends, Requests
from controller.sim.target import TURNED_AWAY, TURNED_AWAY_S, Keys, Kinds

_ALWAYS_1 = np.ones(1)


@dataclass(frozen=True, slots=True)
class Batching:
    """The server at nominal speed; `queue_bound` 0: as many as come may wait."""

    base_s: float
    per_item_s: float
    max_batch: int
    replicas: int = 1
    queue_bound: int = 0
    cv: float = 0.0


class Batches:
    """A family that batches."""

    has_phases = False

    def __init__(self, shape: Batching, seed: int) -> None:
        self._shape = shape
        self._free = np.full(shape.replicas, -math.inf)  # a heap
        self._waiting = np.empty(1024)
        self._names = np.empty(1024, dtype=np.int64)
        self._count = 0
        self._factors: Draws | None = None
        if shape.cv:
            self._factors = Law(1.0, shape.cv, "lognormal").draws(seed, "batches")

    def go(self, requests: Requests, through: float) -> Ends:
        shape, most = self._shape, self._count + len(requests.keys)
        self._make_room(most)
        keys, ends = np.empty(most, dtype=np.int64), np.empty(most)
        errors = np.zeros(most, dtype=np.int8)
        factors = _ALWAYS_1 if self._factors is None else self._factors.ahead(most)
        self._count, told, batches, refused = _batch(
            (requests.keys, requests.work, requests.sent_s, through),
            (self._names, self._waiting, self._count, shape.queue_bound),
            self._free,
            (shape.base_s, shape.per_item_s, shape.max_batch, factors),
            (keys, ends, errors),
        )
        if self._factors is not None:
            self._factors.used(batches)
        return Ends(keys[:told], ends[:told], errors[:told], refused=refused > 0)

    def next_end(self) -> float:
        if not self._count:
            return math.inf
        shape = self._shape
        size = min(self._count, shape.max_batch)
        factor = 1.0 if self._factors is None else float(self._factors.ahead(1)[0])
        start = max(float(self._waiting[0]), float(self._free[0]))
        return start + (shape.base_s + shape.per_item_s * size) * factor

    def _make_room(self, most: int) -> None:
        if most > len(self._waiting):
            more = 2 * most - len(self._waiting)
            self._waiting = np.concatenate((self._waiting, np.empty(more)))
            self._names = np.concatenate((self._names, np.empty(more, dtype=np.int64)))


@compiled
def _batch(
    requests: tuple[Keys, Floats, Floats, float],
    queue: tuple[Keys, Floats, int, int],
    free: Floats,
    shape: tuple[float, float, int, Floats],
    found: tuple[Keys, Floats, Kinds],
) -> tuple[int, int, int, int]:
    """Begin every batch that starts in time; a start waits for arrivals of its own instant.

    Gives how many wait, are told of, batches that began, and requests turned away.
    """
    keys, arrivals, sent_s, through = requests
    names, waiting, count, bound = queue
    base, per_item, max_batch, factors = shape
    told_keys, ends, errors = found
    first = told = batches = refused = 0
    for place in range(len(keys) + 1):
        until = arrivals[place] if place < len(keys) else math.nextafter(through, math.inf)
        while first < count and max(waiting[first], free[0]) < until:
            size = min(count - first, max_batch)
            end = max(waiting[first], free[0])
            end += (base + per_item * size) * factors[batches % len(factors)]
            batches += 1
            replace_first(free, len(free), end)
            told_keys[told : told + size] = names[first : first + size]
            ends[told : told + size] = end
            told += size
            first += size
        if place == len(keys):
            break
        if bound and count - first >= bound:
            told_keys[told], ends[told] = keys[place], sent_s[place] + TURNED_AWAY_S
            errors[told] = TURNED_AWAY
            told += 1
            refused += 1
            continue
        names[count], waiting[count] = keys[place], arrivals[place]
        count += 1
    for item in range(first, count):
        names[item - first], waiting[item - first] = names[item], waiting[item]  # to the front
    return count - first, told, batches, refused
