"""When does each arrival of a simulated probe start, and what is known of its end?

The schedule is the contract's, computed a chunk at a time; a healthy worker starts an arrival
USUAL_LAG_S after it is due, on average, and never before an earlier one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from contract.arrivals import Schedule
from controller.sim.trouble import Trouble

Whole = NDArray[np.int64]

NEVER_NS = 2**62
USUAL_LAG_S = 0.0001
_PURPOSE = int.from_bytes(b"lag", "big")


class Arrivals:
    """Columns of one probe's arrivals, by index; times in ns after the epoch.

    `end_ns` is NEVER_NS and `error` 0 until the target has said more.
    """

    def __init__(self, schedule: Schedule, trouble: Trouble) -> None:
        self.due_ns = np.empty(0, dtype=np.int64)
        self.start_ns = np.empty(0, dtype=np.int64)
        self.end_ns = np.empty(0, dtype=np.int64)
        self.error = np.empty(0, dtype=np.int8)
        self.missed = np.empty(0, dtype=bool)
        self._chunks = schedule.chunks()
        self._whole = False
        self._trouble = trouble
        self._delay_ns = 0
        entropy = np.random.SeedSequence((schedule.seed, schedule.probe, _PURPOSE))
        self._random = np.random.Generator(np.random.Philox(entropy))

    def started_by(self, through_ns: int) -> int:
        """How many arrivals have started by then."""
        while not self._whole and (not len(self.start_ns) or self.start_ns[-1] <= through_ns):
            self._grow()
        return int(np.searchsorted(self.start_ns, through_ns, side="right"))

    def due_by(self, through_ns: int) -> int:
        """How many arrivals are due by then."""
        while not self._whole and (not len(self.due_ns) or self.due_ns[-1] <= through_ns):
            self._grow()
        return int(np.searchsorted(self.due_ns, through_ns, side="right"))

    def close(self, index: int) -> None:
        """Forget the schedule from `index` on."""
        self._whole = True
        self.due_ns, self.start_ns = self.due_ns[:index], self.start_ns[:index]
        self.end_ns, self.error = self.end_ns[:index], self.error[:index]
        self.missed = self.missed[:index]

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
        self.missed = np.concatenate((self.missed, missed))

    def _starts(self, due_ns: Whole) -> Whole:
        trouble = self._trouble
        lag_s = trouble.lag_s + self._random.exponential(USUAL_LAG_S, len(due_ns))
        starts = due_ns + np.rint(lag_s * 1e9).astype(np.int64)
        if math.isfinite(trouble.pause_at_s):
            begun_ns = round(trouble.pause_at_s * 1e9)
            over_ns = begun_ns + round(trouble.pause_s * 1e9)
            starts = np.where((starts >= begun_ns) & (starts < over_ns), over_ns, starts)
        if len(self.start_ns):
            starts[0] = max(starts[0], self.start_ns[-1])
        ordered: Whole = np.maximum.accumulate(starts)
        return ordered
