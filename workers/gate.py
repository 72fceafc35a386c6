"""Which user starts the next task, and what happens when nobody is free or too much is in flight?

A permit goes to a user taken at random from the idle ones of its lane (a user class, chosen by
weight): the most recently used one would keep a few connections hot. Without an idle user it waits
in the lane, its due time unchanged. Over the cap of arrivals in flight it is shed, and said so.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from gevent import get_hub, getcurrent
from gevent.hub import Waiter

from workers.clock import NS_PER_S, Now, monotonic_ns
from workers.permit import OPEN, SENT, SHED, SHED_OVERDUE, ArrivalTimedOut, Permit

OLDEST_KEPT_NS = 5_000_000
"""While shedding, the oldest arrival in flight is looked for this often at most."""


class Seat:
    """Where an idle user waits for its permit."""

    __slots__ = ("permit", "place", "waiter")

    def __init__(self, place: int) -> None:
        self.place = place
        self.waiter: Any = Waiter()
        self.permit: Permit | None = None


class Lane:
    """The idle users of one class, and the permits that wait for one of them."""

    __slots__ = ("backlog", "gate", "idle")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.idle: list[Seat] = []
        self.backlog: deque[Permit] = deque()


class Gate:
    """Hands permits to users; closed, hence nobody starts, until `open`."""

    def __init__(self, *, now: Now = monotonic_ns) -> None:
        self.lanes: list[Lane] = []
        self.in_flight = 0
        self.waiting = 0
        self.short: Callable[[Lane], None] = _nothing
        self._now = now
        self._weights: list[float] = []
        self._flights: dict[int, Permit] = {}
        self._random = random.Random(0)
        self._is_open = False
        self._cap = 0
        self._timeout_ns = 0
        self._overdue_ns = 0.0
        self._oldest_ns = 0
        self._looked_ns = -OLDEST_KEPT_NS

    def set_lanes(self, weights: Sequence[float]) -> list[Lane]:
        """One lane per user class, in the order of `weights`; forgets the ones before."""
        self.lanes = [Lane(self) for _ in weights]
        self._weights = list(accumulate(weights))
        return self.lanes

    def open(self, *, cap: int, timeout_s: float, overdue_s: float, seed: int) -> None:
        """Let permits through, at most `cap` in flight or waiting; `seed` chooses the users."""
        self._cap = cap
        self._timeout_ns = round(timeout_s * NS_PER_S)
        self._overdue_ns = overdue_s * NS_PER_S
        self._random = random.Random(seed)
        self._is_open = True

    def close(self) -> None:
        """Start nothing more: what waits for a user is shed. Arrivals in flight go on."""
        self._is_open = False
        for lane in self.lanes:
            while lane.backlog:
                self.waiting -= 1
                self._shed(lane.backlog.popleft())

    def release(self, permit: Permit) -> None:
        """Let `permit` start now, wait for a user, or be shed."""
        if not self._is_open or self.in_flight + self.waiting >= self._cap:
            self._shed(permit)
            return
        lane = self.lanes[0] if len(self.lanes) == 1 else self._choose()
        if lane.idle:
            self._hand(lane, permit)
        else:
            lane.backlog.append(permit)
            self.waiting += 1
            self.short(lane)

    def acquire(self, lane: Lane) -> Permit:
        """The next permit for the running user, which waits for it as long as it takes."""
        if lane.backlog:
            permit = lane.backlog.popleft()
            self.waiting -= 1
            self.in_flight += 1
        else:
            permit = self._wait(lane)
        permit.greenlet = getcurrent()
        permit.start_ns = self._now()
        permit.start = SENT
        self._flights[permit.index] = permit
        return permit

    def finish(self, permit: Permit, error: str | None = None) -> None:
        """The task of `permit` is over; late ones have timed out, whatever they say."""
        permit.greenlet = None
        if permit.outcome != OPEN:
            return
        if self._now() - permit.due_ns >= self._timeout_ns:
            permit.recorder.time_out(permit)
        else:
            permit.recorder.end(permit, error)
        self._land(permit)

    def sweep(self) -> None:
        """Time out what has been in flight for too long, counted from its due time."""
        latest_ns = self._now() - self._timeout_ns
        for permit in [p for p in self._flights.values() if p.due_ns <= latest_ns]:
            permit.recorder.time_out(permit)
            self._land(permit)
            get_hub().loop.run_callback(_interrupt, permit)

    def abandon(self, error: str) -> None:
        """Count everything in flight as failed: its users are being ended."""
        for permit in list(self._flights.values()):
            permit.recorder.end(permit, error)
            self._land(permit)

    def _choose(self) -> Lane:
        point = self._random.random() * self._weights[-1]
        return next(
            lane for lane, edge in zip(self.lanes, self._weights, strict=True) if point < edge
        )

    def _hand(self, lane: Lane, permit: Permit) -> None:
        idle = lane.idle
        seat = idle[int(self._random.random() * len(idle))]
        _vacate(idle, seat)
        seat.permit = permit
        self.in_flight += 1
        get_hub().loop.run_callback(seat.waiter.switch, permit)

    def _wait(self, lane: Lane) -> Permit:
        seat = Seat(len(lane.idle))
        lane.idle.append(seat)
        try:
            permit: Permit = seat.waiter.get()
        except BaseException:
            if seat.permit is None:
                _vacate(lane.idle, seat)
            else:  # the user was ended after it was chosen: somebody else takes the permit
                self.in_flight -= 1
                self.release(seat.permit)
            raise
        return permit

    def _land(self, permit: Permit) -> None:
        del self._flights[permit.index]
        self.in_flight -= 1

    def _shed(self, permit: Permit) -> None:
        now_ns = self._now()
        if now_ns - self._looked_ns >= OLDEST_KEPT_NS:
            self._looked_ns = now_ns
            self._oldest_ns = min((p.due_ns for p in self._flights.values()), default=now_ns)
        overdue = now_ns - self._oldest_ns > self._overdue_ns
        permit.start = SHED_OVERDUE if overdue else SHED


def _vacate(idle: list[Seat], seat: Seat) -> None:
    last = idle.pop()
    if last is not seat:
        idle[seat.place] = last
        last.place = seat.place


def _interrupt(permit: Permit) -> None:
    """Runs in the hub, as `throw` asks for; by then the task may be over."""
    if permit.greenlet is not None:
        permit.greenlet.throw(ArrivalTimedOut())


def _nothing(_lane: Lane) -> None:
    """Nobody wants to know that users are short."""
