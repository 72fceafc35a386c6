"""Which runs that nobody here began have no controller any more?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from controller.ports import Clock, RunRecord, RunStore

FORSAKEN_S = 15.0
"""A run for which nobody vouched for this long has no controller."""
LOOK_AGAIN_S = 5.0
"""At the start a run is also ours when nobody vouched for it while we watched for so long."""

log = logging.getLogger(__name__)


class OthersRuns:
    """Runs that may be another controller's; `take_over` is called for each that is not."""

    def __init__(
        self, store: RunStore, clock: Clock, take_over: Callable[[RunRecord], Awaitable[None]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._take_over = take_over
        self._left: dict[str, RunRecord] = {}
        self._looking: asyncio.Task[None] | None = None
        self.looked = asyncio.Event()
        """Set once every run was looked at for long enough."""

    def __contains__(self, run: str) -> bool:
        return run in self._left

    async def start(self) -> None:
        """Take over what is forsaken, and watch the rest from now on."""
        left = await self._store.runs(ended=False, limit=10_000)
        now = self._clock.wall()
        for record in sorted(left, key=lambda r: (r.created_at, r.run)):
            if now - record.alive_at > FORSAKEN_S:
                await self._take_over(record)
            else:
                self._left[record.run] = record
        if self._left:
            self._looking = asyncio.create_task(self._look_again(), name="runs of others")
        else:
            self.looked.set()

    async def close(self) -> None:
        """Watch no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._left.clear()
        self.looked.set()

    async def _look_again(self) -> None:
        """Take over what nobody vouches for, at first after a short look, then after long ones."""
        wait_s = LOOK_AGAIN_S
        while self._left:
            await self._clock.sleep(wait_s)
            wait_s = FORSAKEN_S
            try:
                await self._look()
            except Exception:
                log.exception("could not look at the runs of other controllers")
            self.looked.set()

    async def _look(self) -> None:
        for run, before in tuple(self._left.items()):
            record = await self._store.run(run)
            if record.ended_at is None and record.alive_at != before.alive_at:
                log.info("run %s has another controller", run)
                self._left[run] = record
                continue
            if record.ended_at is None:
                await self._take_over(record)
            del self._left[run]
