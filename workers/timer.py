"""How does the event loop wake up at an instant, to a tenth of a millisecond?

On Linux a timerfd with an absolute CLOCK_MONOTONIC time, watched by the loop; libev's own timers
are rounded to a millisecond. Elsewhere the loop's timer.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub

from workers.clock import NS_PER_S, monotonic_ns

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_READABLE = 1


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


class FdTimer:
    """A timerfd on the loop."""

    def __init__(self, call: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Itimerspec()
        self._call = call
        self._watcher: Any = get_hub().loop.io(self._fd, _READABLE)
        self._watcher.start(self._wake)

    def arm(self, at_ns: int) -> None:
        seconds, ns = divmod(max(at_ns, 1), NS_PER_S)  # 0 would disarm it
        self._spec.it_value.tv_sec, self._spec.it_value.tv_nsec = seconds, ns
        if self._settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        if self._fd >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1

    def _wake(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # armed anew since
            return
        self._call()


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
