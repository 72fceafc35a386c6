"""How does the local stack stay up until somebody ends it?"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tonnage.client import Unreachable
from tonnage.errors import CommandError
from tonnage.searching import say
from tonnage.signals import Interrupted, interruptible
from tonnage.stack import Stack, StackOptions

CHECK_S = 0.5
ACTIVE = ("queued", "preflight", "running")


def stay_up(
    console: Console,
    *,
    directory: Path | None,
    workers: int,
    port: int,
    redis_url: str | None,
    allow_targets: tuple[str, ...],
) -> int:
    """Keep the stack up until SIGINT or SIGTERM; 0 then."""
    directory = directory or data_folder()
    directory.mkdir(parents=True, exist_ok=True)
    options = StackOptions(
        directory=directory,
        workers=workers,
        port=port,
        redis_url=redis_url,
        allow_targets=allow_targets,
    )
    with interruptible(), only_one(directory):
        try:
            with Stack(options, lambda text: say(console, text)) as stack:
                say(console, f"data in {directory}; Ctrl-C ends it")
                tend_forever(stack)
        except Interrupted:
            say(console, "stopped")
    return 0


def tend_forever(stack: Stack) -> None:
    """Look after the stack's processes until an exception ends it."""
    while True:
        stack.check(run_active=_run_active(stack))
        time.sleep(CHECK_S)


def _run_active(stack: Stack) -> bool:
    """Whether a dead worker must stay dead; true when nobody can say."""
    if stack.all_alive:
        return False
    try:
        return any(run["state"] in ACTIVE for run in stack.controller.runs())
    except Unreachable:
        return True


def data_folder() -> Path:
    """The XDG base directory for data, or its default."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "tonnage"


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the folder's lock: two controllers on one journal would take each other's runs.

    Raises:
        CommandError: another stack holds it.
    """
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(
                f"another stack uses {directory}; end it or give another --data-dir"
            ) from error
        yield
