"""Whose turn is it, and how many runs are in progress at once?

queued ──► in progress, up to `at_once` of them ──► forgotten

The head begins when it may (`controller.run.placement`): at once when nothing is in progress, else
when no run before it has its target and the idle workers carry it. Nothing overtakes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from controller.errors import FleetError
from controller.ports import Clock, Member, Roster
from controller.run.orders import Orders
from controller.run.placement import Wish, is_kept_apart, may_begin, wish_of
from controller.search.goal import Goal

LOOK_EVERY_S = 1.0
"""How often a head that waits for workers looks for them."""

log = logging.getLogger(__name__)


class NoRoster:
    """The Roster port where nobody tells who is there: runs take turns."""

    async def members(self) -> tuple[Member, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Turns:
    """How runs share the fleet: up to `at_once` together where `roster` shows the workers for it.

    `wish` says what a run of a goal asks of them.
    """

    roster: Roster = field(default_factory=NoRoster)
    at_once: int = 1
    wish: Callable[[str, Goal], Wish] = wish_of


class RunQueue:
    """Conducts what is added, in order; `serve` it once, `close` it.

    `conduct` brings one run to its end and raises nothing; `goal_of` gives that of a run not ended.
    """

    def __init__(
        self,
        conduct: Callable[[str, Orders], Awaitable[None]],
        goal_of: Callable[[str], Goal],
        turns: Turns,
        clock: Clock,
    ) -> None:
        self._conduct = conduct
        self._goal_of = goal_of
        self._turns = turns
        self._clock = clock
        self._waiting: list[str] = []
        self._orders: dict[str, Orders] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._closed = False

    def wishes(self) -> tuple[Wish, ...]:
        """What is asked of the fleet: by the runs in progress, then by those that wait."""
        return tuple(self._wish(run) for run in (*self._orders, *self._waiting))

    def add(self, run: str) -> None:
        """Put it at the end."""
        self._waiting.append(run)
        self._changed.set()

    def sort(self, key: Callable[[str], float]) -> None:
        """Bring those that wait in the order of `key`."""
        self._waiting.sort(key=key)

    def remove(self, run: str) -> bool:
        """Take a run out that waits; False when it does not."""
        if run not in self._waiting:
            return False
        self._waiting.remove(run)
        self._changed.set()
        return True

    def ahead(self, run: str) -> int | None:
        """How many runs come before it, those in progress included; None when it does not wait."""
        if run not in self._waiting:
            return None
        return self._waiting.index(run) + len(self._orders)

    def orders(self, run: str) -> Orders | None:
        """The letter box of a run in progress."""
        return self._orders.get(run)

    async def serve(self) -> None:
        """Begin runs as they may, until cancelled or closed."""
        while not self._closed:
            self._changed.clear()
            while await self._head_may_begin():
                self._begin(self._waiting.pop(0))
            await self._something()

    async def close(self, reason: str, within_s: float) -> None:
        """Let go of everything: runs in progress get `within_s` to leave by themselves."""
        self._closed = True
        self._waiting.clear()
        self._changed.set()
        for orders in self._orders.values():
            orders.leave(reason)
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, run: str) -> None:
        orders = self._orders[run] = Orders()
        task = asyncio.create_task(self._in_progress(run, orders), name=f"run {run} in progress")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_progress(self, run: str, orders: Orders) -> None:
        try:
            await self._conduct(run, orders)
        finally:
            del self._orders[run]
            self._changed.set()

    async def _head_may_begin(self) -> bool:
        if not self._waiting:
            return False
        run = self._waiting[0]
        head, in_progress = self._wish(run), self._wishes_in_progress()
        if is_kept_apart(head, in_progress, self._turns.at_once):
            return False
        if not in_progress:
            return True
        try:
            members = await self._turns.roster.members()
        except FleetError as error:
            log.warning("run %s waits: %s", run, error)
            return False
        still_head = self._waiting[:1] == [run]
        return still_head and may_begin(head, self._wishes_in_progress(), members)

    def _wish(self, run: str) -> Wish:
        return self._turns.wish(run, self._goal_of(run))

    def _wishes_in_progress(self) -> tuple[Wish, ...]:
        return tuple(self._wish(run) for run in self._orders)

    async def _something(self) -> None:
        """Wait for a change; for some time only, if it is workers that the head waits for."""
        if not self._waiting or is_kept_apart(
            self._wish(self._waiting[0]), self._wishes_in_progress(), self._turns.at_once
        ):
            await self._changed.wait()
            return
        looking = asyncio.create_task(self._clock.sleep(LOOK_EVERY_S))
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({looking, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            looking.cancel()
            changed.cancel()
