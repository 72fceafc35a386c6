"""What do simulated workers send that wait for answers?

The counterpart of workers.closed: at most `streams` arrivals of the whole fleet are in flight, and
while they all are the schedule stands still.
"""

from __future__ import annotations

import numpy as np

from contract.report import FleetReport
from controller.sim.arrivals import NEVER_NS, Whole
from controller.sim.load import Load

LOOK_NS = 1_000_000
"""Where the target does not tell ahead when it will be done, it is looked at this often."""
_NONE = np.empty(0, dtype=np.int64)


class ClosedLoad(Load):
    """One probe of a wait-for-answer loop."""

    def advance(self, through_ns: int) -> FleetReport:
        """Start what is due up to then, as far as there are streams free, and report."""
        arrivals, first = self._arrivals, self._next
        while self._next < (last := self._last_due(through_ns)):
            start_ns = int(arrivals.start_ns[self._next])
            self._send(_NONE, start_ns)
            busy = self._open[self._ends(self._open) > start_ns]
            room = self._terms.streams - len(busy)
            if room <= 0:
                arrivals.delay(self._next, self._free_ns(busy, start_ns) - start_ns)
                continue
            here = np.arange(self._next, min(self._next + room, last))
            self._next += len(here)
            self._send(here, int(arrivals.start_ns[here[-1]]))
        self._send(_NONE, through_ns)
        return self._report(first, through_ns)

    def stop(self) -> FleetReport:
        """Send nothing after this; what was not due is not cancelled, it was never scheduled."""
        self._arrivals.cancel(self._next, self._next)
        return self._report(self._next, self.through_ns)

    def _last_due(self, through_ns: int) -> int:
        """How many arrivals start by then; those the schedule has no time left for are forgotten."""
        arrivals = self._arrivals
        last = arrivals.started_by(through_ns)
        length_ns = round(self._terms.schedule.duration_s * 1e9)
        in_time = int(np.searchsorted(arrivals.due_ns, length_ns))
        if in_time < len(arrivals.due_ns):
            after = max(in_time, self._next)
            arrivals.cancel(after, after)
        return min(last, in_time)

    def _free_ns(self, busy: Whole, now_ns: int) -> int:
        """When the first of the busy streams has its answer."""
        if self._arrivals.end_ns[busy].min() >= NEVER_NS:
            return now_ns + LOOK_NS
        return int(self._ends(busy).min())
