"""When does a server that works on all its requests at once finish them?

Processor sharing with a cap: up to `cap` requests make progress together, each by one unit every

    step(n) = max(least, base + per_request n)      s at nominal speed, n the number in progress

and the others wait, oldest first. As an LLM decoder a unit is a token: a request is `prompt`
tokens, of which `prompts_per_step` are read in a step, then `output` tokens, the first of which
comes with the last of the prompt. As plain processor sharing on `servers` processors a unit is a
second of work: base 0, per_request 1 / servers, least 1.

With base 0 and no cap the mean response to work x is x / (1 - load), whatever the law of the work
(insensitivity; Kleinrock 1976, section 4.4). The clock of progress, shared by all, is the virtual
time of Demers et al. 1989.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from controller.sim.compiled import compiled
from controller.sim.draws import Draws, Floats
from controller.sim.heaps import pop, push
from controller.sim.serving import Ends, Requests
from controller.sim.target import TURNED_AWAY, TURNED_AWAY_S, Keys, Kinds


@dataclass(frozen=True, slots=True)
class Sharing:
    """The server at nominal speed; `cap` and `queue_bound` 0: no such bound."""

    base_s: float
    per_request_s: float
    least_s: float = 0.0
    cap: int = 0
    queue_bound: int = 0
    prompts_per_step: float = 1.0


ACTIVE, WAITING, MARKS, FREE, HEAD = range(5)


class Together:
    """A family that shares; `prompts` None: requests are work, and have no phases."""

    def __init__(self, shape: Sharing, outputs: Draws, prompts: Draws | None = None) -> None:
        self.has_phases = prompts is not None
        self._shape = shape
        self._outputs, self._prompts = outputs, prompts
        self._clock = np.zeros(2)  # progress, and the work time of the last event
        self._sizes = np.zeros(5, dtype=np.int64)
        self._marks = np.empty(0)  # progress at which something happens: a heap
        self._whose = np.empty(0, dtype=np.int64)  # 2 place, and 1 more for an end
        self._places = np.empty((3, 0), dtype=np.int64)  # names; a ring that waits; a stack of free
        self._units = np.empty((3, 0))  # of the prompt and of the output; when the first came
        self._make_room(256)

    def go(self, requests: Requests, through: float) -> Ends:
        count, shape = len(requests.keys), self._shape
        held = int(self._sizes[ACTIVE] + self._sizes[WAITING]) + count
        if held > self._units.shape[1]:
            self._make_room(2 * held)
        units, prompts = self._outputs.take(count), np.zeros(count)
        if self._prompts is not None:
            units = np.ceil(units)
            prompts = np.ceil(self._prompts.take(count) / shape.prompts_per_step)
        keys, errors = np.empty(held, dtype=np.int64), np.zeros(held, dtype=np.int8)
        times = np.empty((3, held))
        told, refused = _share(
            (requests.keys, requests.work, requests.sent_s, np.stack((prompts, units)), through),
            (self._clock, self._sizes, self._marks, self._whose),
            (self._places, self._units),
            (shape.base_s, shape.per_request_s, shape.least_s, shape.cap, shape.queue_bound),
            (keys, times, errors),
        )
        ends, firsts, tokens = times[0, :told], times[1, :told], times[2, :told]
        if not self.has_phases:
            return Ends(keys[:told], ends, errors[:told], refused=refused > 0)
        return Ends(keys[:told], ends, errors[:told], refused > 0, firsts, tokens)

    def next_end(self) -> float:
        marks = int(self._sizes[MARKS])
        ends = self._marks[:marks][self._whose[:marks] % 2 == 1]
        if not len(ends):
            return math.inf
        shape, (progress, at) = self._shape, self._clock.tolist()
        step_s = shape.base_s + shape.per_request_s * int(self._sizes[ACTIVE])
        return float(at + (ends.min() - progress) * max(shape.least_s, step_s))

    def _make_room(self, room: int) -> None:
        before = self._units.shape[1]
        more = room - before
        self._marks = np.concatenate((self._marks, np.empty(2 * more)))
        self._whose = np.concatenate((self._whose, np.empty(2 * more, dtype=np.int64)))
        self._units = np.concatenate((self._units, np.empty((3, more))), axis=1)
        self._places[1] = np.roll(self._places[1], -int(self._sizes[HEAD]))
        self._sizes[HEAD] = 0
        added = np.empty((3, more), dtype=np.int64)
        self._places = np.concatenate((self._places, added), axis=1)
        free = int(self._sizes[FREE])
        self._places[2, free : free + more] = np.arange(before, room)
        self._sizes[FREE] += more


State = tuple[Floats, Keys, Floats, Keys]
Held = tuple[Keys, Floats]
Shape = tuple[float, float, float, int, int]
Found = tuple[Keys, Floats, Kinds]


@compiled
def _share(
    requests: tuple[Keys, Floats, Floats, Floats, float],
    state: State,
    held: Held,
    shape: Shape,
    found: Found,
) -> tuple[int, int]:
    """Let requests come and work go on; gives how many are told of, and how many were refused."""
    keys, arrivals, sent_s, units, through = requests
    clock, sizes, _, _ = state
    places, held_units = held
    told_keys, times, errors = found
    _, _, _, cap, bound = shape
    told = refused = 0
    for number in range(len(keys)):
        told = _run(arrivals[number], state, held, shape, (told_keys, times, told))
        if bound and cap and sizes[ACTIVE] >= cap and sizes[WAITING] >= bound:
            told_keys[told], errors[told] = keys[number], TURNED_AWAY
            times[:, told] = sent_s[number] + TURNED_AWAY_S
            told += 1
            refused += 1
            continue
        sizes[FREE] -= 1
        place = places[2, sizes[FREE]]
        places[0, place] = keys[number]
        held_units[0, place], held_units[1, place] = units[0, number], units[1, number]
        if cap and sizes[ACTIVE] >= cap:
            places[1, (sizes[HEAD] + sizes[WAITING]) % places.shape[1]] = place
            sizes[WAITING] += 1
            continue
        if sizes[ACTIVE] == 0:
            clock[0] = 0.0
        else:
            clock[0] += (arrivals[number] - clock[1]) / _step(sizes[ACTIVE], shape)
        clock[1] = arrivals[number]
        _begin(place, state, held_units)
    told = _run(through, state, held, shape, (told_keys, times, told))
    return told, refused


@compiled
def _run(
    until: float, state: State, held: Held, shape: Shape, found: tuple[Keys, Floats, int]
) -> int:
    """Let everything happen that does by `until`; gives how many are told of then."""
    clock, sizes, marks, whose = state
    places, units = held
    told_keys, times, told = found
    while sizes[MARKS] > 0:
        at = clock[1] + (marks[0] - clock[0]) * _step(sizes[ACTIVE], shape)
        if at > until:
            break
        clock[0], clock[1] = marks[0], at
        place = whose[0] // 2
        ends = whose[0] % 2 == 1
        pop(marks, whose, sizes[MARKS])
        sizes[MARKS] -= 1
        if not ends:
            units[2, place] = at
            continue
        told_keys[told], times[0, told] = places[0, place], at
        times[1, told], times[2, told] = units[2, place], units[1, place]
        told += 1
        sizes[ACTIVE] -= 1
        places[2, sizes[FREE]] = place
        sizes[FREE] += 1
        if sizes[WAITING] > 0:
            nearest = places[1, sizes[HEAD]]
            sizes[HEAD] = (sizes[HEAD] + 1) % places.shape[1]
            sizes[WAITING] -= 1
            _begin(nearest, state, units)
    return told


@compiled
def _begin(place: int, state: State, units: Floats) -> None:
    """Put a request in progress."""
    clock, sizes, marks, whose = state
    if units[0, place] > 0:
        push(marks, whose, sizes[MARKS], clock[0] + units[0, place] + 1.0, 2 * place)
        sizes[MARKS] += 1
    end = clock[0] + units[0, place] + units[1, place]
    push(marks, whose, sizes[MARKS], end, 2 * place + 1)
    sizes[MARKS] += 1
    sizes[ACTIVE] += 1


@compiled
def _step(active: int, shape: Shape) -> float:
    """Time for one unit of progress of each."""
    return max(shape[2], shape[0] + shape[1] * active)
