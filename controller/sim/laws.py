"""How long does a request take at nominal speed?

gamma       mean, coefficient of variation cv; 0 is constant, 1 exponential
lognormal   the same two
pareto      mean and tail index alpha: P(S > x) = (x_m / x)^alpha, x_m = mean (alpha - 1)/alpha
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from controller.sim.draws import Draws, Floats, Generator, random_for

LAWS = ("gamma", "lognormal", "pareto")


@dataclass(frozen=True, slots=True)
class Law:
    """A law of positive numbers; `tail` is alpha, of the Pareto law alone."""

    mean: float
    cv: float = 1.0
    name: str = "gamma"
    tail: float = 2.2

    def draw(self, random: Generator, count: int) -> Floats:
        """Independent numbers of this law."""
        if self.name == "pareto":
            least = self.mean * (self.tail - 1) / self.tail
            return least * np.exp(random.standard_exponential(count) / self.tail)
        if self.cv == 0:
            return np.full(count, self.mean)
        if self.name == "gamma":
            return random.gamma(self.cv**-2, self.mean * self.cv**2, count)
        spread = math.log(1 + self.cv**2)
        logs = random.standard_normal(count) * math.sqrt(spread) - spread / 2
        return self.mean * np.exp(logs)

    def draws(self, seed: int, purpose: str = "work") -> Draws:
        """Numbers of this law in order."""
        return Draws(random_for(seed, purpose), self.draw)


@dataclass(frozen=True, slots=True)
class Mixed:
    """Two payload classes: a `heavy_ratio` of requests by the one law, the rest by the other."""

    light: Law
    heavy: Law
    heavy_ratio: float

    def draw(self, random: Generator, count: int) -> Floats:
        """Independent numbers of this mixture."""
        light, heavy = self.light.draw(random, count), self.heavy.draw(random, count)
        return np.where(random.random(count) < self.heavy_ratio, heavy, light)

    def draws(self, seed: int, purpose: str = "work") -> Draws:
        """Numbers of this mixture in order."""
        return Draws(random_for(seed, purpose), self.draw)
