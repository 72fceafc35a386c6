"""Which users does a locustfile define, and what of it has no meaning in an open loop?"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locust import HttpUser, LoadTestShape, TaskSet, User
from locust.user.task import DefaultTaskSet
from locust.util.load_locustfile import load_locustfile

from workers.order import CannotPrepare

SHIPPED = Path(__file__).resolve().parents[2] / "locustfiles"


@dataclass(frozen=True, slots=True)
class Locustfile:
    path: Path
    sha256: str
    classes: tuple[type[User], ...]
    warnings: tuple[str, ...]


def find(user: str) -> Path:
    """The file of a user: a name in locustfiles/, or a path.

    Raises:
        CannotPrepare: there is none.
    """
    if not user.endswith(".py") and "/" not in user and "\\" not in user:
        path = SHIPPED / f"{user}.py"
        if not path.is_file() or user.startswith("_"):
            names = sorted(p.stem for p in SHIPPED.glob("*.py") if not p.stem.startswith("_"))
            raise CannotPrepare(
                f"user {user!r} is not known: write one of {', '.join(names)}, or a path such as "
                "./locustfile.py"
            )
        return path
    path = Path(user).expanduser().absolute()
    if not path.is_file():
        raise CannotPrepare(f"user {user!r} is not a file on this worker (looked for {path})")
    return path


def load(user: str) -> Locustfile:
    """Run the locustfile and take its users.

    Raises:
        CannotPrepare: no such file, it does not run, or nothing in it can be paced.
    """
    path = find(user)
    data = path.read_bytes()
    try:
        found, shapes = load_locustfile(str(path))
    except (Exception, SystemExit) as error:
        raise CannotPrepare(_where(path, error)) from error
    classes = tuple(c for c in found.values() if c.weight > 0 or c.fixed_count > 0)
    if not classes:
        raise CannotPrepare(f"{path} defines no User class with a weight above zero")
    for user_class in classes:
        _check(path, user_class)
    warnings = (*_shape_warnings(shapes), *(w for c in classes for w in _class_warnings(c)))
    return Locustfile(path, hashlib.sha256(data).hexdigest(), classes, warnings)


def _where(path: Path, error: BaseException) -> str:
    """FILE:LINE and what went wrong, the line being the locustfile's own."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(path) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    message = " ".join(str(error).split()) or "no message"
    return f"{path}:{line or 1}: {type(error).__name__}: {message[:300]}"


def _check(path: Path, user_class: type[User]) -> None:
    name = user_class.__name__
    if user_class.run is not User.run:
        raise CannotPrepare(f"{path}: {name} overrides run(), so its tasks cannot be paced")
    if not user_class.tasks:
        raise CannotPrepare(f"{path}: {name} has no tasks: mark a method with @task")
    for taskset in _tasksets(user_class):
        if taskset.execute_task not in (TaskSet.execute_task, DefaultTaskSet.execute_task):
            raise CannotPrepare(
                f"{path}: {taskset.__name__} overrides execute_task(), so its tasks cannot be paced"
            )


def _tasksets(holder: Any) -> Iterator[type[TaskSet]]:
    seen: set[Any] = set()
    waiting = list(holder.tasks)
    while waiting:
        task = waiting.pop()
        if isinstance(task, type) and issubclass(task, TaskSet) and task not in seen:
            seen.add(task)
            yield task
            waiting += task.tasks


def _shape_warnings(shapes: list[LoadTestShape]) -> Iterator[str]:
    for shape in shapes:
        yield f"{type(shape).__name__} (a LoadTestShape) has no effect: the search sets the rate"


def _class_warnings(user_class: type[User]) -> Iterator[str]:
    for holder in (user_class, *_tasksets(user_class)):
        if _waits(holder):
            yield f"wait_time of {holder.__name__} has no effect: arrivals start when they are due"
    if user_class.fixed_count:
        yield (
            f"fixed_count of {user_class.__name__} has no effect: arrivals go to user classes by "
            "weight"
        )


def _waits(holder: Any) -> bool:
    base = TaskSet if issubclass(holder, TaskSet) else HttpUser
    old_style = holder.min_wait is not None or holder.max_wait is not None
    return bool(holder.wait_time is not base.wait_time or old_style or holder.wait_function)
