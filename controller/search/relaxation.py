"""How long does the target take to forget a backlog?

The integrated autocorrelation time of the number in flight, sampled every dt:

    t = dt (1/2 + sum_k rho_k),  summed up to the first lag M with M dt >= 5 t

which is the time constant of a target that forgets exponentially. A series of length T has its
own mean taken off, so t/T cannot grow beyond about 0.07 however slow the target is: pooled over
probes of length T it is read back as

    relaxation = t / (1 - (t/T) / 0.06),   at most 20 t

which is right to a quarter for a series of order one while relaxation < T/10, and errs to the
long side beyond, where a longer probe is needed to tell. Probes are weighted by the variance of
their number in flight, as if their covariances were added: a rare excursion shows in few of them.

Source: Sokal 1997, section 3, for the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from contract.units import Rate, Seconds
from controller.search.probe import Evidence

RELAXATIONS = 3.0
"""A probe near the capacity lasts so many relaxation times, or an interval is refused."""
MARGIN, GROWTH = 1.1, 4.0
FEWEST_SAMPLES = 16
NEAR_RATIO = 0.15
LENGTH_RATIO = 0.5
"""Probes near the estimate are pooled from this part of the longest one's length on."""
_WINDOW = 5.0
_LEAST_VARIANCE = 1e-6
_SATURATION, _MOST_TIMES = 0.06, 20.0


def autocorrelation_s(in_flight: ArrayLike, step_s: float) -> Seconds | None:
    """Autocorrelation time t of a series sampled every `step_s`; None if too short or flat."""
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
    return Seconds(max(float(times[last]), step_s / 2))


def relaxation_s(seen: Iterable[Evidence], estimate: Rate) -> Seconds | None:
    """Relaxation time near `estimate`, from the longest probes there; None when none tells."""
    near = _near(seen, estimate)
    longest_s = max((e.measured_s for e in near), default=0.0)
    ratios = [
        (e.in_flight_variance or _LEAST_VARIANCE, e.relaxation_s / e.measured_s)
        for e in near
        if e.relaxation_s is not None and e.measured_s >= LENGTH_RATIO * longest_s
    ]
    if not ratios:
        return None
    ratio = sum(weight * of_one for weight, of_one in ratios) / sum(weight for weight, _ in ratios)
    times = 1 / max(1 - ratio / _SATURATION, 1 / _MOST_TIMES)
    return Seconds(ratio * longest_s * times)


def enough_s(seen: Sequence[Evidence], estimate: Rate) -> Seconds:
    """How long the next probe near `estimate` should measure; 0 while none has told.

    A margin over three relaxation times, and no more than GROWTH times the longest so far, for short
    probes exaggerate how slow the target is.
    """
    slow_s, longest_s = relaxation_s(seen, estimate), longest_measured_s(seen, estimate)
    if slow_s is None:
        return Seconds(0.0)
    return Seconds(min(MARGIN * RELAXATIONS * slow_s, GROWTH * longest_s))


def longest_measured_s(seen: Iterable[Evidence], estimate: Rate) -> Seconds:
    """Length of the longest probe near `estimate` that ran to its end."""
    return Seconds(max((e.measured_s for e in _near(seen, estimate)), default=0.0))


def _near(seen: Iterable[Evidence], estimate: Rate) -> list[Evidence]:
    near = [e for e in seen if not e.censored and abs(e.offered_per_s / estimate - 1) <= NEAR_RATIO]
    return sorted(near, key=lambda e: -e.measured_s)
