"""How is a load paced that waits for answers?

Only to measure what an open loop is worth: so do ordinary load generators. At most `streams`
arrivals are in flight. While they all are, the schedule stands still; it goes on when one has ended,
the next arrival being due that very moment. What is not due by the plan's end is never sent, so
that nothing is missed or cancelled: the slower the target, the less it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from contract.arrivals import Due
from workers.clock import Now, monotonic_ns
from workers.pacer import Pacer, Sink
from workers.timer import Timer, make_timer

HELD_GAP_NS = 500_000
"""While all streams are busy, this often it is looked whether one has ended."""


class ClosedPacer(Pacer):
    """Paces one probe of `length_ns`; `busy` counts the arrivals in flight or about to be."""

    def __init__(
        self,
        share: Iterator[tuple[Due, Due]],
        epoch_ns: int,
        sink: Sink,
        *,
        streams: int,
        busy: Callable[[], int],
        length_ns: int,
        now: Now = monotonic_ns,
        timer: Callable[[Callable[[], None]], Timer] = make_timer,
    ) -> None:
        super().__init__(share, epoch_ns, sink, now=now, timer=timer)
        self._streams = streams
        self._busy = busy
        self._length_ns = length_ns
        self._stood_ns = 0  # so long the schedule has stood still, in all
        self._is_held = False

    def stop(self) -> None:
        """Release nothing more; idempotent."""
        self._timer.close()
        self._is_stopped = True

    def _wake(self) -> None:
        now_ns = self._now()
        self._is_dormant = not self._is_stopped and now_ns > self._until_ns
        if self._is_stopped or self._is_dormant:
            return
        passed_ns = now_ns - self._epoch_ns
        while (due_ns := self._next_ns()) is not None and due_ns <= passed_ns:
            if self._busy() >= self._streams:
                self._is_held = True
                self._timer.arm(now_ns + HELD_GAP_NS)
                return
            if self._is_held:
                self._is_held = False
                self._stood_ns += passed_ns - due_ns
                continue  # the same arrival, due now
            self._sink.release(self._take(), due_ns)
        if due_ns is not None:
            self._timer.arm(self._epoch_ns + due_ns)

    def _next_ns(self) -> int | None:
        scheduled_ns = super()._next_ns()
        if scheduled_ns is None or scheduled_ns + self._stood_ns >= self._length_ns:
            return None
        return scheduled_ns + self._stood_ns
