"""What did the target say of itself in the last second?

One task a run asks every second, on a connection of its own, and what it hears is handed over with
the windows. A target that does not tell costs nothing but its signals: failures are counted, and
people are told of the first one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from controller.errors import SignalsUnreadable
from controller.ports import Clock, Signals
from controller.run.bounded import cancel, within

EVERY_S = 1.0
WITHIN_S = 0.8
"""A page that takes longer to come is not waited for."""
CLOSE_WITHIN_S = 1.0
SILENT_READS = 10
"""A signal without a value in so many reads is told of."""

log = logging.getLogger(__name__)

Values = tuple[tuple[str, float], ...]


class Samples:
    """The latest values, and what people should know of how they are read.

    `reads` and `failures` count attempts and those that came to nothing.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.reads = 0
        self.failures = 0
        self._latest: Values = ()
        self._missing = set(names)
        self._told_missing = False
        self._untold: list[str] = []

    def take(self) -> Values:
        """What was read since the last call, the newest of each window; empty when nothing was."""
        latest, self._latest = self._latest, ()
        return latest

    def complaint(self) -> str:
        """What has gone wrong and was not told yet, else nothing."""
        text, self._untold = "; ".join(self._untold), []
        return text

    def heard(self, values: Mapping[str, float]) -> None:
        """Keep what was read."""
        self.reads += 1
        self._latest = tuple(values.items())
        self._missing -= set(values)
        if self._missing and self.reads - self.failures >= SILENT_READS and not self._told_missing:
            self._told_missing = True
            names = ", ".join(sorted(self._missing))
            self._untold.append(
                f"signals {names}: the target exposes nothing of that name; see signals.metrics"
            )

    def failed(self, why: str) -> None:
        """Count a read that came to nothing."""
        self.reads += 1
        self.failures += 1
        if self.failures == 1:
            self._untold.append(f"signals cannot be read, the run goes on without: {why}")


@asynccontextmanager
async def sampling(
    signals: Signals | None, names: tuple[str, ...], clock: Clock
) -> AsyncIterator[Samples]:
    """Ask every second within the block; without signals there are never any samples."""
    samples = Samples(names)
    if signals is None:
        yield samples
        return
    asking = asyncio.create_task(_ask(signals, samples, clock), name="signals")
    try:
        yield samples
    finally:
        await cancel(clock, asking, CLOSE_WITHIN_S)
        closing = asyncio.create_task(signals.close())
        if not await within(clock, closing, CLOSE_WITHIN_S):
            closing.cancel()
        if samples.failures:
            log.info("signals: %d of %d reads failed", samples.failures, samples.reads)


async def _ask(signals: Signals, samples: Samples, clock: Clock) -> None:
    while True:
        began_s = float(clock.now())
        await _read(signals, samples, clock)
        await clock.sleep(max(0.0, began_s + EVERY_S - float(clock.now())))


async def _read(signals: Signals, samples: Samples, clock: Clock) -> None:
    reading = asyncio.create_task(_values(signals))
    try:
        if not await within(clock, reading, WITHIN_S):
            samples.failed(f"no answer within {WITHIN_S:g} s")
            return
        samples.heard(reading.result())
    except SignalsUnreadable as error:
        samples.failed(str(error))
    except Exception as error:
        log.exception("signals could not be read")
        samples.failed(f"internal error: {type(error).__name__}; see the controller's log")
    finally:
        if not reading.done():
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _values(signals: Signals) -> Mapping[str, float]:
    return await signals.read()
