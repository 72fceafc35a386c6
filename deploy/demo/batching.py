"""Which requests does the accelerator take next, and when is it done with them?

Greedy dynamic batching in virtual time: whenever the accelerator is free and the queue is not
empty it takes up to `max_batch` requests, oldest first, and holds them for `base + per_item * n`
seconds. Starts follow the deadline before them rather than the moment somebody woke up, so lateness
of timers does not add up.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

CATCH_UP_S = 0.005
"""Lateness of timers that later batches win back; a longer pause of the process is lost for good."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Stalls:
    """Windows [k * every_s, k * every_s + length_s), k = 1, 2, …, without any work being done.

    A batch that a window falls into is interrupted and goes on afterwards. Length 0 means no stalls.
    """

    every_s: float = 0.0
    length_s: float = 0.0

    def __post_init__(self) -> None:
        if self.length_s < 0 or self.every_s < 0:
            raise ValueError(
                f"a stall of {self.length_s!r} s every {self.every_s!r} s: neither may be negative"
            )
        if self.length_s and self.every_s <= self.length_s:
            raise ValueError(
                f"a stall of {self.length_s!r} s every {self.every_s!r} s leaves no time to serve"
            )

    def resume(self, at_s: float) -> float:
        """The earliest time from `at_s` on that is outside every window."""
        if not self.length_s or at_s < self.every_s:
            return at_s
        opened_s = math.floor(at_s / self.every_s) * self.every_s
        return max(at_s, opened_s + self.length_s)

    def finish(self, start_s: float, work_s: float) -> float:
        """When work begun at `start_s` ends, interruptions included."""
        if not self.length_s:
            return start_s + work_s
        start_s = self.resume(start_s)
        next_s = max(1.0, math.floor(start_s / self.every_s) + 1.0) * self.every_s
        if start_s + work_s <= next_s:
            return start_s + work_s
        whole = math.ceil((start_s + work_s - next_s) / (self.every_s - self.length_s))
        return start_s + work_s + whole * self.length_s


@dataclass(frozen=True, slots=True)
class Timing:
    """What a batch costs: `base_s + per_item_s * n`, `slowdown` times as much while warming up.

    The warm-up lasts `warm_up_s` seconds from the first request on.
    """

    base_s: float
    per_item_s: float
    max_batch: int
    queue_bound: int = 4096
    slowdown: float = 1.0
    warm_up_s: float = 0.0
    stalls: Stalls = Stalls()

    def __post_init__(self) -> None:
        if self.base_s < 0 or self.per_item_s < 0 or self.base_s + self.per_item_s <= 0:
            raise ValueError(
                f"a batch must take time: base {self.base_s!r} s, per item {self.per_item_s!r} s"
            )
        if self.max_batch < 1 or self.queue_bound < 1:
            raise ValueError(
                f"at least 1 each: max_batch {self.max_batch!r}, queue_bound {self.queue_bound!r}"
            )
        if self.slowdown <= 0 or self.warm_up_s < 0:
            raise ValueError(
                f"slowdown {self.slowdown!r} must be above 0, warm-up {self.warm_up_s!r} s not below"
            )

    def work_s(self, size: int) -> float:
        """Nominal duration of a batch of `size` requests once warm."""
        return self.base_s + self.per_item_s * size


@dataclass(frozen=True, slots=True)
class Batch(Generic[Key]):
    """Requests the accelerator holds together.

    `taken_s` is when the clock said so, `start_s` and `deadline_s` are the plan; `stalled_s` of the
    time between them was no work. `warm` batches were not slowed down by the warm-up.
    """

    keys: tuple[Key, ...]
    taken_s: float
    start_s: float
    deadline_s: float
    stalled_s: float
    warm: bool


@dataclass(frozen=True, slots=True)
class Turn(Generic[Key]):
    """What happened at one look at the clock; the next is due at `wake_s`, or at an arrival if None."""

    finished: Batch[Key] | None
    started: Batch[Key] | None
    wake_s: float | None


class Batcher(Generic[Key]):
    """The queue and the accelerator behind it. Every time is in seconds since the start."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.running: Batch[Key] | None = None
        self._queue: OrderedDict[Key, float] = OrderedDict()
        self._free_s = -math.inf
        self._first_s = math.inf

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def idle(self) -> bool:
        return self.running is None

    def offer(self, key: Key, now_s: float) -> bool:
        """Queue `key`; False where the queue is at its bound and the request is turned away."""
        self._first_s = min(self._first_s, now_s)
        if len(self._queue) >= self.timing.queue_bound:
            return False
        self._queue[key] = now_s
        return True

    def withdraw(self, key: Key) -> bool:
        """Take `key` out of the queue; False where it is not, or no longer, waiting."""
        return self._queue.pop(key, None) is not None

    def turn(self, now_s: float) -> Turn[Key]:
        """End the running batch if its deadline has come, then take the next if any waits."""
        finished: Batch[Key] | None = None
        if self.running is not None:
            if now_s < self.running.deadline_s:
                return Turn(None, None, self.running.deadline_s)
            finished, self.running = self.running, None
            self._free_s = finished.deadline_s
        if not self._queue:
            return Turn(finished, None, None)
        start_s = self._next_start(now_s)
        if start_s > now_s:
            return Turn(finished, None, start_s)
        self.running = self._take(start_s, now_s)
        return Turn(finished, self.running, self.running.deadline_s)

    def _next_start(self, now_s: float) -> float:
        oldest_s = next(iter(self._queue.values()))
        return self.timing.stalls.resume(max(oldest_s, self._free_s, now_s - CATCH_UP_S))

    def _take(self, start_s: float, now_s: float) -> Batch[Key]:
        timing = self.timing
        size = min(len(self._queue), timing.max_batch)
        keys = tuple(self._queue.popitem(last=False)[0] for _ in range(size))
        warm = now_s >= self._first_s + timing.warm_up_s or timing.slowdown == 1.0
        work_s = timing.work_s(size) * (1.0 if warm else timing.slowdown)
        deadline_s = timing.stalls.finish(start_s, work_s)
        return Batch(keys, now_s, start_s, deadline_s, deadline_s - start_s - work_s, warm)
