"""When does a server with one queue and several places finish its requests?

First come, first served by `servers` places; service times are gamma with mean `mean_s` and
coefficient of variation `cv`, so that 0 is constant (M/D/c under Poisson load) and 1 exponential
(M/M/c). A request that finds `queue_bound` others waiting is turned away.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from controller.sim.pace import Conditions, Pace, random_for
from controller.sim.target import TURNED_AWAY, TURNED_AWAY_S, Floats, Keys, Served


@dataclass(frozen=True, slots=True)
class Queueing:
    """The nominal server; `queue_bound` None: as many as come may wait."""

    servers: int
    mean_s: float
    cv: float
    queue_bound: int | None = None


class FifoTarget:
    """A Target with one queue."""

    def __init__(self, shape: Queueing, conditions: Conditions, seed: int) -> None:
        self._shape = shape
        self._pace = Pace(conditions, seed)
        self._work = random_for(seed, "work")
        self._free_s = [-math.inf] * shape.servers  # a heap
        self._starts_s: deque[float] = deque()  # of those that may still wait

    def serve(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:  # noqa: ARG002 - every end is known on arrival
        work_s = self._draw(len(keys)).tolist()
        errors = self._pace.errors(len(keys))
        ends_s = np.empty(len(keys))
        for place, (at_s, takes_s) in enumerate(zip(sent_s.tolist(), work_s, strict=True)):
            if self._full(at_s):
                ends_s[place], errors[place] = at_s + TURNED_AWAY_S, TURNED_AWAY
                continue
            start_s = self._pace.begin(max(at_s, self._free_s[0]))
            end_s = self._pace.end(start_s, takes_s)
            heapq.heapreplace(self._free_s, end_s)
            ends_s[place] = end_s
            if self._shape.queue_bound is not None:
                self._starts_s.append(start_s)
        return Served(keys, ends_s, errors)

    def _draw(self, count: int) -> Floats:
        shape = self._shape
        if shape.cv == 0:
            return np.full(count, shape.mean_s)
        drawn: Floats = self._work.gamma(shape.cv**-2, shape.mean_s * shape.cv**2, count)
        return drawn

    def _full(self, at_s: float) -> bool:
        if self._shape.queue_bound is None:
            return False
        starts_s = self._starts_s
        while starts_s and starts_s[0] <= at_s:
            starts_s.popleft()
        return len(starts_s) >= self._shape.queue_bound
