"""What do the workers of one run say, and do they hear us?

Reads their replies in order, tells them things, and beats: the workers stop by themselves when
they see no new beat for 3 s. A connection that breaks is tried again for READ_GRACE_S; what lasts
longer is FleetLost, and so is a Redis that was started anew: what it held is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from contract import keys
from contract.codec import Packed
from contract.messages import BEAT_S, Plan, Prepare, Stop
from controller.adapters.control_link import ControlLink, Places, Seen
from controller.errors import Fenced, FleetLost
from controller.ports import Clock

READ_GRACE_S = 1.0
RETRY_EVERY_S = 0.1

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Conversation:
    """One controller's talk with the workers of `run`, under `fence`."""

    def __init__(self, run: str, fence: int, link: ControlLink, clock: Clock) -> None:
        self._run = run
        self._fence = fence
        self._link = link
        self._clock = clock
        self._after: Places = {}
        self._server = ""
        self._beat = 0
        self._beating: asyncio.Task[None] | None = None
        self._fenced: Fenced | None = None

    @property
    def open(self) -> bool:
        """Whether the workers see beats."""
        return self._beating is not None

    @property
    def fenced(self) -> bool:
        """Whether another controller has taken over."""
        return self._fenced is not None

    async def begin(self, workers: int = 1) -> None:
        """Beat from now on, and hear only what so many workers say from now on."""
        self._server = await self._link.server()
        self._after = await self._link.tail(self._run, keys.shards(workers))
        self._beat = await self._link.beat(self._run, self._fence, self._beat)
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat_on(), name=f"beat of {self._run}")

    async def end(self) -> None:
        """Beat no more."""
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def tell(self, message: Prepare | Plan | Stop) -> None:
        """Publish once: what is not known to have arrived is not said again."""
        await self._link.publish(message)

    async def insist(self, stop: Stop) -> None:
        """Publish, again while it fails, and even while this task is cancelled."""
        await uninterrupted(self._patiently(lambda: self._link.publish(stop)))

    async def receive(self) -> tuple[Packed, ...]:
        """What was said since last time, waiting a moment for the first word."""
        if self._fenced is not None:
            raise self._fenced
        try:
            self._after, messages = await self._link.replies(self._after)
        except FleetLost:
            await self._same_server()
            return ()
        return messages

    async def there(self) -> tuple[Seen, ...]:
        """Every worker heard of within the last seconds."""
        return await self._patiently(self._link.fleet)

    async def gone(self, workers: Iterable[str], boots: Mapping[str, str]) -> tuple[str, ...]:
        """Those of `workers` that are no longer there, or there as another process."""
        alive = {seen.hello.worker: seen.hello.boot for seen in await self.there()}
        return tuple(worker for worker in workers if alive.get(worker) != boots[worker])

    async def _beat_on(self) -> None:
        while True:
            await self._clock.sleep(BEAT_S)
            try:
                self._beat = await self._link.beat(self._run, self._fence, self._beat)
            except FleetLost as error:
                log.warning("run %s: no beat: %s", self._run, error)
            except Fenced as error:
                self._fenced = error
                return

    async def _same_server(self) -> None:
        """Return once the server answers again.

        Raises:
            FleetLost: it does not, or it was started anew.
        """
        if await self._patiently(self._link.server) != self._server:
            raise FleetLost("Redis was started anew: what was under way in it is gone")

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        give_up_at = self._clock.now() + READ_GRACE_S
        while True:
            try:
                return await call()
            except FleetLost:
                if self._clock.now() >= give_up_at:
                    raise
            await self._clock.sleep(RETRY_EVERY_S)


async def uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work`, which is bounded, before a cancellation of this task goes on."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # seen, and less than the cancellation
        raise cancelled
    task.result()
