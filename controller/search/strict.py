"""Which capacity is left when the target's stalls are counted?

Outside stalls a capacity c leaves the bad share p(r); stalls come nu times a second whatever the
rate, and each spoils w seconds of arrivals in an idle target: as much as the gap between its
completions exceeds the limit, where response times are limited, and the errors answered meanwhile, as
far as so many were seen to be bad; else as much as was seen. The backlog of a stall takes
1/(1 - r/mu) times as long to work off as to build, mu being the saturation throughput. So the
strict capacity is the rate r that solves

    f + (1 - f) exp(s (r/c - 1)) + nu w / budget / (1 - r/mu) = 1

and 0 where stalls alone spend the budget. c, the slope s and the floor f come from the posterior;
nu has the gamma posterior of n stalls seen in T seconds, shape n + 1/2 (Jeffreys 1946), its shape
lessened by the spread of what one stall spoils.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from contract.units import Rate
from controller.search.probe import Evidence, Stall

Floats = NDArray[np.float64]

NEAR_RATIO = 0.4
"""Probes from this part of the estimate on are watched: at lower rates a stall may not show."""
_RATES_OF_STALLS = 24
_HALVINGS = 40
_DEFAULT_SPREAD, _SPREAD_FEWEST = 0.5, 4
_HIGHEST_LOAD = 0.98


@dataclass(frozen=True, slots=True)
class Load:
    """What stalls do to one objective: `count` in `watched_s`, each spoiling `spoiled_s` idle.

    `spread` is the standard deviation over the mean of what one spoils.
    """

    count: int
    watched_s: float
    spoiled_s: float
    spread: float


@dataclass(frozen=True, slots=True)
class Tail:
    """Capacities of a posterior with their masses, and how its bad share falls below them."""

    capacities: Floats
    masses: Floats
    slope: float
    floor: float
    budget: float


@dataclass(frozen=True, slots=True)
class Strict:
    """Quantiles of the strict capacity; a rate of 0 says that stalls alone spend the budget."""

    estimate: Rate
    safe: Rate


@dataclass(frozen=True, slots=True)
class Spoiling:
    """What is needed to tell how much a stall spoils of an objective, its index `objective`.

    `limit_s` is its limit where it is one of response times, else None; `mu` the saturation
    throughput per s.
    """

    objective: int
    limit_s: float | None
    mu: float

    def seconds(self, stall: Stall, offered_per_s: float) -> float:
        """Seconds of arrivals that the stall would spoil in an idle target."""
        idle_s = max(1 - offered_per_s / self.mu, 1 - _HIGHEST_LOAD) / offered_per_s
        seen_s = stall.bad[self.objective] * idle_s
        if self.limit_s is None or stall.replica:
            return seen_s
        late_s = max(0.0, stall.seconds - self.limit_s)
        return max(late_s, min(late_s + stall.failed * idle_s, seen_s))


def load_of(seen: Iterable[Evidence], estimate: float, spoiling: Spoiling) -> Load | None:
    """The stalls of the probes near the estimate; None when there were none."""
    watched = [e for e in seen if e.offered_per_s >= NEAR_RATIO * estimate]
    watched_s = sum(e.watched_s for e in watched)
    count = sum(len(e.stalls) for e in watched)
    spoiled = [
        spoiling.seconds(stall, e.offered_per_s) for e in watched for stall in e.stalls if stall.bad
    ]
    if not spoiled or watched_s <= 0:
        return None
    mean_s = float(np.mean(spoiled))
    few = len(spoiled) < _SPREAD_FEWEST or mean_s <= 0
    spread = _DEFAULT_SPREAD if few else float(np.std(spoiled)) / mean_s
    return Load(count, watched_s, mean_s, spread)


def strict(tail: Tail, load: Load, mu: float) -> Strict:
    """The median and the 10 % quantile of the strict capacity."""
    shape = load.count / (1 + load.spread**2) + 0.5
    at = (np.arange(_RATES_OF_STALLS) + 0.5) / _RATES_OF_STALLS
    per_s = gamma.ppf(at, shape) / load.watched_s * (load.count + 0.5) / shape
    spent = per_s * load.spoiled_s / tail.budget
    rates = solved(tail, spent, mu)
    masses = np.repeat(tail.masses[:, None] / _RATES_OF_STALLS, _RATES_OF_STALLS, axis=1)
    safe, estimate = _quantiles(rates.ravel(), masses.ravel(), (0.1, 0.5))
    return Strict(Rate(estimate), Rate(safe))


def solved(tail: Tail, spent: Floats, mu: float) -> Floats:
    """Strict capacities, shape (capacity, spent): `spent` is the stalls' part of the budget."""
    capacity = tail.capacities[:, None]
    highest = np.minimum(capacity / max(mu, 1e-9), _HIGHEST_LOAD)
    low = np.zeros((len(capacity), len(spent)))
    high = np.ones_like(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = (
            tail.floor
            + (1 - tail.floor) * np.exp(tail.slope * (middle - 1))
            + spent / (1 - middle * highest)
            > 1
        )
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.where(low > 1e-6, low * capacity, 0.0)


def _quantiles(values: Floats, masses: Floats, at: Sequence[float]) -> list[float]:
    order = np.argsort(values)
    cumulated = np.cumsum(masses[order])
    places = np.searchsorted(cumulated, np.asarray(at) * cumulated[-1])
    return [float(values[order][min(place, len(values) - 1)]) for place in places]
