"""Which arrivals are due now?

The pacer walks this worker's share of the schedule and releases every arrival that is due, each
with its own due time however late the loop is. What nobody may send any more is accounted for:
missed if it was due before, cancelled if it would have been due later in the slice at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from contract.arrivals import Due
from contract.report import BUCKET_NS
from workers.clock import Now, monotonic_ns
from workers.timer import Timer, make_timer

LATE_NS = 100_000_000
"""What was due longer ago than this when its plan came is missed; as much grace at its end."""
AHEAD_ARRIVALS = 2_048
"""With fewer left than this, the next chunk is computed beforehand, by `look_ahead`."""


class Sink(Protocol):
    """Where arrivals go; indices and due times (ns from the epoch) as in the schedule."""

    def release(self, index: int, due_ns: int) -> None: ...

    def miss(self, index: int, due_ns: int) -> None: ...

    def cancel(self, index: int, due_ns: int) -> None: ...


class Pacer:
    """Paces one probe, for as long as it is let: `extend` comes before `start`."""

    def __init__(
        self,
        share: Iterator[tuple[Due, Due]],
        epoch_ns: int,
        sink: Sink,
        *,
        now: Now = monotonic_ns,
        timer: Callable[[Callable[[], None]], Timer] = make_timer,
    ) -> None:
        self._share = share
        self._epoch_ns = epoch_ns
        self._sink = sink
        self._now = now
        self._timer = timer(self._wake)
        self._indices: list[int] = []
        self._due_ns: list[int] = []
        self._place = 0
        self._ahead: tuple[list[int], list[int]] | None = None
        self._until_ns = 0
        self._is_dormant = False
        self._is_stopped = False

    @property
    def exhausted(self) -> bool:
        """Nothing is left to release."""
        return self._is_stopped or self._next_ns() is None

    def start(self, received_ns: int) -> None:
        """Begin, `received_ns` (monotonic) being when the plan came."""
        bound_ns = received_ns - self._epoch_ns - LATE_NS
        while (due_ns := self._next_ns()) is not None and due_ns < bound_ns:
            self._sink.miss(self._take(), due_ns)
        self._wake()

    def extend(self, until_ns: int) -> None:
        """Release nothing after monotonic `until_ns`; what fell due in a gap goes out at once."""
        self._until_ns = until_ns
        if self._is_dormant:
            self._wake()

    def stop(self) -> None:
        """Release nothing more and account for what that leaves; idempotent."""
        if self._is_stopped:
            return
        self._timer.close()
        passed_ns = self._now() - self._epoch_ns
        slice_end_ns = -(-passed_ns // BUCKET_NS) * BUCKET_NS
        while (due_ns := self._next_ns()) is not None and due_ns < slice_end_ns:
            lose = self._sink.miss if due_ns <= passed_ns else self._sink.cancel
            lose(self._take(), due_ns)
        self._is_stopped = True

    def look_ahead(self) -> None:
        """Compute what is due soon, if it is not there: not in the instant it is needed."""
        if self._ahead is None and len(self._due_ns) - self._place < AHEAD_ARRIVALS:
            self._ahead = self._chunk()

    def _wake(self) -> None:
        now_ns = self._now()
        self._is_dormant = not self._is_stopped and now_ns > self._until_ns
        if self._is_stopped or self._is_dormant:
            return  # until it is extended, or the owner stops it: what is overdue is missed then
        passed_ns, release = now_ns - self._epoch_ns, self._sink.release
        # Nothing is held over a release: it may run a task, and that may stop this pacer.
        while (due_ns := self._next_ns()) is not None and due_ns <= passed_ns:
            dues, place = self._due_ns, self._place
            while place < len(dues) and (due_ns := dues[place]) <= passed_ns:
                self._place = place + 1
                release(self._indices[place], due_ns)
                if self._has_stopped():
                    return
                place = self._place
        if due_ns is not None:
            self._timer.arm(self._epoch_ns + due_ns)

    def _has_stopped(self) -> bool:
        return self._is_stopped

    def _next_ns(self) -> int | None:
        """Due time of the next arrival, computing the next chunk when it is needed."""
        if self._place == len(self._due_ns):
            indices, due_ns = self._ahead or self._chunk()
            if not indices:
                return None
            self._indices, self._due_ns = indices, due_ns
            self._place, self._ahead = 0, None
        return self._due_ns[self._place]

    def _chunk(self) -> tuple[list[int], list[int]]:
        for indices, due_ns in self._share:
            if len(indices):
                return indices.tolist(), due_ns.tolist()
        return [], []

    def _take(self) -> int:
        index = self._indices[self._place]
        self._place += 1
        return index
