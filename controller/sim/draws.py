"""Where does a simulated target's chance come from?

Every purpose has random numbers of its own, drawn in blocks and handed out in order, so that
neither another purpose nor the way time is cut into calls changes them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Generator = np.random.Generator

_PURPOSES = ("noise", "failures", "work", "stalls", "slow", "routes", "kinds", "batches", "prompts")
_BLOCK = 4096


def random_for(seed: int, purpose: str) -> Generator:
    """Random numbers of one purpose, whatever is drawn for others."""
    entropy = np.random.SeedSequence((seed, _PURPOSES.index(purpose)))
    return np.random.Generator(np.random.Philox(entropy))


class Draws:
    """Numbers of one law in order; `draw` gives as many as it is asked for."""

    def __init__(self, random: Generator, draw: Callable[[Generator, int], Floats]) -> None:
        self._random, self._draw = random, draw
        self._ready = np.empty(0)
        self._next = 0

    def ahead(self, count: int) -> Floats:
        """The next `count`, which stay the next until they are `used`."""
        missing = self._next + count - len(self._ready)
        if missing > 0:
            blocks = [self._draw(self._random, _BLOCK) for _ in range(-(-missing // _BLOCK))]
            self._ready = np.concatenate((self._ready[self._next :], *blocks))
            self._next = 0
        return self._ready[self._next : self._next + count]

    def used(self, count: int) -> None:
        self._next += count

    def take(self, count: int) -> Floats:
        taken = self.ahead(count)
        self._next += count
        return taken
