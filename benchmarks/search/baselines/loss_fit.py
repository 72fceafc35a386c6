"""Where does the average loss ratio meet its target, by a fitting function and what trials lost?

The numerical part of PLRsearch; see benchmarks.search.baselines.plrsearch for the functions, the
prior and the sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import erfc, erfcx

from benchmarks.search.baselines.environment import Floats

Fit = Callable[[Floats, Floats, Floats], Floats]
"""Average loss per second of a load, a most-received rate and a spread; they broadcast."""

DRAWS = 400
MOST_ROUNDS = 25
WIDER = 4.0
EVEN_RATIO = 0.1
"""Weights are flattened until so large a share of the draws counts (Kish 1965), or need not be."""
HALVINGS = 40
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Trial:
    load: float
    sent: int
    lost: int


def stretch(load: Floats, most: Floats, spread: Floats) -> Floats:
    at_load = np.logaddexp(0.0, (load - most) / spread)
    loss: Floats = spread * (at_load - np.logaddexp(0.0, -most / spread))
    return loss


def erf(load: Floats, most: Floats, spread: Floats) -> Floats:
    at_load, at_zero = (most - load) / spread, most / spread
    loss: Floats = spread * (_tail(at_load) - _tail(at_zero)) / erfc(-at_zero)
    return loss


def _tail(u: Floats) -> Floats:
    """The integral of erfc from u to infinity: e^(−u²) / √π − u erfc(u)."""
    above = np.maximum(u, 0.0)
    right = np.exp(-(above**2)) * (math.pi**-0.5 - above * erfcx(above))
    left = np.exp(-(np.minimum(u, 0.0) ** 2)) * math.pi**-0.5 - u * erfc(np.minimum(u, 0.0))
    tail: Floats = np.where(u > 0, right, left)
    return tail


FITS: tuple[Fit, ...] = (stretch, erf)


class Posterior:
    """What the trials say about the critical load by one fitting function."""

    def __init__(self, fit: Fit, highest: float, target: float, losses: str) -> None:
        self._fit = fit
        self._highest = highest
        self._target = target
        self._losses = losses
        self._mean = np.zeros(2)
        self._covariance = np.eye(2)

    def estimate(self, trials: Sequence[Trial], lowest: float) -> tuple[float, float]:
        """Mean and standard deviation of the critical load, which lies in [lowest, highest]."""
        random = np.random.default_rng(0)
        points, weights = np.empty((0, 2)), np.empty(0)
        for _ in range(MOST_ROUNDS):
            points = self._draw(random)
            log_likelihood = self._log_likelihood(trials, *self._parameters(points))
            log_weights = log_likelihood - self._log_density(points)
            weights = _normal(log_weights)
            enough = _even(weights)
            self._follow(points, log_weights)
            if enough:
                break
        critical = self._critical(*self._parameters(points), lowest)
        log_mean = float(weights @ np.log(critical))
        log_variance = float(weights @ (np.log(critical) - log_mean) ** 2)
        return math.exp(log_mean), math.exp(log_mean) * math.sqrt(log_variance)

    def _draw(self, random: np.random.Generator) -> Floats:
        """From the Gaussian, inside the square."""
        root = np.linalg.cholesky(WIDER * self._covariance)
        drawn = np.empty((0, 2))
        while len(drawn) < DRAWS:
            more = self._mean + random.normal(size=(4 * DRAWS, 2)) @ root.T
            drawn = np.concatenate((drawn, more[(np.abs(more) < 1).all(axis=1)]))
        return drawn[:DRAWS]

    def _log_density(self, points: Floats) -> Floats:
        away = points - self._mean
        inverse = np.linalg.inv(WIDER * self._covariance)
        density: Floats = -0.5 * np.einsum("ij,jk,ik->i", away, inverse, away)
        return density

    def _follow(self, points: Floats, log_weights: Floats) -> None:
        """Move the Gaussian to where the weight is, without letting a few draws dominate."""
        heat = 1.0
        weights = _normal(log_weights)
        while not _even(weights):
            heat *= 0.7
            weights = _normal(heat * log_weights)
        self._mean = weights @ points
        away = points - self._mean
        self._covariance = (away.T * weights) @ away + 1e-12 * np.eye(2)

    def _parameters(self, points: Floats) -> tuple[Floats, Floats]:
        most = self._highest * (1.0 / (points[:, 0] + 1.0) - 0.5) + 1.0
        spread = most ** ((points[:, 1] + 1.0) / 2.0)
        return most, spread

    def _log_likelihood(self, trials: Sequence[Trial], most: Floats, spread: Floats) -> Floats:
        load, sent, lost = np.array([(t.load, t.sent, t.lost) for t in trials]).T
        loss = self._fit(load, most[:, None], spread[:, None])
        expected = np.maximum(loss * (sent / load), _TINY)
        if self._losses == "poisson":
            likelihood = lost * np.log(expected) - expected
        else:
            likelihood = -lost * np.log1p(1.0 / expected) - np.log1p(expected)
        total: Floats = likelihood.sum(axis=1)
        return total

    def _critical(self, most: Floats, spread: Floats, lowest: float) -> Floats:
        """Halve the range until the loss ratio is on target."""
        low: Floats = np.full(len(most), lowest)
        high: Floats = np.full(len(most), self._highest)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            above = self._fit(middle, most, spread) > self._target * middle
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2


def _even(weights: Floats) -> bool:
    return 1.0 / float(weights @ weights) >= EVEN_RATIO * len(weights)


def _normal(log_weights: Floats) -> Floats:
    weights: Floats = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights
