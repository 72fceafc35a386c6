"""How fast does a simulated server work at this moment?

    warm-up   work takes `slowdown` times as long in the first `warm_up_s` s after the first request
    noise     log speed is an Ornstein-Uhlenbeck process of standard deviation `speed_noise` and
              correlation time NOISE_S, drawn exactly from one piece of work to the next
    stalls    in the windows [k every, k every + length), k = 1, 2, ..., nothing is worked on; what a
              window falls into goes on after it

Source of the noise's transition: Gillespie 1996, eq. 1.9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from controller.sim.target import FAILED, FINE, Kinds

NOISE_S = 20.0
_NORMALS = 1024

_PURPOSES = ("noise", "failures", "work")


def random_for(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose, whatever is drawn for others."""
    entropy = np.random.SeedSequence((seed, _PURPOSES.index(purpose)))
    return np.random.Generator(np.random.Philox(entropy))


@dataclass(frozen=True, slots=True)
class Conditions:
    """What keeps a server from its nominal speed, and the part of its answers that are errors."""

    slowdown: float = 1.0
    warm_up_s: float = 0.0
    stall_every_s: float = 0.0
    stall_s: float = 0.0
    speed_noise: float = 0.0
    fail_ratio: float = 0.0


class Pace:
    """The speed of one server, or of several that share their troubles.

    Work is to be begun in the order of time; otherwise the noise would go back.
    """

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self._given = conditions
        self._first_s = math.inf
        self._noise, self._noise_at_s = 0.0, -math.inf
        self._random = random_for(seed, "noise")
        self._normals: list[float] = []
        self._failures = random_for(seed, "failures")

    @property
    def nominal(self) -> bool:
        """Whether work always takes its nominal time, without a break."""
        given = self._given
        warm = given.slowdown == 1.0 or given.warm_up_s == 0.0
        return warm and not given.stall_s and not given.speed_noise

    def begin(self, at_s: float) -> float:
        """The earliest time from `at_s` on that is in no stall."""
        every_s, length_s = self._given.stall_every_s, self._given.stall_s
        if not length_s or at_s < every_s:
            return at_s
        return max(at_s, math.floor(at_s / every_s) * every_s + length_s)

    def end(self, begun_s: float, work_s: float) -> float:
        """When nominal work of `work_s`, begun outside a stall, is done."""
        self._first_s = min(self._first_s, begun_s)
        given = self._given
        if begun_s < self._first_s + given.warm_up_s:
            work_s *= given.slowdown
        if given.speed_noise:
            work_s *= math.exp(-self._noise_of(begun_s))
        if not given.stall_s:
            return begun_s + work_s
        next_s = max(1.0, math.floor(begun_s / given.stall_every_s) + 1.0) * given.stall_every_s
        over_s = begun_s + work_s - next_s
        if over_s <= 0:
            return begun_s + work_s
        breaks = math.ceil(over_s / (given.stall_every_s - given.stall_s))
        return begun_s + work_s + breaks * given.stall_s

    def errors(self, count: int) -> Kinds:
        """Which of the next `count` answers are errors."""
        if not self._given.fail_ratio:
            return np.full(count, FINE, dtype=np.int8)
        failed = self._failures.random(count) < self._given.fail_ratio
        return np.where(failed, FAILED, FINE).astype(np.int8)

    def _noise_of(self, at_s: float) -> float:
        kept = math.exp(-max(0.0, at_s - self._noise_at_s) / NOISE_S)
        if not self._normals:
            self._normals = self._random.standard_normal(_NORMALS).tolist()
        spread = self._given.speed_noise * math.sqrt(max(0.0, 1.0 - kept * kept))
        self._noise = kept * self._noise + spread * self._normals.pop()
        self._noise_at_s = max(self._noise_at_s, at_s)
        return self._noise
