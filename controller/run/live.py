"""What happens in a run at this moment, for everybody who watches, however slowly?

A run in progress keeps its view and its latest events once; watchers take what is new since
they last looked. Nothing is buffered per watcher, so a slow one skips to the latest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from controller.ports import Clock, Journal
from controller.search.journal import Event, RunEnded
from controller.search.view import RunView, fold

RECENT_EVENTS = 256
"""Events kept for watchers: about four minutes of measurements."""


END_ATTEMPTS = 4
END_AGAIN_S = 1.0
"""The end of a run is journalled so often at most, so far apart, before it is shown without."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Update:
    """A run as it stands at `position` of its journal.

    `events` are those behind the watcher's last position, at most the latest RECENT_EVENTS.
    """

    position: int
    view: RunView
    events: tuple[tuple[int, Event], ...]


class LiveRun:
    """The journal of one run that is not ended, and its view; it is the Journal of its conductor."""

    def __init__(self, run: str, journal: Journal, clock: Clock) -> None:
        self.run = run
        self.view = RunView(run)
        self.position = 0
        self._journal = journal
        self._clock = clock
        self._recent: deque[tuple[int, Event]] = deque(maxlen=RECENT_EVENTS)
        self._changed = asyncio.Event()
        self._closed = False

    async def load(self) -> tuple[Event, ...]:
        """Take in what is journalled already; give it."""
        history = await self._journal.read(self.run)
        for position, event in history:
            self._take(position, event)
        return tuple(event for _, event in history)

    async def append(self, run: str, event: Event) -> int:
        """Journal the event, then show it; the end is shown even if it cannot be journalled."""
        if isinstance(event, RunEnded):
            position = await self._append_end(run, event)
        else:
            position = await self._journal.append(run, event)
        self._take(position, event)
        return position

    async def read(self, run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        """Events behind position `after`, oldest first."""
        return await self._journal.read(run, after)

    def close(self) -> None:
        """Let every watcher see the rest and end."""
        self._closed = True
        self._notify()

    async def watch(self, after: int) -> AsyncIterator[Update]:
        """The run now, and again whenever something was added; ends with the run."""
        seen, first = after, True
        while True:
            changed = self._changed
            if first or self.position > seen:
                events = tuple(item for item in self._recent if item[0] > seen)
                seen, first = self.position, False
                yield Update(seen, self.view, events)
                continue
            if self._closed or self.view.state == "ended":
                return
            await changed.wait()

    async def _append_end(self, run: str, event: RunEnded) -> int:
        for attempt in range(1, END_ATTEMPTS + 1):
            try:
                return await self._journal.append(run, event)
            except Exception:
                log.exception("the end of run %s could not be journalled", run)
            if attempt < END_ATTEMPTS:
                await self._clock.sleep(END_AGAIN_S)
        return self.position + 1

    def _take(self, position: int, event: Event) -> None:
        self.view = fold(self.view, event)
        self.position = position
        self._recent.append((position, event))
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
