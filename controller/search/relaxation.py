"""How long does the target take to forget a backlog?

The integrated autocorrelation time of the number in flight, sampled every dt:

    t = dt (1/2 + sum_k rho_k),  summed up to the first lag M with M dt >= 5 t

which is the time constant of an exponentially forgetting target. A series of length T shows too
small a t, for its own mean is taken off it; the correction is fitted to series of order one.

Source: Sokal 1997, section 3, for the window.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from contract.units import Rate, Seconds
from controller.search.probe import Evidence

FEWEST_SAMPLES = 16
NEAR_RATIO = 0.15
POOLED = 4
"""Only the longest probes near the estimate are believed, so many of them."""
_WINDOW = 5.0
_BIAS = 6.0
_FULL_RATIO = 0.15


def relaxation_s(in_flight: ArrayLike, step_s: float) -> Seconds | None:
    """Relaxation time of a series sampled every `step_s`; None when it is too short or flat."""
    series = np.asarray(in_flight, dtype=np.float64)
    size = len(series)
    if size < FEWEST_SAMPLES:
        return None
    series = series - series.mean()
    power = np.abs(np.fft.rfft(series, 2 * size)) ** 2
    covariance = np.fft.irfft(power)[: size // 2]
    if covariance[0] <= 1e-9:
        return None
    times = step_s * (np.cumsum(covariance / covariance[0]) - 0.5)
    lags = step_s * np.arange(len(times))
    enough = np.flatnonzero(lags >= _WINDOW * times)
    last = int(enough[0]) if len(enough) else len(times) - 1
    seen = max(float(times[last]), step_s / 2)
    ratio = min(seen / (size * step_s), _FULL_RATIO)
    return Seconds(seen / max(1 - _BIAS * ratio, 0.1))


def slow(seen: Iterable[Evidence], estimate: Rate) -> Seconds | None:
    """Relaxation time near `estimate`: the mean over its longest probes, weighted by length."""
    near = _near(seen, estimate)[:POOLED]
    known = [(e.measured_s, e.relaxation_s) for e in near if e.relaxation_s is not None]
    if not known:
        return None
    total_s = sum(seconds for seconds, _ in known)
    return Seconds(sum(seconds * value for seconds, value in known) / total_s)


def longest_measured(seen: Iterable[Evidence], estimate: Rate) -> Seconds:
    """Length of the longest probe near `estimate` that ran to its end."""
    return Seconds(max((e.measured_s for e in _near(seen, estimate)), default=0.0))


def _near(seen: Iterable[Evidence], estimate: Rate) -> list[Evidence]:
    near = [e for e in seen if not e.censored and abs(e.offered_per_s / estimate - 1) <= NEAR_RATIO]
    return sorted(near, key=lambda e: -e.measured_s)
