"""What does a watcher of a run see, and when does it stop? Server-sent events, states not deltas.

    view    the whole view, at most once per interval, whenever it has changed
    end     the last view; nothing follows, and the client need not come back

The id of an event is the journal position it shows, so a client that comes back with
Last-Event-ID misses nothing and is told nothing twice. The next view is asked for when the last
one is on its way: a slow client gets fewer of them. Format: WHATWG HTML, section 9.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from controller.ports import Clock

NEVER_MS = 24 * 3600 * 1000
"""Sent with `end` as the time to wait before coming back."""
PING = b": ping\n\n"
STOPPING = b": the controller is stopping\n\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """A view as JSON text, of the run up to journal position `position`."""

    position: int
    view: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """`interval_s` between views, `ping_s` of silence before a sign of life."""

    interval_s: float
    ping_s: float


async def event_stream(
    source: AsyncIterator[Seen],
    after: int | None,
    *,
    pace: Pace,
    clock: Clock,
    stopping: asyncio.Event,
) -> AsyncGenerator[bytes, None]:
    """Frames for a client that has seen position `after`, until the run or the controller ends."""
    stop = asyncio.ensure_future(stopping.wait())
    following = _next(source)
    try:
        while True:
            if not await _within(pace.ping_s, clock, following, stop):
                if stop.done():
                    yield STOPPING
                    return
                yield PING
                continue
            seen = following.result()
            if seen is None:
                return
            if seen.ended:
                yield frame_of("end", seen, retry_ms=NEVER_MS)
                return
            if seen.position != after:
                yield frame_of("view", seen)
                after = seen.position
                await _within(pace.interval_s, clock, stop)
            following = _next(source)
    finally:
        for task in (stop, following):
            task.cancel()
        await asyncio.gather(stop, following, return_exceptions=True)


def frame_of(event: str, seen: Seen, *, retry_ms: int | None = None) -> bytes:
    """One event on the wire; JSON text has no line breaks of its own."""
    retry = "" if retry_ms is None else f"retry: {retry_ms}\n"
    return f"event: {event}\n{retry}id: {seen.position}\ndata: {seen.view}\n\n".encode()


def _next(source: AsyncIterator[Seen]) -> asyncio.Future[Seen | None]:
    async def following() -> Seen | None:
        return await anext(source, None)

    return asyncio.ensure_future(following())


async def _within(
    seconds: float, clock: Clock, wanted: asyncio.Future[Any], *others: asyncio.Future[Any]
) -> bool:
    """Wait for `wanted`, `others` or the clock; whether `wanted` is there and no other."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({timer, wanted, *others}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        await asyncio.gather(timer, return_exceptions=True)
    return wanted.done() and not any(other.done() for other in others)
