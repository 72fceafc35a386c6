"""What time is it, really?"""

from __future__ import annotations

import asyncio
import time

from contract.units import Seconds


class SystemClock:
    """The machine's clocks, as the Clock port has them."""

    def now(self) -> Seconds:
        """Monotonic seconds."""
        return Seconds(time.monotonic())

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at least one turn of the loop passes."""
        await asyncio.sleep(max(0.0, seconds))
