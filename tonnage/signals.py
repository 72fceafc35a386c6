"""How does a signal end a command in order: the load is stopped first, then everything else?"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """SIGINT or SIGTERM arrived; raised in the main thread wherever it was."""


class Interruption:
    """Raises `Interrupted` once; later signals are only counted, so that clean-up can end."""

    def __init__(self) -> None:
        self.count = 0
        self.held = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1 and not self.held:
            raise Interrupted(signal.Signals(number).name)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """While inside, SIGINT and SIGTERM raise `Interrupted` once."""
    interruption = Interruption()
    before = {n: signal.signal(n, interruption.handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
