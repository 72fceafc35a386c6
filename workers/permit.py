"""What does a worker know about one arrival, from its due time to its end?

A permit is the right to start one task. Recorder, gate and the request listener write into it;
it lives on the greenlet of the user that holds it (`spawn_tree_locals`, which greenlets spawned by
the task inherit), so that requests find the arrival they belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gevent import getcurrent

if TYPE_CHECKING:
    from workers.recorder import Recorder

# How an arrival began.
PENDING: Final = 0
SENT: Final = 1
SHED: Final = 2
SHED_OVERDUE: Final = 3
MISSED: Final = 4
CANCELLED: Final = 5

# How a sent one ended.
OPEN: Final = 0
SUCCEEDED: Final = 1
FAILED: Final = 2
TIMED_OUT: Final = 3

PERMIT_KEY: Final = "tonnage_permit"


class ArrivalTimedOut(BaseException):
    """Thrown into a task whose arrival reached its time-out; users' `except Exception` let it by."""


class Permit:
    """One arrival; times are monotonic ns, masks have one bit per objective."""

    __slots__ = (
        "answered_ns",
        "bad",
        "covered",
        "due_ns",
        "failed",
        "greenlet",
        "index",
        "outcome",
        "recorder",
        "requests",
        "service_s",
        "start",
        "start_ns",
    )

    def __init__(self, index: int, due_ns: int, recorder: Recorder) -> None:
        self.index = index
        self.due_ns = due_ns
        self.recorder = recorder
        self.greenlet: Any = None
        self.start = PENDING
        self.outcome = OPEN
        self.start_ns = 0
        self.requests = 0
        self.failed = False
        self.covered = 0
        self.bad = 0
        self.answered_ns = 0  # of the first request, when there is nothing to say of it but times
        self.service_s = 0.0


def current_permit() -> Permit | None:
    """The arrival that the running greenlet works for; None outside of any."""
    local: dict[str, Permit | None] | None = getattr(getcurrent(), "spawn_tree_locals", None)
    return local.get(PERMIT_KEY) if local else None
