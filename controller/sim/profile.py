"""How fast is a simulated server over time, leaving its own warm-up aside?

    speed(t) = speed  x  noise  x  drift  x  step  x  stall  x  slow spell

    noise   its logarithm is an Ornstein-Uhlenbeck process of standard deviation `speed_noise` and
            correlation time `noise_s`, drawn exactly on a grid of noise_s / 80
    drift   1 + drift t / 600 s, from 0.2 to 5
    step    1 + step from `step_at_s` on
    spells  of stalls or slowness: windows [k every, k every + length), k = 1, 2, ..., or, when they
            come at random, exponential times of mean `every` from the end of one to the next and
            lengths uniform on [0.6, 1.4] length

Between its breakpoints the speed is constant. It is laid out in pieces of PIECE_S seconds, in
order, so that it does not depend on who asks when.

Source of the noise's transition: Gillespie 1996, eq. 1.9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from controller.sim.compiled import compiled
from controller.sim.draws import Floats, Generator, random_for

PIECE_S = 256.0
DRIFT_PERIOD_S = 600.0
SLOWEST, FASTEST = 0.2, 5.0
"""What drift and step may come to."""
_NOISE_STEPS = 80
_LEAST_STEP_S, _MOST_STEP_S = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Spells:
    """Windows of another speed; none where `every_s` or `length_s` is 0."""

    every_s: float = 0.0
    length_s: float = 0.0
    speed: float = 0.0
    at_random: bool = False

    @property
    def happen(self) -> bool:
        return self.every_s > 0 and self.length_s > 0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What keeps a server from its nominal speed, and the part of its answers that are errors.

    `slowdown` is how much longer work takes at the beginning of the warm-up: for `warm_up_s`, and
    falling exponentially with `warm_up_tau_s`. A server without work for `rewarm_after_s` (0: ever
    so long) is cold again. `drift` is per ten minutes.
    """

    slowdown: float = 1.0
    warm_up_s: float = 0.0
    warm_up_tau_s: float = 0.0
    rewarm_after_s: float = 0.0
    stalls: Spells = Spells()
    slow: Spells = Spells()
    speed_noise: float = 0.0
    noise_s: float = 20.0
    drift: float = 0.0
    step: float = 0.0
    step_at_s: float = 0.0
    speed: float = 1.0
    fail_ratio: float = 0.0

    @property
    def warms_up(self) -> bool:
        return self.slowdown != 1.0 and (self.warm_up_s > 0 or self.warm_up_tau_s > 0)

    @property
    def steady(self) -> bool:
        """Whether the speed is always 1, once warm."""
        varies = self.speed_noise or self.drift or self.step
        return not (varies or self.stalls.happen or self.slow.happen) and self.speed == 1.0

    def lasting(self, at_s: float) -> Conditions:
        """What a long run meets: warm, and with drift and step as they are at `at_s`."""
        speed = self.speed * _moved(self, at_s)
        return replace(
            self, slowdown=1.0, rewarm_after_s=0.0, drift=0.0, step=0.0, step_at_s=0.0, speed=speed
        )


def _moved(given: Conditions, at_s: float) -> float:
    drifted = 1.0 + given.drift * at_s / DRIFT_PERIOD_S
    stepped = 1.0 + given.step if given.step and at_s >= given.step_at_s else 1.0
    return min(max(drifted, SLOWEST), FASTEST) * min(max(stepped, SLOWEST), FASTEST)


class Pieces:
    """Speed, piece by piece: each is (times at which it changes, the speeds from there on)."""

    def __init__(self, given: Conditions, seed: int) -> None:
        self._given = given
        self._noise = random_for(seed, "noise")
        self._spells = (
            _Windows(given.stalls, random_for(seed, "stalls")),
            _Windows(given.slow, random_for(seed, "slow")),
        )
        self._last_noise = 0.0
        self._laid: list[tuple[Floats, Floats]] = []

    def piece(self, number: int) -> tuple[Floats, Floats]:
        """The piece from `number` times PIECE_S on."""
        while len(self._laid) <= number:
            self._laid.append(self._lay(len(self._laid) * PIECE_S))
        return self._laid[number]

    def _lay(self, begin_s: float) -> tuple[Floats, Floats]:
        given, end_s = self._given, begin_s + PIECE_S
        grid, noise = self._grid(begin_s)
        windows = [spells.until(end_s) for spells in self._spells]
        edges = [edge for found in windows for window in found for edge in window]
        edges.append(given.step_at_s)
        inside = [edge for edge in edges if begin_s < edge < end_s]
        times = np.unique(np.concatenate((grid, inside)))
        speeds = noise[np.searchsorted(grid, times, side="right") - 1] * given.speed
        middle = (times + np.append(times[1:], end_s)) / 2
        if given.drift:
            speeds *= np.clip(1.0 + given.drift * middle / DRIFT_PERIOD_S, SLOWEST, FASTEST)
        if given.step:
            stepped = min(max(1.0 + given.step, SLOWEST), FASTEST)
            speeds *= np.where(middle >= given.step_at_s, stepped, 1.0)
        for found, spells in zip(windows, (given.stalls, given.slow), strict=True):
            for start_s, over_s in found:
                speeds[(middle >= start_s) & (middle < over_s)] *= spells.speed
        return times, speeds

    def _grid(self, begin_s: float) -> tuple[Floats, Floats]:
        """Times from `begin_s` on at which noise changes, and its factors."""
        given = self._given
        step_s = _MOST_STEP_S if given.drift else PIECE_S
        if given.speed_noise:
            finest_s = min(max(given.noise_s / _NOISE_STEPS, _LEAST_STEP_S), _MOST_STEP_S)
            step_s = PIECE_S / math.ceil(PIECE_S / finest_s)
        count = round(PIECE_S / step_s)
        times = np.arange(count, dtype=np.float64) * step_s + begin_s
        if not given.speed_noise:
            return times, np.ones(count)
        kept = math.exp(-step_s / given.noise_s)
        first = 0.0 if begin_s else 1.0  # the very first is drawn from the long run
        normals = self._noise.standard_normal(count) * given.speed_noise
        logs = _wander(normals, self._last_noise, kept, first)
        self._last_noise = float(logs[-1])
        return times, np.exp(logs)


@compiled
def _wander(normals: Floats, last: float, kept: float, first: float) -> Floats:
    logs = np.empty(len(normals))
    spread = math.sqrt(1.0 - kept * kept)
    for place in range(len(normals)):
        fresh = place == 0 and first > 0
        last = normals[0] if fresh else kept * last + spread * normals[place]
        logs[place] = last
    return logs


class _Windows:
    """The windows of spells, in order."""

    def __init__(self, given: Spells, random: Generator) -> None:
        self._given, self._random = given, random
        self._found: list[tuple[float, float]] = []
        self._number = 0
        self._over_s = 0.0

    def until(self, end_s: float) -> list[tuple[float, float]]:
        """Those that begin before `end_s`; what is over well before it is forgotten."""
        if not self._given.happen:
            return []
        while not self._found or self._found[-1][0] < end_s:
            self._found.append(self._next())
        self._found = [window for window in self._found if window[1] > end_s - PIECE_S]
        return [window for window in self._found if window[0] < end_s]

    def _next(self) -> tuple[float, float]:
        given = self._given
        if not given.at_random:
            self._number += 1
            return self._number * given.every_s, self._number * given.every_s + given.length_s
        start_s = self._over_s + float(self._random.exponential(given.every_s))
        self._over_s = start_s + given.length_s * float(self._random.uniform(0.6, 1.4))
        return start_s, self._over_s
