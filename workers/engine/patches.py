"""Where in Locust does a task start, and how is that made to wait for a permit?

Three places: `TaskSet.execute_task`, `DefaultTaskSet.execute_task` (every kind of TaskSet ends in
one of them) and `TaskSet.wait`. The gate stands at the execution of a task and not at the wait:
a TaskSet runs its first task before it waits, and entering a nested TaskSet is no arrival. Users
without a lane, which are not ours, behave as ever.
"""

# ruff: noqa: SLF001 - Locust has no public names for its hooks and its users' state

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Callable
from typing import Any, Final

from gevent import GreenletExit, getcurrent
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)
from locust.user.task import (
    LOCUST_STATE_RUNNING,
    LOCUST_STATE_STOPPING,
    LOCUST_STATE_WAITING,
    DefaultTaskSet,
    TaskSet,
)

from workers.gate import Lane, Seat
from workers.permit import PERMIT_KEY, ArrivalTimedOut, Permit, current_permit

Task = Any
Execute = Callable[[Any, Task], None]

LANE: Final = "tonnage_lane"
"""Attribute of our users: the lane whose permits they take."""
RAN: Final = "tonnage_ran"
"""Attribute of our users: a task has started since the last wait."""
SEAT: Final = "tonnage_seat"
"""Attribute of our users: where they wait for permits."""
PLAIN: Final = "tonnage_plain"
"""Attribute of our users: `is_plain` of their class."""
IDLE_S: Final = 0.5
"""A user that finds nothing to do does not spin."""

TASKSET_EXECUTE: Final[Execute] = TaskSet.execute_task
DEFAULT_EXECUTE: Final[Execute] = DefaultTaskSet.execute_task
TASKSET_WAIT: Final = TaskSet.wait

_FLOW: Final = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately)
_LEAVING: Final = (StopUser, StopTest, GreenletExit)

log = logging.getLogger(__name__)


def install() -> None:
    """Put the gate in place; again is fine."""
    TaskSet.execute_task = _gated(TASKSET_EXECUTE)  # type: ignore[method-assign]
    DefaultTaskSet.execute_task = _gated(DEFAULT_EXECUTE)  # type: ignore[method-assign]
    TaskSet.wait = _wait  # type: ignore[method-assign]


def remove() -> None:
    """Give Locust its own behaviour back."""
    TaskSet.execute_task = TASKSET_EXECUTE  # type: ignore[method-assign]
    DefaultTaskSet.execute_task = DEFAULT_EXECUTE  # type: ignore[method-assign]
    TaskSet.wait = TASKSET_WAIT  # type: ignore[method-assign]


def is_plain(user_class: Any) -> bool:
    """Whether the user's tasks are functions of its own, so that nothing nests or is in order."""
    return all(inspect.isfunction(task) for task in user_class.tasks)


def _gated(execute: Execute) -> Execute:
    def execute_task(self: Any, task: Task) -> None:
        user = self.user
        lane: Lane | None = getattr(user, LANE, None)
        if lane is None or (hasattr(task, "tasks") and isinstance(task, type)):
            execute(self, task)
            return
        seat = getattr(user, SEAT, None)
        if seat is None or seat.greenlet is not getcurrent():
            seat = Seat()
            setattr(user, SEAT, seat)
        # A user whose tasks are plain functions stays here; Locust's own loop costs as much as
        # the rest of an arrival. Whatever is unusual goes back to it.
        stays = execute is DEFAULT_EXECUTE and getattr(user, PLAIN, False)
        while True:
            user._state = LOCUST_STATE_WAITING
            permit = lane.gate.acquire(lane, seat)
            if user._state == LOCUST_STATE_STOPPING:
                lane.gate.finish(permit, "the user was stopped")
                raise StopUser
            user._state = LOCUST_STATE_RUNNING
            setattr(user, RAN, True)
            _run(execute, (self, task), lane, permit)
            if not stays or user._state == LOCUST_STATE_STOPPING:
                return
            tasks = user.tasks
            task = tasks[0] if len(tasks) == 1 else random.choice(tasks)

    return execute_task


def _run(execute: Execute, work: tuple[Any, Task], lane: Lane, permit: Permit) -> None:
    """Run one task for its arrival; whatever the task does, the arrival ends."""
    greenlet: Any = getcurrent()
    local: dict[str, Permit | None] = greenlet.spawn_tree_locals
    local[PERMIT_KEY] = permit
    error: str | None = None
    try:
        execute(*work)
    except ArrivalTimedOut:
        pass  # counted when it was thrown; the user is free again
    except _FLOW:
        raise
    except _LEAVING as leaving:
        error = "ended by the worker" if isinstance(leaving, GreenletExit) else None
        raise
    except Exception as raised:  # noqa: BLE001 - a task may raise anything
        error = type(raised).__name__
        _tell(work[0], raised, permit)
    finally:
        local[PERMIT_KEY] = None
        lane.gate.finish(permit, error)


def _tell(taskset: Any, raised: Exception, permit: Permit) -> None:
    """What `TaskSet.run` does with an exception, but the traceback once per kind, not per task."""
    taskset.user.environment.events.user_error.fire(
        user_instance=taskset, exception=raised, tb=raised.__traceback__
    )
    kind = type(raised).__name__
    if kind not in permit.recorder.samples:
        permit.recorder.samples[kind] = f"{kind}: {raised}"
        log.warning("a task raised %s (told once per probe)", kind, exc_info=raised)


def _wait(self: Any) -> None:
    """Between tasks nothing waits, the gate does; `self.wait()` within a task sleeps as ever."""
    if getattr(self.user, LANE, None) is None:
        TASKSET_WAIT(self)
    elif self.user._state == LOCUST_STATE_STOPPING:
        raise StopUser
    elif current_permit() is not None:
        self._sleep(self.wait_time())
    elif getattr(self.user, RAN, False):
        setattr(self.user, RAN, False)
    else:  # no task could be started at all, as when a nested on_start raises
        self._sleep(IDLE_S)
