"""Which connection does a request go over, and what when there may be no more of them?

    Own      each user keeps its own                              reuse: user
    Shared   any idle one, all alike; a new one when none is idle reuse: random
    Capped   as Shared, but so many at most: a request waits      most

Each is made once for a run, so that a request pays for nothing that its policy does not say. What
is taken is given back, open or not; one that was closed meanwhile is dropped when it turns up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

from gevent import get_hub
from gevent.hub import Waiter


class Connection(Protocol):
    """What a pool needs of `workers.clients.wire.Connection`."""

    is_open: bool

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)
Make = Callable[[], C]
"""A connection that is not open yet; it opens itself when it is first used."""


class Own(Generic[C]):
    """One connection, whose user takes it each time."""

    def __init__(self, make: Make[C]) -> None:
        self._connection = make()

    def take(self) -> C:
        return self._connection

    def give(self, connection: C) -> None:
        """Nothing: it is the user's."""

    def close(self) -> None:
        self._connection.close()


class Shared(Generic[C]):
    """As many connections as are wanted at once; idle ones are taken with equal chances."""

    def __init__(self, make: Make[C], *, seed: int = 1) -> None:
        self._make = make
        self._idle: list[C] = []
        self._random = Random(seed).random

    @property
    def idle(self) -> int:
        """Connections that nobody has, those that ended meanwhile included."""
        return len(self._idle)

    def take(self) -> C:
        """An idle connection, or a new one."""
        idle = self._idle
        while idle:
            place = int(self._random() * len(idle))
            connection, last = idle[place], idle.pop()
            if last is not connection:
                idle[place] = last
            if connection.is_open:
                return connection
        return self._more()

    def give(self, connection: C) -> None:
        self._idle.append(connection)

    def _more(self) -> C:
        return self._make()


class _Waiting(Generic[C]):
    """Somebody for whom there was no connection, until there is one."""

    __slots__ = ("connection", "waiter")

    def __init__(self) -> None:
        self.waiter: Any = Waiter()
        self.connection: C | None = None


class Capped(Shared[C]):
    """At most `room()` connections; who finds none waits, first come, first served.

    `waited` hears how many seconds that took.
    """

    def __init__(
        self,
        make: Make[C],
        room: Callable[[], int],
        *,
        seed: int = 1,
        waited: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(make, seed=seed)
        self._room = room
        self._waited = waited
        self._queue: deque[_Waiting[C]] = deque()
        self._taken = 0

    @property
    def taken(self) -> int:
        """Connections that somebody has."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._queue)

    def take(self) -> C:
        """An idle connection, a new one, or after a wait somebody else's."""
        connection = super().take()
        self._taken += 1
        return connection

    def give(self, connection: C) -> None:
        if self._taken > self._room():  # there were more addresses when it was opened
            self._taken -= 1
            connection.close()
        elif self._queue:
            waiting = self._queue.popleft()
            waiting.connection = connection
            get_hub().loop.run_callback(waiting.waiter.switch, None)
        else:
            self._taken -= 1
            self._idle.append(connection)

    def _more(self) -> C:
        """Nothing is idle: whatever there is has been taken."""
        if self._taken < self._room():
            return self._make()
        connection = self._wait()
        self._taken -= 1  # it changed hands, and `take` counts it again
        return connection

    def _wait(self) -> C:
        begun_s = perf_counter()
        waiting: _Waiting[C] = _Waiting()
        self._queue.append(waiting)
        try:
            while waiting.connection is None:
                waiting.waiter.get()
        except BaseException:  # the time-out of the arrival
            if waiting.connection is None:
                self._queue.remove(waiting)
            else:
                self.give(waiting.connection)
            raise
        if self._waited is not None:
            self._waited(perf_counter() - begun_s)
        return waiting.connection
