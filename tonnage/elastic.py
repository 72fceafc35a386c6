"""How many worker processes should the local stack have right now?

The controller says how many workers its runs need, and which are idle; the stack starts what is
lacking, and ends its idle ones when they have not been needed for a minute. The workers it began
with always stay, so that the next search finds them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tonnage.client import Controller
from tonnage.errors import CommandError

ASK_EVERY_S = 2.0
ANSWER_WITHIN_S = 1.0
IDLE_S = 60.0
"""A worker that is idle while fewer are wanted than there are stays this long."""
CEILING = "TONNAGE_FLEET_CEILING"
WITHIN = "TONNAGE_FLEET_WITHIN"
AT_ONCE = "TONNAGE_RUNS_AT_ONCE"
LOCAL = {WITHIN: "20s", AT_ONCE: "1"}
"""A process is there in a few seconds; runs on one machine, and mostly their targets, share its cores."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The stack has between `least` and `most` workers; `ceiling` is what the controller asks for."""

    least: int
    most: int
    ceiling: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What the controller says: workers wanted, those there, those of no run, and why so many."""

    wanted: int
    there: frozenset[str]
    idle: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """So many workers more, and those that are to end."""

    more: int = 0
    end: tuple[str, ...] = ()
    reason: str = ""


Ask = Callable[[], Situation | None]


def bounds(workers: int, cores: int, environment: Mapping[str, str]) -> Bounds:
    """From the workers a stack begins with up to the cores less one, or to an operator's ceiling.

    Raises:
        CommandError: the ceiling in the environment is no number above 0.
    """
    given = environment.get(CEILING)
    if given is not None and not (given.isascii() and given.isdecimal() and int(given) > 0):
        raise CommandError(f"{CEILING}: {given!r} is not a number of workers: write one such as 8")
    most = max(workers, cores - 1)
    if given is None:
        return Bounds(workers, most, most)
    return Bounds(workers, max(workers, min(most, int(given))), max(workers, int(given)))


def controller_environment(limits: Bounds, environment: Mapping[str, str]) -> dict[str, str]:
    """What a controller is told of a stack with these bounds; an operator's setting goes first."""
    local = {name: environment.get(name, value) for name, value in LOCAL.items()}
    return local | {CEILING: str(limits.ceiling)}


class Elastic:
    """Follows the demand; `due` says when to ask again. Its owner starts and ends the processes."""

    def __init__(
        self, ask: Ask, limits: Bounds, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._limits = limits
        self._now = now
        self._next_at = now()
        self._spare_since: dict[str, float] = {}

    @property
    def due(self) -> bool:
        """Whether it is time to ask."""
        return self._now() >= self._next_at

    def change(self, mine: Sequence[str]) -> Change:
        """What to change, asked of the controller; `mine` are the stack's workers, oldest first."""
        self._next_at = self._now() + ASK_EVERY_S
        situation = self._ask()
        if situation is None:  # nobody says so: nothing is begun or ended on a guess
            self._spare_since.clear()
            return Change()
        self._note_spare(situation, mine)
        silent = sum(worker not in situation.there for worker in mine)  # on its way, or dead
        lacking = situation.wanted - len(situation.there) - silent
        more = max(0, min(lacking, self._limits.most - len(mine)))
        return Change(more, self._to_end(situation, mine), situation.reason)

    def _note_spare(self, situation: Situation, mine: Collection[str]) -> None:
        now = self._now()
        if situation.wanted >= len(situation.there):
            self._spare_since.clear()
            return
        spare = situation.idle & set(mine)
        since = self._spare_since
        self._spare_since = {worker: since.get(worker, now) for worker in spare}

    def _to_end(self, situation: Situation, mine: Sequence[str]) -> tuple[str, ...]:
        """The latest first, and none of those the stack began with."""
        until = self._now() - IDLE_S
        surplus = max(0, len(situation.there) - situation.wanted)
        extra = reversed(mine[self._limits.least :])
        spare = [worker for worker in extra if self._spare_since.get(worker, until + 1) <= until]
        return tuple(spare[:surplus])


def asking(controller: Controller) -> Ask:
    """Ask that controller; None while it does not answer."""

    def ask() -> Situation | None:
        try:
            demand = controller.demand(ANSWER_WITHIN_S)
            there = controller.fleet(ANSWER_WITHIN_S)
        except CommandError:
            return None
        return _situation(demand, there)

    return ask


def cores() -> int:
    """What this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _situation(demand: Mapping[str, Any], there: Sequence[Mapping[str, Any]]) -> Situation:
    return Situation(
        wanted=int(demand["workers"]),
        there=frozenset(str(worker["worker"]) for worker in there),
        idle=frozenset(map(str, demand["idle"])),
        reason=str(demand["reason"]),
    )
