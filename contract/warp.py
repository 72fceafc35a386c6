"""How is a sequence at rate 1 carried to the times at which its arrivals are due?

Twice through the inverse of an integral. A random clock bunches it: at rate 1 + a for an
exponential time, then at 1 - a, switching s times per unit of time from either side (Heffes and
Lucantoni 1986: a Poisson process modulated so has the index of dispersion I = 1 + a^2 / s over a
long time). Both rates are equally likely at the start, so the mean rate is 1 from there on. Then
the rate over time, which is linear between knots (t_k, r_k) and stays at the last:

    L(t) = L_k + r_k (t - t_k) + (r_k+1 - r_k) (t - t_k)^2 / (2 (t_k+1 - t_k))
    due  = L^-1(s)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from contract.gaps import CHUNK, SOJOURNS, Floats, Key, exponentials, phase
from contract.laws import Law

Knots = tuple[tuple[float, float], ...]
"""(seconds, arrivals/s or a ratio), times not falling; two at one time are a step."""

NEVER_NS = 2**62
_NS_PER_S = 1e9
_TINY = float(np.finfo(np.float64).tiny)


class Bursts:
    """The random clock of one probe; carries times at rate 1 in order, a chunk after the other."""

    def __init__(self, law: Law, key: Key) -> None:
        self._key = key
        self._mean = 1 / law.switches
        low, high = 1 - law.swing, 1 + law.swing
        self._paces = np.array((high, low) if phase(key) < 0.5 else (low, high))
        self._sojourns = 0
        self._passed = np.zeros(1)  # of the sequence, where each sojourn begins
        self._times = np.zeros(1)  # and the time then

    def carry(self, unit_times: Floats) -> Floats:
        """The times when the integral of the modulated rate reaches `unit_times`."""
        while self._passed[-1] <= unit_times[-1]:
            self._extend()
        place = self._passed.searchsorted(unit_times, side="right") - 1
        first = self._sojourns - len(self._passed) + 1
        pace = self._paces[(first + place) & 1]
        carried: Floats = self._times[place] + (unit_times - self._passed[place]) / pace
        self._passed = self._passed[place[-1] :]
        self._times = self._times[place[-1] :]
        return carried

    def _extend(self) -> None:
        stays = self._mean * exponentials(self._key, self._sojourns, SOJOURNS)
        pace = np.tile(self._paces, CHUNK // 2)
        passed = self._passed[-1] + np.cumsum(stays * pace)
        times = self._times[-1] + np.cumsum(stays)
        self._passed = np.concatenate((self._passed, passed))
        self._times = np.concatenate((self._times, times))
        self._sojourns += CHUNK


@dataclass(frozen=True)
class RateOverTime:
    """Arrivals/s by time: linear between `knots`, and from the last on what it says."""

    knots: Knots

    @cached_property
    def _columns(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Times, rates, slopes after each knot and arrivals before it."""
        times = np.array([at_s for at_s, _ in self.knots])
        rates = np.array([rate for _, rate in self.knots])
        steps = np.diff(times)
        rises = np.diff(rates) / np.where(steps > 0, steps, 1.0)
        slopes = np.append(np.where(steps > 0, rises, 0.0), 0.0)
        areas = (rates[1:] + rates[:-1]) / 2 * steps
        return times, rates, slopes, np.concatenate((np.zeros(1), np.cumsum(areas)))

    def count(self, until_s: float) -> float:
        """Mean number of arrivals before `until_s`."""
        times, rates, slopes, before = self._columns
        place = int(times.searchsorted(until_s, side="right")) - 1
        after_s = until_s - times[place]
        return float(before[place] + after_s * (rates[place] + slopes[place] * after_s / 2))

    def at(self, second: float) -> float:
        """The rate then."""
        times, rates, slopes, _ = self._columns
        place = max(int(times.searchsorted(second, side="right")) - 1, 0)
        return float(rates[place] + slopes[place] * (second - times[place]))

    def due_ns(self, counts: Floats) -> NDArray[np.int64]:
        """When so many arrivals have come; NEVER_NS where that never happens."""
        times, rates, slopes, before = self._columns
        if counts[0] >= before[-1] and rates[-1] > 0:  # the usual case: the rate stays
            after_s = (counts - before[-1]) / rates[-1]
            return _whole_ns(times[-1] + after_s)
        place = before.searchsorted(counts, side="right") - 1
        left, rate, slope = counts - before[place], rates[place], slopes[place]
        root = np.sqrt(np.maximum(rate**2 + 2 * slope * left, 0.0))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            after_s = np.where(slope == 0.0, left / rate, 2 * left / np.maximum(rate + root, _TINY))
        return _whole_ns(np.where(np.isnan(after_s), np.inf, times[place] + after_s))


def ramped(
    rate: float, ramp_s: float, ramp_from: float, profile: Iterable[tuple[float, float]]
) -> Knots:
    """Knots of a probe: from `ramp_from` in `ramp_s` to where its profile begins, then that.

    `profile` has ratios of `rate` over seconds since the epoch; what lies in the ramp is left out.
    """
    relative = RateOverTime(tuple(profile) or ((0.0, 1.0),))
    begins = ((0.0, ramp_from),) if ramp_s > 0 else ()
    later = tuple((at_s, rate * ratio) for at_s, ratio in relative.knots if at_s > ramp_s)
    return (*begins, (ramp_s, rate * relative.at(ramp_s)), *later)


def _whole_ns(seconds: Floats) -> NDArray[np.int64]:
    whole: NDArray[np.int64] = np.rint(np.minimum(seconds * _NS_PER_S, NEVER_NS)).astype(np.int64)
    return whole
