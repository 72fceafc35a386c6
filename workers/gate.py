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

from workers.clock import NS_PER_S, Now, monotonic_ns
from workers.permit import OPEN, SENT, SHED, SHED_OVERDUE, ArrivalTimedOut, Permit

_SHEDS = (SHED, SHED_OVERDUE)

OLDEST_KEPT_NS = 5_000_000
"""While shedding, the oldest arrival in flight is looked for this often at most."""


KEPT_BEYOND = 4_096
"""Permits that have ended are kept behind one in flight: so many more than there are of those."""


class Seat:
    """Where a user waits for its permits; it has one for its life."""

    __slots__ = ("greenlet", "permit", "place")

    def __init__(self) -> None:
        self.greenlet: Any = getcurrent()
        self.place = -1
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
        self._hub: Any = get_hub()
        self._order: deque[Permit] = deque()  # let through, by due time; the ended leave later
        self._random = random.Random(0).random
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
        self._random = random.Random(seed).random
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
        self._order.append(permit)
        self._seek_user(permit)

    def acquire(self, lane: Lane, seat: Seat | None = None) -> Permit:
        """The next permit for the running user, which waits for it as long as it takes.

        `seat` is the user's own, made in its greenlet; without one it gets one for this time.
        """
        if lane.backlog:
            permit = lane.backlog.popleft()
            self.waiting -= 1
            self.in_flight += 1
        else:
            permit = self._wait(lane, seat or Seat())
        permit.greenlet = getcurrent()
        permit.start_ns = self._now()
        permit.start = SENT
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
        self.in_flight -= 1

    def sweep(self) -> None:
        """Time out what has been in flight for too long, counted from its due time."""
        order = self._tidied()
        latest_ns = self._now() - self._timeout_ns
        late = []
        for permit in order:
            if permit.due_ns > latest_ns:
                break
            if permit.start == SENT and permit.outcome == OPEN:
                late.append(permit)
        for permit in late:
            permit.recorder.time_out(permit)
            self.in_flight -= 1
            self._hub.loop.run_callback(_interrupt, permit)

    def abandon(self, error: str) -> None:
        """Count everything in flight as failed: its users are being ended."""
        for permit in tuple(self._order):
            if permit.start == SENT and permit.outcome == OPEN:
                permit.recorder.end(permit, error)
                self.in_flight -= 1

    def _seek_user(self, permit: Permit) -> None:
        lane = self.lanes[0] if len(self.lanes) == 1 else self._choose()
        idle = lane.idle
        if not idle:
            lane.backlog.append(permit)
            self.waiting += 1
            self.short(lane)
            return
        seat = idle[int(self._random() * len(idle))]
        _vacate(idle, seat)
        seat.permit = permit
        self.in_flight += 1
        if getcurrent() is self._hub:  # the user runs now, until it waits for something
            seat.greenlet.switch()
        else:
            self._hub.loop.run_callback(_wake, seat)

    def _tidied(self) -> deque[Permit]:
        """The permits let through, without those that have ended as far as that costs little."""
        order = self._order
        while order and _is_over(order[0]):
            order.popleft()
        if len(order) > 2 * (self.in_flight + self.waiting) + KEPT_BEYOND:
            order = self._order = deque(permit for permit in order if not _is_over(permit))
        return order

    def _choose(self) -> Lane:
        point = self._random() * self._weights[-1]
        return next(
            lane for lane, edge in zip(self.lanes, self._weights, strict=True) if point < edge
        )

    def _wait(self, lane: Lane, seat: Seat) -> Permit:
        seat.place = len(lane.idle)
        lane.idle.append(seat)
        try:
            while seat.permit is None:
                self._hub.switch()
        except BaseException:
            if seat.permit is None:
                _vacate(lane.idle, seat)
            else:  # the user was ended after it was chosen: somebody else takes the permit
                self.in_flight -= 1
                permit, seat.permit = seat.permit, None
                self._release_again(permit)
            raise
        permit, seat.permit = seat.permit, None
        return permit

    def _release_again(self, permit: Permit) -> None:
        if not self._is_open or self.in_flight + self.waiting >= self._cap:
            self._shed(permit)
        else:
            self._seek_user(permit)

    def _shed(self, permit: Permit) -> None:
        now_ns = self._now()
        if now_ns - self._looked_ns >= OLDEST_KEPT_NS:
            self._looked_ns = now_ns
            in_flight = (p.due_ns for p in self._tidied() if p.start == SENT and p.outcome == OPEN)
            self._oldest_ns = next(in_flight, now_ns)
        overdue = now_ns - self._oldest_ns > self._overdue_ns
        permit.start = SHED_OVERDUE if overdue else SHED


def _is_over(permit: Permit) -> bool:
    return permit.outcome != OPEN or permit.start in _SHEDS


def _vacate(idle: list[Seat], seat: Seat) -> None:
    last = idle.pop()
    if last is not seat:
        idle[seat.place] = last
        last.place = seat.place


def _wake(seat: Seat) -> None:
    if seat.permit is not None:  # it may have been given back by a user that was ended
        seat.greenlet.switch()


def _interrupt(permit: Permit) -> None:
    """Runs in the hub, as `throw` asks for; by then the task may be over."""
    if permit.greenlet is not None:
        permit.greenlet.throw(ArrivalTimedOut())


def _nothing(_lane: Lane) -> None:
    """Nobody wants to know that users are short."""
