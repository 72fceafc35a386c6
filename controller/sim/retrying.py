"""What do clients do to a server that is slow, when they give up and try again?

One queue as in `controller.sim.fifo`. A client waits `patience_s` for an answer, then tries again
`backoff_s` later, `attempts` times in all; the server works on what was given up too. A task ends
with the first attempt that is answered in time, or as an error when the last one's patience is
over. Beyond some rate the retries keep the server busy that a moment's overload has set off: it
stays bad at rates at which it could be good (metastable failure; Bronson et al. 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.sim.compiled import compiled
from controller.sim.draws import Draws, Floats
from controller.sim.heaps import pop, push, replace_first
from controller.sim.pace import Pace
from controller.sim.serving import Ends, Requests
from controller.sim.target import GIVEN_UP, Keys, Kinds

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Retrying:
    """Times are the client's own, which no stall of the server slows."""

    servers: int
    patience_s: float
    backoff_s: float
    attempts: int


class Retried:
    """A family whose requests are tasks."""

    has_phases = False

    def __init__(self, shape: Retrying, pace: Pace, takes: Draws) -> None:
        self._pace, self._takes = pace, takes
        self._free = np.full(shape.servers, -math.inf)
        every_s = shape.patience_s + shape.backoff_s
        self._offsets_s = np.arange(shape.attempts, dtype=np.float64) * every_s
        self._patience_s, self._attempts = shape.patience_s, shape.attempts
        self._sizes = np.zeros(3, dtype=np.int64)
        self._when = np.empty(0)  # a heap of the attempts to come
        self._which = np.empty(0, dtype=np.int64)  # task times attempts, plus the attempt
        self._names = np.empty(0, dtype=np.int64)  # a ring by task, as are the next two
        self._ended = np.empty(0, dtype=np.bool_)
        self._times = np.empty((0, 2 * shape.attempts + 1))  # tries, their ends; the last end in s

    def go(self, requests: Requests, through: float) -> Ends:
        count = len(requests.keys)
        self._make_room(count)
        places = np.arange(self._sizes[NEXT], self._sizes[NEXT] + count) % len(self._names)
        tried_s = requests.sent_s[:, None] + self._offsets_s
        given_up_s = tried_s + self._patience_s
        both = np.concatenate((tried_s, given_up_s), axis=1)
        self._names[places], self._ended[places] = requests.keys, False
        self._times[places, :-1] = self._pace.work(both.ravel()).reshape(both.shape)
        self._times[places, -1] = given_up_s[:, -1]
        most = count + int(self._sizes[PENDING])
        keys, ends = np.empty(most, dtype=np.int64), np.empty(most)
        errors = np.zeros(most, dtype=np.int8)
        told, tried = _retried(
            (count, self._takes.ahead(most * self._attempts), through, self._attempts),
            (self._free, self._sizes, self._when, self._which),
            (self._names, self._ended, self._times),
            (keys, ends, errors),
        )
        self._takes.used(tried)
        refused = bool(errors[:told].any())
        return Ends(keys[:told], ends[:told], errors[:told], refused=refused)

    def next_end(self) -> float:
        return float(self._when[0]) if self._sizes[PENDING] else math.inf

    def _make_room(self, count: int) -> None:
        """Widen the rings to hold the tasks under way and `count` more."""
        oldest, after, before = int(self._sizes[OLDEST]), int(self._sizes[NEXT]), len(self._names)
        if after - oldest + count <= before:
            return
        room = 2 * (after - oldest + count) + 64
        tasks = np.arange(oldest, after)
        for name in ("_names", "_ended", "_times"):
            ring = getattr(self, name)
            wider = np.zeros((room, *ring.shape[1:]), dtype=ring.dtype)
            wider[tasks % room] = ring[tasks % max(before, 1)]
            setattr(self, name, wider)
        self._when = np.concatenate((self._when, np.empty(room - before)))
        self._which = np.concatenate((self._which, np.empty(room - before, dtype=np.int64)))


OLDEST, NEXT, PENDING = range(3)

State = tuple[Floats, Keys, Floats, Keys]
Tasks = tuple[Keys, Flags, Floats]
Found = tuple[Keys, Floats, Kinds]


@compiled
def _retried(
    given: tuple[int, Floats, float, int], state: State, tasks: Tasks, found: Found
) -> tuple[int, int]:
    """Let tasks come and attempts be made; gives how many ended, and the attempts made."""
    count, takes, through, attempts = given
    _, sizes, when, which = state
    names, ended, times = tasks
    told = tried = 0
    first = sizes[NEXT]
    for number in range(count + 1):
        until = times[(first + number) % len(names), 0] if number < count else through
        while sizes[PENDING] > 0 and when[0] <= until:
            attempt = which[0]
            pop(when, which, sizes[PENDING])
            sizes[PENDING] -= 1
            told = _attempt(attempt, (takes[tried], attempts), state, tasks, (found, told))
            tried += 1
        if number < count:
            sizes[NEXT] += 1
            attempt = (first + number) * attempts
            told = _attempt(attempt, (takes[tried], attempts), state, tasks, (found, told))
            tried += 1
    while sizes[OLDEST] < sizes[NEXT] and ended[sizes[OLDEST] % len(names)]:
        sizes[OLDEST] += 1
    return told, tried


@compiled
def _attempt(
    attempt: int, takes: tuple[float, int], state: State, tasks: Tasks, into: tuple[Found, int]
) -> int:
    """Make an attempt; gives how many tasks are told of then."""
    took, attempts = takes
    free, sizes, when, which = state
    names, ended, times = tasks
    (keys, ends, errors), told = into
    task, turn = attempt // attempts, attempt % attempts
    place = task % len(names)
    end = max(times[place, turn], free[0]) + took
    replace_first(free, len(free), end)
    in_time = end <= times[place, attempts + turn]
    if not in_time and turn + 1 < attempts:
        push(when, which, sizes[PENDING], times[place, turn + 1], attempt + 1)
        sizes[PENDING] += 1
        return told
    keys[told] = names[place]
    ends[told] = end if in_time else times[place, 2 * attempts]
    errors[told] = 0 if in_time else GIVEN_UP
    ended[place] = True
    return told + 1
