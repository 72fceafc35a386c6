"""How do several copies of a target behind a router behave?

Each request goes to copy k with probability in proportion to 1 / k^skew, whatever waits there; its
answer names the copy. Copies have a queue each, so that the busiest one sets the tail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controller.sim.draws import Draws, random_for
from controller.sim.serving import joined
from controller.sim.target import Floats, Keys, Served, Target


class Routed:
    """A Target of some others."""

    def __init__(self, copies: Sequence[Target], skew: float, seed: int) -> None:
        self._copies = copies
        self.replicas = len(copies)
        weights = np.arange(1, len(copies) + 1, dtype=np.float64) ** -skew
        self._edges = np.cumsum(weights / weights.sum())[:-1]
        self._routes = Draws(random_for(seed, "routes"), lambda random, n: random.random(n))

    @property
    def has_phases(self) -> bool:
        return self._copies[0].has_phases

    def serve(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:
        route = self._edges.searchsorted(self._routes.take(len(keys)), side="right")
        parts = []
        for number, copy in enumerate(self._copies):
            mine = route == number
            told = copy.serve(keys[mine], sent_s[mine], through_s)
            name = np.full(len(told.keys), number + 1, dtype=np.int16)
            parts.append(Served(told.keys, told.ends_s, told.errors, told.phases, name))
        return joined(parts)

    def next_end_s(self) -> float:
        return min(copy.next_end_s() for copy in self._copies)
