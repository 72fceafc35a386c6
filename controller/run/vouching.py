"""How do other controllers see that runs have one?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.ports import Clock, RunStore

VOUCH_EVERY_S = 2.0
"""How often `alive_at` of runs not ended is renewed."""

log = logging.getLogger(__name__)


class Vouching:
    """Vouches for all of `runs` while anybody is inside `kept_up`."""

    def __init__(self, store: RunStore, clock: Clock, runs: Callable[[], tuple[str, ...]]) -> None:
        self._store = store
        self._clock = clock
        self._runs = runs
        self._inside = 0
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Begin with the first who comes in, end with the last who goes."""
        if self._task is None:
            self._task = asyncio.create_task(self._vouch(), name="vouch for runs")
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if self._inside == 0:
                self._task.cancel()
                self._task = None

    async def once(self) -> None:
        """Vouch now; what goes wrong is raised."""
        await self._store.keep_alive(self._runs(), self._clock.wall())

    async def _vouch(self) -> None:
        while True:
            try:
                await self.once()
            except Exception:
                log.exception("could not vouch for the runs")
            await self._clock.sleep(VOUCH_EVERY_S)
