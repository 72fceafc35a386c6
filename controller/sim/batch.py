"""When does a server that works in batches finish its requests?

Greedy dynamic batching: as soon as a replica is free and requests wait, it takes up to `max_batch`
of them, oldest first, and is busy for `base + per_item n` seconds. Replicas share one queue. A
request that finds `queue_bound` others waiting is turned away.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from controller.sim.pace import Conditions, Pace
from controller.sim.target import TURNED_AWAY, TURNED_AWAY_S, Floats, Keys, Served


@dataclass(frozen=True, slots=True)
class Batching:
    """The nominal server; `queue_bound` None: as many as come may wait."""

    base_s: float
    per_item_s: float
    max_batch: int
    replicas: int = 1
    queue_bound: int | None = None


class BatchTarget:
    """A Target that batches."""

    def __init__(self, shape: Batching, conditions: Conditions, seed: int) -> None:
        self._shape = shape
        self._pace = Pace(conditions, seed)
        self._free_s = [-math.inf] * shape.replicas  # a heap
        self._coming: list[float] = []
        self._coming_keys: list[int] = []
        self._waiting: list[float] = []
        self._waiting_keys: list[int] = []
        self._served = _Serving()

    def serve(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:
        self._coming += sent_s.tolist()
        self._coming_keys += keys.tolist()
        while True:
            oldest = self._waiting or self._coming
            if not oldest:
                break
            start_s = self._pace.begin(max(oldest[0], self._free_s[0]))
            self._queue(min(start_s, through_s))
            if start_s > through_s:
                break
            if self._waiting:
                self._take(start_s)
        return self._served.handed_over(self._pace)

    def _queue(self, until_s: float) -> None:
        """Let those sent until then wait, as far as there is room."""
        after = bisect_right(self._coming, until_s)
        if not after:
            return
        bound = self._shape.queue_bound
        fitting = after if bound is None else min(after, max(0, bound - len(self._waiting)))
        self._waiting += self._coming[:fitting]
        self._waiting_keys += self._coming_keys[:fitting]
        for place in range(fitting, after):
            self._served.turned_away.append(self._coming_keys[place])
            self._served.turned_away_s.append(self._coming[place] + TURNED_AWAY_S)
        del self._coming[:after], self._coming_keys[:after]

    def _take(self, start_s: float) -> None:
        shape = self._shape
        size = min(len(self._waiting), shape.max_batch)
        end_s = self._pace.end(start_s, shape.base_s + shape.per_item_s * size)
        heapq.heapreplace(self._free_s, end_s)
        self._served.keys += self._waiting_keys[:size]
        self._served.ends_s += [end_s] * size
        del self._waiting[:size], self._waiting_keys[:size]


class _Serving:
    """What one call has found out so far."""

    __slots__ = ("ends_s", "keys", "turned_away", "turned_away_s")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.keys: list[int] = []
        self.ends_s: list[float] = []
        self.turned_away: list[int] = []
        self.turned_away_s: list[float] = []

    def handed_over(self, pace: Pace) -> Served:
        errors = pace.errors(len(self.keys))
        if self.turned_away:
            away = np.full(len(self.turned_away), TURNED_AWAY, dtype=np.int8)
            errors = np.concatenate((errors, away))
        served = Served(
            np.array(self.keys + self.turned_away, dtype=np.int64),
            np.array(self.ends_s + self.turned_away_s, dtype=np.float64),
            errors,
        )
        self._clear()
        return served
