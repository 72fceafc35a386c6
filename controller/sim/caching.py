"""How long do requests take whose answers may be cached?

A cache keeps what is asked for often. With r the rate of requests over the last `memory_s`
(exponentially weighted), a request is a hit with probability

    h(r) = (r / half)^sharpness / (1 + (r / half)^sharpness)

so that the load r (h hit + (1 - h) miss) may fall as r rises: the worst rate is not the highest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from controller.sim.compiled import compiled
from controller.sim.draws import Draws, Floats, random_for
from controller.sim.laws import Law
from controller.sim.serving import Requests


@dataclass(frozen=True, slots=True)
class Caching:
    """Mean times of hits and misses, and what the hit rate depends on; `half` in requests/s."""

    hit_s: float
    miss_s: float
    half: float
    sharpness: float
    memory_s: float


class Cached:
    """The times of a cache."""

    def __init__(self, shape: Caching, cv: float, seed: int) -> None:
        self._shape = shape
        self._factors = Law(1.0, cv).draws(seed)
        self._chances = Draws(random_for(seed, "kinds"), lambda random, n: random.random(n))
        self._seen = np.array([-math.inf, 0.0])  # when the last one came, and the rate by then

    def take(self, requests: Requests) -> Floats:
        count, shape = len(requests.keys), self._shape
        takes = np.empty(count)
        _cached(
            (requests.sent_s, self._chances.take(count)),
            self._seen,
            (shape.hit_s, shape.miss_s, shape.half, shape.sharpness, shape.memory_s),
            takes,
        )
        return takes * self._factors.take(count)


@compiled
def _cached(
    requests: tuple[Floats, Floats],
    seen: Floats,
    shape: tuple[float, float, float, float, float],
    takes: Floats,
) -> None:
    sent_s, chances = requests
    hit_s, miss_s, half, sharpness, memory_s = shape
    for place in range(len(sent_s)):
        seen[1] = seen[1] * math.exp((seen[0] - sent_s[place]) / memory_s) + 1.0 / memory_s
        seen[0] = sent_s[place]
        known = (seen[1] / half) ** sharpness
        takes[place] = hit_s if chances[place] * (1.0 + known) < known else miss_s
