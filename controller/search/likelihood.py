"""How likely are so many bad of so many requests?

With k bad of n at a bad ratio p and clustering f, k is negative binomial with r = n p / (f - 1):

    ln P = ln G(k + r)/G(r) - ln k! - r ln f + k ln(1 - 1/f)

The first term, G the gamma function, is the logarithm of r (r + 1) ... (r + k - 1). Where k is
small that product is taken; elsewhere r is first raised by 8, by a product again, and both gamma
functions are Stirling's series from there. So their difference is taken before it is rounded, and
there is one way for all r of an array.

Sources: Cameron and Trivedi 1998, section 3.3 (NB1); Abramowitz and Stegun 1964, 6.1.15 and 6.1.41.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLOORS = np.array([0.0, 0.15, 0.5, 0.9])
"""Bad odds that no rate removes, as a part of the budget."""
CLUSTERINGS = 1.0 + np.geomspace(0.5, 500.0, 7)
X_MIN, X_MAX, X_STEPS = -20.0, 12.0, 513
"""Of x = s (r/c - 1), for which a table holds the likelihood."""

_RISE = np.exp(np.linspace(X_MIN, X_MAX, X_STEPS))
_PRODUCT_BELOW = 16
_RAISED = 8
"""From here four terms of the series are exact to 1e-11."""
_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)


def log_table(budget: float, judged: int, bad: int) -> Floats:
    """Log likelihood of `bad`, shape (floor, clustering, x)."""
    return log_likelihood_of_counts(judged, bad, _ratio(budget), CLUSTERINGS[:, None])


def log_table_of_excess(budget: float, judged: int, too_much: float) -> Floats:
    """The same of a bad ratio of more than `too_much`, a bound on it where that is unlikely."""
    ratio = _ratio(budget)
    independent = np.maximum(max(judged, 60) / CLUSTERINGS[:, None], 6.0)
    gain = too_much * np.log(ratio / too_much) + (1 - too_much) * np.log(
        (1 - ratio) / (1 - too_much)
    )
    return np.where(ratio >= too_much, 0.0, independent * gain)


def read(rows: Floats, x: Floats) -> Floats:
    """Every row of a table at every x, linear between its places, constant beyond its ends."""
    place = (np.clip(x, X_MIN, X_MAX) - X_MIN) * ((X_STEPS - 1) / (X_MAX - X_MIN))
    left = np.minimum(place.astype(np.int64), X_STEPS - 2)
    found: Floats = np.diff(rows).take(left, axis=1, mode="clip")
    found *= place - left
    found += rows.take(left, axis=1, mode="clip")
    return found


def log_likelihood_of_counts(judged: int, bad: int, ratio: Floats, clustering: Floats) -> Floats:
    """Log probability of `bad` of `judged`: mean judged*ratio, variance clustering times it."""
    r = np.asarray(ratio * (judged / (clustering - 1)))
    log_pmf: Floats = r * -np.log(clustering)
    log_pmf += bad * np.log1p(-1 / clustering) - math.lgamma(bad + 1)
    log_pmf += log_rising(r, bad)
    return log_pmf


def log_rising(r: Floats, count: int) -> Floats:
    """Logarithm of r (r + 1) ... (r + count - 1), for r > 0; 0 for a count of 0."""
    if count == 0:
        return np.zeros_like(r)
    if count < _PRODUCT_BELOW:
        product = r.copy()
        for more in range(1, count):
            product *= r + more
        found: Floats = np.log(product)
        return found
    pair = r * (r + 7)  # r + i times r + 7 - i is this and 6, 10 or 12 more
    product = pair * (pair + 6)
    product *= pair + 10
    product *= pair + 12
    raised, highest = r + _RAISED, r + count
    found = np.log(product)
    found += (raised - 0.5) * np.log1p((count - _RAISED) / raised)
    found += (count - _RAISED) * (np.log(highest) - 1)
    found += _beyond_stirling(highest)
    found -= _beyond_stirling(raised)
    return found


def _beyond_stirling(z: Floats) -> Floats:
    """What the series adds to (z - 1/2) ln z - z + ln(2 pi)/2."""
    inverse = 1 / z
    square = inverse * inverse
    found: Floats = square * _SERIES[3]
    for term in (_SERIES[2], _SERIES[1]):
        found += term
        found *= square
    found += _SERIES[0]
    found *= inverse
    return found


def _ratio(budget: float) -> Floats:
    """Bad ratio, shape (floor, 1, x)."""
    floor = FLOORS[:, None, None] * budget
    odds = floor + (budget - floor) * _RISE
    ratio: Floats = np.clip(odds / (1 + odds), 1e-9, 0.999)
    return ratio
