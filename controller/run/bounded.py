"""How long may others take, and what then? Waiting on the run's clock, with an end."""

from __future__ import annotations

import asyncio
from typing import Any

from controller.ports import Clock


async def within(clock: Clock, task: asyncio.Task[Any], bound_s: float) -> bool:
    """Whether `task` is done within `bound_s`; it goes on if not."""
    alarm = asyncio.ensure_future(clock.sleep(bound_s))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        alarm.cancel()
    return task.done()


async def cancel(clock: Clock, task: asyncio.Task[Any], bound_s: float) -> None:
    """Cancel `task` and wait for it; after `bound_s` cancel what it does to clean up, too."""
    for _ in range(2):
        task.cancel()
        if await within(clock, task, bound_s):
            return
