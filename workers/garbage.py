"""When may the interpreter collect garbage, and how long did it stop the loop for it?

A collection in mid-probe is send lag. So there is none from the plan to the last report; what has
gathered is collected between probes, and what stays is frozen, out of the collector's sight. A
locustfile that makes cycles would fill the memory: when the process has grown by `GROWN_BYTES` one
young collection runs all the same, and is told.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable

from workers.kernel import PROC, KernelFile, resident_bytes

GROWN_BYTES = 200_000_000
YOUNG = 1
"""The generation that is collected in mid-probe."""
_NS_PER_S = 1_000_000_000

log = logging.getLogger(__name__)


class Garbage:
    """Collects between probes: `keep_out` when a plan comes, `let_in` when it has drained."""

    def __init__(self, memory: Callable[[], int] | None = None) -> None:
        self.note: str | None = None
        self._statm = KernelFile(PROC / "self" / "statm")
        self.memory = memory or self._resident
        self._kept_at: int | None = None
        self._is_due = False
        self._begun_ns = self._paused_ns = 0
        gc.callbacks.append(self._listen)

    def keep_out(self) -> None:
        """No collection from now on; what has gathered before is collected first."""
        self._collect()
        gc.disable()
        self.note = None
        self._kept_at = self.memory()
        self._is_due = True
        self._paused_ns = 0

    def let_in(self) -> None:
        """Collect what the probe has left, if one has ended since the last time."""
        self._kept_at = None
        if not gc.isenabled():
            gc.enable()
        self._collect()

    def look(self) -> None:
        """Collect in mid-probe if memory asks for it; call it about once a second."""
        if self._kept_at is None:
            return
        now = self.memory()
        if now - self._kept_at < GROWN_BYTES:
            return
        gc.collect(YOUNG)
        grown_mb = (now - self._kept_at) / 1e6
        self.note = f"collected garbage in mid-probe: the process had grown by {grown_mb:,.0f} MB"
        log.warning("%s; a task makes reference cycles, or keeps what it receives", self.note)
        self._kept_at = self.memory()

    def take_pause_s(self) -> float:
        """How long collections took since the last call."""
        paused_ns, self._paused_ns = self._paused_ns, 0
        return paused_ns / _NS_PER_S

    def close(self) -> None:
        """Leave the collector as Python has it."""
        if self._listen in gc.callbacks:
            gc.callbacks.remove(self._listen)
        self._statm.close()
        gc.enable()

    def _collect(self) -> None:
        if not self._is_due:
            return
        self._is_due = False
        gc.unfreeze()  # what was frozen alive may be dead by now
        gc.collect()
        gc.freeze()

    def _listen(self, phase: str, _details: object) -> None:
        if phase == "start":
            self._begun_ns = time.perf_counter_ns()
        else:
            self._paused_ns += time.perf_counter_ns() - self._begun_ns

    def _resident(self) -> int:
        return resident_bytes(self._statm.read())
