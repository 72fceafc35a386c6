"""What do the counts say of the capacities, computed as the formulas stand and never mind how long?

A reference for `controller.search.estimate`, which reaches the same numbers by shorter ways: here
the likelihood is laid out over every capacity, smoothed by `gaussian_filter1d`, and the long run
made of one weight at a time. The table over s (r/c - 1) is spelled out too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import gammaln, ndtr

from contract.units import Seconds
from controller.search.estimate import Counts, Posterior

Floats = NDArray[np.float64]

SLOPES = np.geomspace(10.0, 140.0, 6)
FLOORS = np.array([0.0, 0.15, 0.5, 0.9])
CLUSTERINGS = 1.0 + np.geomspace(0.5, 500.0, 7)
ENVIRONMENTS = (0.004, 0.022, 0.035)
TABLE = np.linspace(-20.0, 12.0, 513)
LEAST_LOG = -60.0
OUTLIER, SPELL = 0.04, 0.4
NEGLIGIBLE, EDGE, WORTH = 1e-12, 16, 0.8


@dataclass(frozen=True)
class Plain:
    """Weights over (environment, floor, clustering, slope, capacity), as `Posterior` has them."""

    budget: float
    log_rates: Floats
    weights: Floats
    marginal: Floats
    censored_times: float

    @property
    def step(self) -> float:
        return float(self.log_rates[1] - self.log_rates[0])


def plain(start: Posterior) -> Plain:
    """The same, before anything was learned."""
    return Plain(start.budget, start.log_rates, start.weights, start.marginal, start.censored_times)


def learned(now: Plain, counts: Counts) -> Plain:
    if counts.judged == 0:
        return now
    likelihood, peak = _likelihood(now, counts)
    outlier = OUTLIER * likelihood.mean(axis=(0, 2, 3), keepdims=True)
    smoothed = np.array([_smeared(likelihood, sd / now.step) for sd in ENVIRONMENTS])
    return _normalised(now, now.weights * peak * ((1 - OUTLIER) * smoothed + outlier))


def bounded(now: Plain, saturated_per_s: float, measured_s: Seconds) -> Plain:
    completions = max(saturated_per_s * measured_s / 2, 1.0)
    sd = 0.06 + 1.5 / math.sqrt(completions)
    factor = 0.15 + 0.85 * ndtr((math.log(saturated_per_s) - now.log_rates) / sd)
    return _normalised(now, now.weights * factor)


def density(now: Plain, clustering: float | None) -> Floats:
    measured = 12.0 if clustering is None else clustering
    centre = math.log(1.7 * max(measured - 1, 0.3))
    belief = np.exp(-0.5 * ((np.log(CLUSTERINGS - 1) - centre) / 0.6) ** 2)
    mass: Floats = (belief[:, None] * now.marginal).sum(axis=0)
    mass /= mass.sum()
    return mass


def quantiles(now: Plain, probabilities: tuple[float, ...], clustering: float | None) -> Floats:
    cumulated = np.cumsum(density(now, clustering))
    found: Floats = np.exp(np.interp(probabilities, cumulated, now.log_rates + now.step / 2))
    return found


def _likelihood(now: Plain, counts: Counts) -> tuple[Floats, Floats]:
    """Shapes (floor, clustering, slope, capacity), of which the largest is 1, and what 1 is."""
    log_table = np.array(
        [[_log_table(now, counts, floor, f) for f in CLUSTERINGS] for floor in FLOORS]
    )
    highest = log_table.max(axis=(0, 2), keepdims=True)
    table = np.exp(np.maximum(log_table - highest, LEAST_LOG))
    peak = np.exp(np.maximum(highest - highest.max(), LEAST_LOG))[..., None]
    excess = counts.offered_per_s / np.exp(now.log_rates) - 1
    x = SLOPES[:, None] * excess
    read = [[np.interp(x, TABLE, row) for row in of_floor] for of_floor in table]
    return np.array(read), peak


def _log_table(now: Plain, counts: Counts, floor: float, clustering: float) -> Floats:
    judged, bad, least = counts.judged, counts.bad, floor * now.budget
    odds = least + (now.budget - least) * np.exp(TABLE)
    ratio = np.clip(odds / (1 + odds), 1e-9, 0.999)
    too_much = min(max(now.censored_times * now.budget * judged, 12) / judged, 0.5)
    if counts.censored or bad > too_much * judged:
        independent = max(max(judged, 60) / clustering, 6.0)
        gain = too_much * np.log(ratio / too_much)
        gain = gain + (1 - too_much) * np.log((1 - ratio) / (1 - too_much))
        return np.where(ratio >= too_much, 0.0, independent * gain)
    r = judged * ratio / (clustering - 1)
    tried = gammaln(bad + r) - gammaln(r) - gammaln(bad + 1)
    log_pmf: Floats = tried - r * np.log(clustering) + bad * np.log1p(-1 / clustering)
    return log_pmf


def _smeared(values: Floats, sd: float) -> Floats:
    found: Floats = gaussian_filter1d(values, sd, mode="nearest", truncate=3.0)
    return found


def _normalised(now: Plain, weights: Floats) -> Plain:
    weights = weights / weights.max()
    marginal = _long_run(weights, now.step)
    mass = np.maximum(marginal.max(axis=0), weights.sum(axis=(0, 1, 2, 3)))
    kept = np.flatnonzero(mass > NEGLIGIBLE * mass.max())
    first, last = max(int(kept[0]) - EDGE, 0), min(int(kept[-1]) + EDGE + 1, len(mass))
    if last - first > WORTH * len(mass):
        first, last = 0, len(mass)
    return replace(
        now,
        log_rates=now.log_rates[first:last],
        weights=weights[..., first:last],
        marginal=marginal[:, first:last],
    )


def _long_run(weights: Floats, step: float) -> Floats:
    """Every weight goes s e^2 / 2 lower, part of it to either neighbour; none leaves the grid."""
    _, _, clusterings, slopes, capacities = weights.shape
    places = np.arange(capacities)
    found = np.zeros((clusterings, capacities))
    for environment, sd in enumerate(ENVIRONMENTS):
        moved = np.zeros_like(found)
        for slope in range(slopes):
            own = weights[environment, :, :, slope].sum(axis=0)
            lower = SLOPES[slope] * sd**2 / 2 / step
            for steps, part in ((int(lower), 1 - lower % 1), (int(lower) + 1, lower % 1)):
                for clustering in range(clusterings):
                    to = np.maximum(places - steps, 0)
                    moved[clustering] += part * np.bincount(to, own[clustering], capacities)
        found += _smeared(moved, SPELL * sd / step)
    return found
