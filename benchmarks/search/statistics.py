"""How sure is a number of a table, by the searches it comes from?

    Wilson      a share k of n: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)   (Wilson 1927)
    bootstrap   any other: percentiles of the statistic over resamples                (Efron 1979)
    limits of agreement   of repeated searches: mean and 1.96 standard deviations of the difference of
                two, over their mean                                        (Bland and Altman 1986)

All intervals are 95 %. Resamples come from a fixed seed: the same searches give the same table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Of the last axis of an array."""

Z = 1.959963984540054
RESAMPLES = 1000
_SEED = 1927
_HELD = 2_000_000
_FEW = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its 95 % interval; all nan where there is nothing to count."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return not math.isnan(self.value)


NOTHING = Measured(math.nan, math.nan, math.nan)


def share(count: int, of: int) -> Measured:
    """`count` of `of`, with Wilson's interval."""
    if of == 0:
        return NOTHING
    p, z2 = count / of, Z * Z / of
    middle = (p + z2 / 2) / (1 + z2)
    half = Z * math.sqrt(p * (1 - p) / of + z2 / of / 4) / (1 + z2)
    return Measured(p, min(max(0.0, middle - half), p), max(min(1.0, middle + half), p))  # rounding


def bootstrapped(values: Sequence[float], statistic: Statistic) -> Measured:
    """The statistic of the values, with its bootstrap interval; of one value no interval."""
    if not values:
        return NOTHING
    given = np.asarray(values, dtype=np.float64)
    value = float(statistic(given))
    if len(values) < _FEW:
        return Measured(value, math.nan, math.nan)
    chance = np.random.default_rng(_SEED)
    at_once = max(1, _HELD // len(given))
    found: list[float] = []
    while len(found) < RESAMPLES:
        count = min(at_once, RESAMPLES - len(found))
        picks = chance.integers(len(given), size=(count, len(given)))
        found.extend(statistic(given[picks]).tolist())
    low, high = np.quantile(found, (0.025, 0.975))
    return Measured(value, float(low), float(high))


def mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=-1))


def mean_size(values: Floats) -> Floats:
    """Mean of the absolute values."""
    return np.asarray(np.abs(values).mean(axis=-1))


def median(values: Floats) -> Floats:
    return np.asarray(np.median(values, axis=-1))


def p90(values: Floats) -> Floats:
    return np.asarray(np.quantile(values, 0.9, axis=-1))


def p90_size(values: Floats) -> Floats:
    """90 % quantile of the absolute values."""
    return np.asarray(np.quantile(np.abs(values), 0.9, axis=-1))


def deviation(groups: Sequence[Sequence[float]]) -> float:
    """Standard deviation within groups, each about its own mean; nan without two in a group."""
    squares = sum(float(np.var(group)) * len(group) for group in groups if len(group) >= _FEW)
    free = sum(len(group) - 1 for group in groups if len(group) >= _FEW)
    return math.sqrt(squares / free) if free else math.nan


def agreement(groups: Sequence[Sequence[float]]) -> Measured:
    """Bland and Altman's limits for two searches of a group, as ratios.

    Pairs are the first and second search of a group, the third and fourth, and so on; `value` is
    the mean difference.
    """
    pairs = [pair for group in groups for pair in zip(group[::2], group[1::2], strict=False)]
    if len(pairs) < _FEW:
        return NOTHING
    differences = np.array([(one - other) / ((one + other) / 2) for one, other in pairs])
    middle, half = float(differences.mean()), Z * float(differences.std(ddof=1))
    return Measured(middle, middle - half, middle + half)
