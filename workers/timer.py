"""How does the event loop wake up at an instant, to a tenth of a millisecond?

On Linux a timerfd with an absolute CLOCK_MONOTONIC time, watched by the loop; libev's own timers
are rounded to a millisecond. Elsewhere the loop's timer.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub

from workers.clock import LOCAL, NS_PER_S, monotonic_ns

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_READABLE = 1
_NEVER_NS = 2**63 - 1

LOOK_EVERY = 16
"""Events of one turn of the loop between two looks: each may take 30 us."""
SHORTEST_NS = 50_000
"""A wake-up costs about as much: what is due sooner shares one."""


class Timer(Protocol):
    """Calls back in the hub, where nothing may block."""

    def arm(self, at_ns: int) -> None:
        """Call back once at monotonic `at_ns`, or at once when that has passed."""

    def close(self) -> None:
        """Never call back again."""


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


_open: list[FdTimer] = []
_events = itertools.count(1)


def in_a_long_turn() -> None:
    """Told of every event that the loop handles: a turn after a stall may have thousands."""
    if not next(_events) % LOOK_EVERY:
        for timer in tuple(_open):
            timer.look()


class FdTimer:
    """A look at every turn of the loop, and a timerfd for when nothing else turns it in time.

    A loop that is busy turns by itself, so the timerfd is set only when it would not ring before
    what it is armed for anyway: at many arrivals a second it is hardly ever touched.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Itimerspec()
        self._at = ctypes.byref(self._spec)
        self._call = call
        self._at_ns = self._set_for_ns = _NEVER_NS
        loop: Any = get_hub().loop
        self._watcher: Any = loop.io(self._fd, _READABLE)
        self._watcher.start(self._ring)
        self._turns: Any = loop.check()
        self._turns.priority = loop.MAXPRI  # before whatever else this turn has brought
        self._turns.start(self.look)
        _open.append(self)

    def arm(self, at_ns: int) -> None:
        self._at_ns = at_ns
        if at_ns < self._set_for_ns:
            self._set(max(at_ns, monotonic_ns() + SHORTEST_NS))

    def close(self) -> None:
        if self._fd >= 0:
            for watcher in (self._watcher, self._turns):
                watcher.stop()
                watcher.close()
            os.close(self._fd)
            self._fd = -1
            _open.remove(self)

    def _set(self, at_ns: int) -> None:
        self._set_for_ns = at_ns
        seconds, ns = divmod(LOCAL.kernel_ns(at_ns), NS_PER_S)
        self._spec.it_value.tv_sec, self._spec.it_value.tv_nsec = seconds, ns
        if self._settime(self._fd, _TFD_TIMER_ABSTIME, self._at, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def look(self) -> None:
        """Call back now if it is time; in the hub."""
        now_ns = monotonic_ns()
        if now_ns >= self._set_for_ns:  # it has rung, or is about to
            self._set_for_ns = _NEVER_NS
        if now_ns >= self._at_ns:
            self._at_ns = _NEVER_NS
            self._call()

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # set anew since
            return
        self._set_for_ns = _NEVER_NS
        self.look()
        if self._fd >= 0 and self._at_ns < self._set_for_ns:
            self._set(max(self._at_ns, monotonic_ns() + SHORTEST_NS))


class LoopTimer:
    """The loop's own timer: late by up to a millisecond."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._timer: Any = None

    def arm(self, at_ns: int) -> None:
        self.close()
        delay_s = max(0, at_ns - monotonic_ns()) / NS_PER_S
        self._timer = get_hub().loop.timer(delay_s)
        self._timer.start(self._call, update=True)  # the loop's own time may be stale

    def close(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


def make_timer(call: Callable[[], None]) -> Timer:
    """The best timer that this system has."""
    if sys.platform == "linux":
        try:
            return FdTimer(call)
        except (OSError, AttributeError):  # a sandbox or a C library without it
            pass
    return LoopTimer(call)
