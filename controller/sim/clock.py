"""What time is it where waiting costs nothing?

Everybody who sleeps stands in one queue by the time to wake. When the loop has run out of other
things to do for a few turns, time jumps to the first of them: tasks that sleep side by side wake
in the order of their times, as on a real clock, and nothing ever waits.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from contract.units import Seconds

IDLE_TURNS = 3
"""Turns of the loop that others get between two jumps, to react to the one before."""
EPOCH_S = 1_767_225_600.0  # 2026-01-01, so that virtual dates look like dates


class VirtualClock:
    """The Clock port in virtual time: for one event loop, and for tasks that wait on it alone."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self._turning = False

    def now(self) -> Seconds:
        return Seconds(self._now_s)

    def wall(self) -> float:
        return EPOCH_S + self._now_s

    async def sleep(self, seconds: float) -> None:
        """Return when time has jumped `seconds` ahead; others that wake earlier come first."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        wake_s = self._now_s + max(0.0, seconds)
        heapq.heappush(self._sleepers, (wake_s, next(self._order), woken))
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn, loop, IDLE_TURNS)
        await woken

    def _turn(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns > 0:
            loop.call_soon(self._turn, loop, turns - 1)
            return
        while self._sleepers and self._sleepers[0][2].done():  # cancelled
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            self._turning = False
            return
        wake_s, _, woken = heapq.heappop(self._sleepers)
        self._now_s = max(self._now_s, wake_s)
        woken.set_result(None)
        if self._sleepers:
            loop.call_soon(self._turn, loop, IDLE_TURNS)
        else:
            self._turning = False
