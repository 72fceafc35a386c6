"""What does somebody want of a run in progress: that it ends, or that this process lets go?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Order:
    """`abort` ends the run; `leave` stops the load and keeps the run for a later controller."""

    kind: Literal["abort", "leave"]
    reason: str


class Orders:
    """One run's letter box: the first order stands."""

    def __init__(self) -> None:
        self._given: asyncio.Event = asyncio.Event()
        self._order: Order | None = None

    def abort(self, reason: str) -> None:
        self._put(Order("abort", reason))

    def leave(self, reason: str) -> None:
        self._put(Order("leave", reason))

    async def given(self) -> Order:
        """Wait for the order; its owner bounds the wait by the run's own end."""
        await self._given.wait()
        assert self._order is not None
        return self._order

    def _put(self, order: Order) -> None:
        if self._order is None:
            self._order = order
            self._given.set()
