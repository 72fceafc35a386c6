"""When does each arrival of a simulated probe start, and what is known of its end?

The schedule is the contract's, computed a chunk at a time; a healthy worker starts an arrival
USUAL_LAG_S after it is due, on average, and never before an earlier one.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.arrivals import Schedule
from controller.sim.counting import CANCELLED, MISSED, SENT
from controller.sim.target import Served
from controller.sim.traffic import Traffic
from controller.sim.trouble import Trouble

Whole = NDArray[np.int64]
Column = TypeVar("Column", NDArray[np.int64], NDArray[np.int16])

NEVER_NS = 2**62
USUAL_LAG_S = 0.0001
_PURPOSE = int.from_bytes(b"lag", "big")
_NO_WHOLE = np.empty(0, dtype=np.int64)
_NO_REPLICA = np.empty(0, dtype=np.int16)


class Arrivals:
    """Columns of one probe's arrivals, by index; times in ns after the epoch.

    `end_ns` is NEVER_NS and `error` 0 until the target has said more; `fate` is a column of
    `controller.sim.counting`. `first_ns`, `between_ns` and `replica` stay empty until the target
    tells such things.
    """

    def __init__(
        self,
        schedule: Schedule,
        trouble: Trouble,
        traffic: Traffic = Traffic(),  # noqa: B008 - frozen
    ) -> None:
        self.due_ns = _NO_WHOLE
        self.start_ns = _NO_WHOLE
        self.end_ns = _NO_WHOLE
        self.error = np.empty(0, dtype=np.int8)
        self.fate = np.empty(0, dtype=np.int8)
        self.first_ns = _NO_WHOLE
        self.between_ns = _NO_WHOLE
        self.replica = _NO_REPLICA
        self._chunks = traffic.chunks(schedule)
        self._whole = False
        self._trouble = trouble
        self._delay_ns = 0
        entropy = np.random.SeedSequence((schedule.seed, schedule.probe, _PURPOSE))
        self._random = np.random.Generator(np.random.Philox(entropy))

    def started_by(self, through_ns: int) -> int:
        """How many arrivals have started by then."""
        while not self._whole and (not len(self.start_ns) or self.start_ns[-1] <= through_ns):
            self._grow()
        return int(self.start_ns.searchsorted(through_ns, side="right"))

    def due_by(self, through_ns: int) -> int:
        """How many arrivals are due by then."""
        while not self._whole and (not len(self.due_ns) or self.due_ns[-1] <= through_ns):
            self._grow()
        return int(self.due_ns.searchsorted(through_ns, side="right"))

    def cancel(self, first: int, after: int) -> None:
        """Cancel some, and forget the schedule beyond them."""
        self._whole = True
        self.due_ns, self.start_ns = self.due_ns[:after], self.start_ns[:after]
        self.end_ns, self.error = self.end_ns[:after], self.error[:after]
        self.fate = self.fate[:after]
        self.fate[first:] = CANCELLED

    def delay(self, index: int, by_ns: int) -> None:
        """Let the schedule stand still: everything from `index` on is due so much later."""
        self._delay_ns += by_ns
        self.due_ns[index:] += by_ns
        self.start_ns[index:] += by_ns

    def exhausted(self, index: int) -> bool:
        """Whether no arrival is left from `index` on."""
        while not self._whole and index >= len(self.due_ns):
            self._grow()
        return index >= len(self.due_ns)

    def note(self, served: Served, places: Whole, epoch_s: float) -> None:
        """Write down what the target said of arrivals."""
        self.end_ns[places] = np.rint((served.ends_s - epoch_s) * 1e9).astype(np.int64)
        self.error[places] = served.errors
        if served.replicas is not None:
            if len(self.replica) < len(self.due_ns):
                self.replica = _grown(self.replica, len(self.due_ns))
            self.replica[places] = served.replicas
        if served.phases is not None:
            if len(self.first_ns) < len(self.due_ns):
                self.first_ns = _grown(self.first_ns, len(self.due_ns))
                self.between_ns = _grown(self.between_ns, len(self.due_ns))
            firsts_ns = (served.phases.firsts_s - epoch_s) * 1e9
            self.first_ns[places] = np.rint(firsts_ns).astype(np.int64)
            self.between_ns[places] = np.rint(served.phases.between_s * 1e9).astype(np.int64)

    def _grow(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._whole = True
            return
        due_ns = chunk[1] + self._delay_ns
        count = len(due_ns)
        self.start_ns = np.concatenate((self.start_ns, self._starts(due_ns)))
        self.due_ns = np.concatenate((self.due_ns, due_ns))
        self.end_ns = np.concatenate((self.end_ns, np.full(count, NEVER_NS, dtype=np.int64)))
        self.error = np.concatenate((self.error, np.zeros(count, dtype=np.int8)))
        missed = self._random.random(count) < self._trouble.missed_ratio
        fate = np.where(missed, MISSED, SENT).astype(np.int8)
        self.fate = np.concatenate((self.fate, fate))

    def _starts(self, due_ns: Whole) -> Whole:
        trouble = self._trouble
        lag_s = trouble.lag_s + self._random.exponential(USUAL_LAG_S, len(due_ns))
        starts = due_ns + np.rint(lag_s * 1e9).astype(np.int64)
        if math.isfinite(trouble.pause_at_s):
            begun_ns = round(trouble.pause_at_s * 1e9)
            over_ns = begun_ns + round(trouble.pause_s * 1e9)
            starts = np.where((starts >= begun_ns) & (starts < over_ns), over_ns, starts)
        each_ns = round(1e9 / trouble.saturates_per_s)
        queued = each_ns * np.arange(len(starts))
        if len(self.start_ns):
            starts[0] = max(starts[0], self.start_ns[-1] + each_ns)
        ordered: Whole = np.maximum.accumulate(starts - queued) + queued
        return ordered


def _grown(column: Column, size: int) -> Column:
    grown: Column = np.concatenate((column, np.zeros(size - len(column), dtype=column.dtype)))
    return grown
