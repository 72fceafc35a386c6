"""How much work does a simulated server get done by a time, and when is work done?

Work is measured in seconds at nominal speed, and W(t), the work a server can do up to t, is the
integral of its speed: the profile's (`controller.sim.profile`) times that of the warm-up,

    1 / slowdown                                   for warm_up_s from the first request on
    1 - (1 - 1 / slowdown) exp(-(t - t0) / tau)    where the warm-up is given by a tau

A family of targets is simulated in work time, where its server always runs at nominal speed, and
so suffers every disturbance without knowing of any.
"""

from __future__ import annotations

import math

import numpy as np

from controller.sim.draws import Floats
from controller.sim.profile import PIECE_S, Conditions, Pieces

_TAUS, _STEPS_PER_TAU = 12.0, 40


class Pace:
    """The time warp of one server, or of several that share their troubles.

    `steady`: work time is time, and all of this costs nothing.
    """

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self._given = conditions
        self.steady = conditions.steady and not conditions.warms_up
        self._pieces = Pieces(conditions, seed)
        self._cold_s: list[float] = []
        self._room = np.zeros((2, 1024))  # when the speed changes, and W by then
        self._times, self._work = self._room[:, :1]
        self._starts: list[int] = []  # of the pieces, in the arrays above

    @property
    def cold(self) -> bool:
        """Whether the first request is to begin a warm-up."""
        return self._given.warms_up and not self._cold_s

    @property
    def rewarm_after_s(self) -> float:
        """Time without work after which it is cold again."""
        given = self._given
        return given.rewarm_after_s or math.inf if given.warms_up else math.inf

    def warm_up(self, at_s: float) -> None:
        """Begin a warm-up at a time at which nothing is being worked on."""
        self._cold_s.append(at_s)
        self._drop(int(at_s // PIECE_S))

    def work(self, times_s: Floats) -> Floats:
        """W at times, in any order."""
        if self.steady or not len(times_s):
            return times_s
        self._reach(float(times_s.max()))
        done: Floats = np.interp(times_s, self._times, self._work)
        return done

    def work_by(self, at_s: float) -> float:
        """W at a time, an instant less when the server stands still then: it goes on later."""
        if self.steady:
            return at_s
        self._reach(at_s)
        place = int(np.searchsorted(self._times, at_s, side="right")) - 1
        done = float(np.interp(at_s, self._times, self._work))
        stands = self._work[place + 1] <= self._work[place]
        return math.nextafter(done, -math.inf) if stands else done

    def times(self, work: Floats) -> Floats:
        """When W reaches each of these, in any order."""
        if self.steady or not len(work):
            return work
        most = float(work.max())
        while self._work[-1] <= most:
            self._append(len(self._starts))
        times: Floats = np.interp(work, self._work, self._times)
        return times

    def time_of(self, work: float) -> float:
        """When W reaches this much; infinite for infinitely much."""
        if self.steady or math.isinf(work):
            return work
        return float(self.times(np.array([work]))[0])

    def _reach(self, at_s: float) -> None:
        while self._times[-1] <= at_s:
            self._append(len(self._starts))

    def _drop(self, number: int) -> None:
        """Forget the pieces from `number` on."""
        if number < len(self._starts):
            start = self._starts[number]
            self._times, self._work = self._room[:, : start + 1]
            del self._starts[number:]

    def _append(self, number: int) -> None:
        times, speeds = self._pieces.piece(number)
        if self._given.warms_up and self._cold_s:
            times, speeds = self._warmed(times, speeds)
        ends = np.append(times[1:], (number + 1) * PIECE_S)
        work = self._work[-1] + np.cumsum((ends - times) * speeds)
        before, after = len(self._times), len(self._times) + len(ends)
        self._starts.append(before - 1)
        if after > self._room.shape[1]:
            self._room = np.concatenate((self._room, np.zeros((2, 2 * after))), axis=1)
        self._room[0, before:after], self._room[1, before:after] = ends, work
        self._times, self._work = self._room[:, :after]

    def _warmed(self, times: Floats, speeds: Floats) -> tuple[Floats, Floats]:
        """A piece with the warm-ups that it lies in."""
        end_s = float(times[0]) + PIECE_S
        marks = [self._marks(cold_s) for cold_s in self._cold_s]
        inside = np.concatenate(marks)
        inside = inside[(inside > times[0]) & (inside < end_s)]
        fine = np.unique(np.concatenate((times, inside)))
        speeds = speeds[np.searchsorted(times, fine, side="right") - 1]
        middle = (fine + np.append(fine[1:], end_s)) / 2
        since = np.searchsorted(self._cold_s, middle, side="right") - 1
        cold_s = np.where(since >= 0, np.array(self._cold_s)[since], -math.inf)
        return fine, speeds * self._warmth(middle - cold_s)

    def _marks(self, cold_s: float) -> Floats:
        """When a warm-up changes the speed."""
        given = self._given
        if not given.warm_up_tau_s:
            return np.array([cold_s, cold_s + given.warm_up_s])
        steps = np.arange(round(_TAUS * _STEPS_PER_TAU) + 1, dtype=np.float64)
        return cold_s + steps * (given.warm_up_tau_s / _STEPS_PER_TAU)

    def _warmth(self, age_s: Floats) -> Floats:
        given = self._given
        if not given.warm_up_tau_s:
            return np.where(age_s < given.warm_up_s, 1.0 / given.slowdown, 1.0)
        lost = (1.0 - 1.0 / given.slowdown) * np.exp(-age_s / given.warm_up_tau_s)
        return np.where(age_s < _TAUS * given.warm_up_tau_s, 1.0 - lost, 1.0)
