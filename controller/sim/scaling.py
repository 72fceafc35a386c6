"""How does a server behave whose replicas come and go with its load?

One queue as in `controller.sim.fifo`, served by `per_replica` places of each replica. Every
CONTROL_S the part of the places' time that was worked in is looked at: above `up` for `after_s` on
end a replica is added, below `down` for so long one is removed, between `least` and `most`.
What works at a removed place is finished first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from controller.sim.compiled import compiled
from controller.sim.draws import Draws, Floats
from controller.sim.heaps import replace_first
from controller.sim.serving import Ends, Requests
from controller.sim.target import Keys

CONTROL_S = 5.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """From `least` to `most` replicas; `up` and `down` are ratios of the places' time."""

    per_replica: int
    least: int
    most: int
    up: float
    down: float
    after_s: float


class Scaled:
    """A family that scales itself."""

    has_phases = False

    def __init__(self, shape: Scaling, takes: Draws) -> None:
        self._shape, self._takes = shape, takes
        self._free = np.full(shape.most * shape.per_replica, math.inf)
        self._free[: shape.least * shape.per_replica] = -math.inf  # a heap, then what is not there
        self._watch = np.zeros(4)  # next control, work given out, work done by then, how long high
        self._watch[0] = CONTROL_S
        self._count = np.array([shape.least])

    @property
    def replicas_now(self) -> int:
        """How many there are."""
        return int(self._count[0])

    def go(self, requests: Requests, through: float) -> Ends:
        count, shape = len(requests.keys), self._shape
        ends = np.empty(count)
        _scaled(
            (requests.work, self._takes.take(count), through),
            (self._free, self._count, self._watch),
            (shape.per_replica, shape.least, shape.most),
            (shape.up, shape.down, shape.after_s),
            ends,
        )
        return Ends(requests.keys, ends, np.zeros(count, dtype=np.int8))

    def next_end(self) -> float:
        return math.inf


State = tuple[Floats, Keys, Floats]
Sizes = tuple[int, int, int]
Rules = tuple[float, float, float]


@compiled
def _scaled(
    requests: tuple[Floats, Floats, float], state: State, sizes: Sizes, rules: Rules, ends: Floats
) -> None:
    arrivals, takes, through = requests
    free, count, watch = state
    for place in range(len(arrivals)):
        while watch[0] <= arrivals[place]:
            _control(state, sizes, rules)
        end = max(arrivals[place], free[0]) + takes[place]
        watch[1] += takes[place]
        replace_first(free, count[0] * sizes[0], end)
        ends[place] = end
    while watch[0] <= through:
        _control(state, sizes, rules)


@compiled
def _control(state: State, sizes: Sizes, rules: Rules) -> None:
    """Look at the load of the last CONTROL_S, and add or remove a replica."""
    free, count, watch = state
    per_replica, least, most = sizes
    up, down, after_s = rules
    now = watch[0]
    places = count[0] * per_replica
    done = watch[1]
    for place in range(places):
        done -= max(0.0, free[place] - now)
    load = (done - watch[2]) / (places * CONTROL_S)
    watch[0], watch[2] = now + CONTROL_S, done
    if load > up and count[0] < most:
        watch[3] = max(watch[3], 0.0) + CONTROL_S
    elif load < down and count[0] > least:
        watch[3] = min(watch[3], 0.0) - CONTROL_S
    else:
        watch[3] = 0.0
    if watch[3] >= after_s:
        for place in range(places, places + per_replica):
            free[place] = now
        count[0] += 1
    elif watch[3] <= -after_s:
        count[0] -= 1
        for _ in range(per_replica):
            places -= 1
            kept = free[places]
            watch[1] -= max(0.0, free[0] - now)
            replace_first(free, places, kept)
            free[places] = math.inf
    if abs(watch[3]) >= after_s:
        watch[3] = 0.0
        _heaped(free, count[0] * per_replica)


@compiled
def _heaped(free: Floats, size: int) -> None:
    """Put the first `size` back in the order of a heap."""
    free[:size] = np.sort(free[:size])
