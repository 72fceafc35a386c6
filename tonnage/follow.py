"""How does a command watch a run to its end, while the stack below it is kept alive?

A thread reads the controller's events (reconnecting from the last position, as browsers do);
the main thread draws, looks after the children and handles signals.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tonnage.client import Controller, Document, Refused, Unreachable
from tonnage.errors import CommandError

POLL_S = 0.25
GONE_S = 60.0
"""Without a controller for this long the command gives up; a restarted one is back sooner."""
ABORT_TIMEOUT_S = 120.0
"""The fleet confirms once nothing is in flight: at worst a request's time-out from now."""


@dataclass(slots=True)
class _Inbox:
    views: queue.Queue[Document] = field(default_factory=queue.Queue)
    ended: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    failure: CommandError | None = None


class Follower:
    """Latest view of one run; `close` it, or use it as a context manager."""

    def __init__(self, controller: Controller, run: str) -> None:
        self._controller = controller
        self._run = run
        self._inbox = _Inbox()
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)
        self._thread.start()

    def wait(self, draw: Callable[[Document], None], tend: Callable[[], None]) -> Document:
        """Draw every view until the run has ended; the last one. `tend` runs a few times a second.

        Raises:
            CommandError: the controller stayed away, or refused.
        """
        last: Document = {}
        while True:
            tend()
            try:
                last = self._inbox.views.get(timeout=POLL_S)
                draw(last)
            except queue.Empty:
                if self._inbox.ended.is_set():
                    return last
                if self._inbox.failure is not None:
                    raise self._inbox.failure from None

    def close(self) -> None:
        self._inbox.closed.set()

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        position: str | None = None
        gone_since: float | None = None
        while not self._inbox.closed.is_set():
            try:
                for at, kind, data in self._controller.events(self._run, position):
                    position, gone_since = at, None
                    self._inbox.views.put(data)
                    if kind == "end":
                        self._inbox.ended.set()
                        return
            except Unreachable as error:
                if gone_since is None or error.was_there:
                    gone_since = time.monotonic()
                elif time.monotonic() - gone_since > GONE_S:
                    self._inbox.failure = error
                    return
            except Refused as error:
                self._inbox.failure = error
                return
            self._inbox.closed.wait(0.5)


def abort(controller: Controller, run: str, tend: Callable[[], None]) -> bool:
    """Have the run stop; whether it has ended, and so confirmed it, within ABORT_TIMEOUT_S."""
    deadline = time.monotonic() + ABORT_TIMEOUT_S
    is_told = False
    while time.monotonic() < deadline:
        tend()
        try:
            if not is_told:
                controller.abort(run)
                is_told = True
            if controller.view(run).get("ended"):
                return True
        except Unreachable:
            pass  # it may be restarting; without it the workers stop by themselves
        time.sleep(POLL_S)
    return False
