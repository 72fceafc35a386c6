"""How bursty is the load that reaches a simulated target?

As a goal says, or burstier: the gaps gamma with a coefficient of variation of their own, or the
rate itself switched at random between r (1 + swing) and r (1 - swing), for exponential times of
mean tau in each (a Markov-modulated Poisson process of two states). Time is warped for that: an
arrival due at u is due at t with

    u = integral from 0 to t of m(s) ds,   m(s) = 1 + swing or 1 - swing

so that over a long time as many arrive as without. The capacity of a target under such load is its
own; `benchmarks.search_truth` finds it under the same.

Source: Fischer and Meier-Hellstern 1993, for the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contract.arrivals import Due, Law, Schedule
from contract.units import Seconds
from controller.sim.parameters import Parameter, duration, number, ratio

TRAFFIC: Mapping[str, Parameter] = {
    "arrivals_cv": number(0.01, 10.0, 1.0, "2"),
    "arrivals_swing": ratio("80%", most=0.95),
    "arrivals_swing_tau": duration(1e-3, 2.0, "2s"),
}
_PURPOSE = int.from_bytes(b"bursts", "big")
_BLOCK = 256

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Traffic:
    """`cv` 1 and `swing` 0 leave the arrivals as they are."""

    cv: float = 1.0
    swing: float = 0.0
    tau_s: float = 2.0

    def chunks(self, schedule: Schedule) -> Iterator[tuple[int, Due]]:
        """The due times of a probe, as `Schedule.chunks` gives them."""
        if self.cv != 1:
            schedule = replace(schedule, law=Law("gamma", self.cv))
        if self.swing == 0:
            yield from schedule.chunks()
            return
        end_ns = round(schedule.duration_s * 1e9)
        longest_s = Seconds(schedule.duration_s * (1 + self.swing))
        warp = self._warp(longest_s, (schedule.seed, schedule.probe))
        for first, due_ns in replace(schedule, duration_s=longest_s).chunks():
            warped = np.rint(1e9 * np.interp(due_ns / 1e9, *warp)).astype(np.int64)
            kept = int(np.searchsorted(warped, end_ns))
            if kept:
                yield first, warped[:kept]
            if kept < len(warped):
                return

    def due_s(self, rate: float, arrivals: int, seeds: tuple[int, ...]) -> Floats:
        """So many due times at a steady rate, in s; Poisson ones but for what makes them bursty."""
        random = np.random.default_rng(seeds)
        if self.cv == 1:
            gaps = random.standard_exponential(arrivals)
        else:
            shape = 1 / self.cv**2
            gaps = random.standard_gamma(shape, arrivals) / shape
        due_s: Floats = np.cumsum(gaps) / rate
        if self.swing > 0:
            due_s = np.interp(due_s, *self._warp(float(due_s[-1]), seeds))
        return due_s

    def _warp(self, until_s: float, seeds: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Corners of the warp: times before it, at least up to `until_s`, and after it."""
        random = np.random.default_rng((*seeds, _PURPOSE))
        fast = bool(random.random() < 0.5)
        before, after = [np.zeros(1)], [np.zeros(1)]
        while before[-1][-1] <= until_s:
            stays_s = self.tau_s * random.standard_exponential(_BLOCK)
            pace = np.where((np.arange(_BLOCK) % 2 == 0) == fast, 1 + self.swing, 1 - self.swing)
            before.append(before[-1][-1] + np.cumsum(stays_s * pace))
            after.append(after[-1][-1] + np.cumsum(stays_s))
        return np.concatenate(before), np.concatenate(after)
