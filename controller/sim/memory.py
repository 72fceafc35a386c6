"""Where does a simulated run keep its events?"""

from __future__ import annotations

from controller.search.journal import Event


class MemoryJournal:
    """The Journal port for as long as the process lasts."""

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = {}

    async def append(self, run: str, event: Event) -> int:
        events = self._events.setdefault(run, [])
        events.append(event)
        return len(events)

    async def read(self, run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        events = self._events.get(run, [])
        return tuple(enumerate(events[after:], start=after + 1))
