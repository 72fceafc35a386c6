"""When does a server with one queue and several places finish its requests?

First come, first served by `servers` places; service times follow a law of `controller.sim.laws`,
so that constant ones make M/D/c under Poisson load and exponential ones M/M/c. A request that
finds `queue_bound` others waiting is turned away.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from controller.sim.compiled import compiled
from controller.sim.draws import Draws, Floats
from controller.sim.heaps import replace_first
from controller.sim.serving import Ends, Requests
from controller.sim.target import TURNED_AWAY, TURNED_AWAY_S, Keys, Kinds


class Takes(Protocol):
    """How long the next requests take."""

    def take(self, requests: Requests) -> Floats:
        """In s at nominal speed, in the order of the requests."""


class Drawn:
    """By a law alone."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws

    def take(self, requests: Requests) -> Floats:
        return self._draws.take(len(requests.keys))


class Fifo:
    """A family with one queue; `queue_bound` 0: as many as come may wait."""

    has_phases = False

    def __init__(self, servers: int, queue_bound: int, takes: Takes) -> None:
        self._takes = takes
        self._bound = queue_bound
        self._free = np.full(servers, -math.inf)  # a heap
        self._starts = np.empty(max(queue_bound, 1))  # a ring of those that may still wait
        self._ring = np.zeros(2, dtype=np.int64)  # its first, and how many there are

    def go(self, requests: Requests, through: float) -> Ends:  # noqa: ARG002 - all is known at once
        count = len(requests.keys)
        ends, errors = np.empty(count), np.zeros(count, dtype=np.int8)
        takes = self._takes.take(requests)
        if self._bound:
            refused = _bounded(
                (requests.work, requests.sent_s),
                takes,
                self._free,
                (self._starts, self._ring),
                (ends, errors),
            )
            return Ends(requests.keys, ends, errors, refused=refused)
        _unbounded(requests.work, takes, self._free, ends)
        return Ends(requests.keys, ends, errors)

    def next_end(self) -> float:
        return math.inf


@compiled
def _unbounded(arrivals: Floats, takes: Floats, free: Floats, ends: Floats) -> None:
    for place in range(len(arrivals)):
        end = max(arrivals[place], free[0]) + takes[place]
        replace_first(free, len(free), end)
        ends[place] = end


@compiled
def _bounded(
    requests: tuple[Floats, Floats],
    takes: Floats,
    free: Floats,
    waiting: tuple[Floats, Keys],
    found: tuple[Floats, Kinds],
) -> bool:
    """As `_unbounded`, with no more waiting than the ring `waiting` holds starts."""
    arrivals, sent_s = requests
    starts, ring = waiting
    ends, errors = found
    refused = False
    for place in range(len(arrivals)):
        while ring[1] > 0 and starts[ring[0]] <= arrivals[place]:
            ring[0] = (ring[0] + 1) % len(starts)
            ring[1] -= 1
        if ring[1] == len(starts):
            ends[place], errors[place] = sent_s[place] + TURNED_AWAY_S, TURNED_AWAY
            refused = True
            continue
        start = max(arrivals[place], free[0])
        end = start + takes[place]
        replace_first(free, len(free), end)
        ends[place] = end
        starts[(ring[0] + ring[1]) % len(starts)] = start
        ring[1] += 1
    return refused
