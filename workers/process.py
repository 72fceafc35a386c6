"""What does a worker ask of the operating system: open files, an end with its parent, signals?"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
FILES_BESIDE_USERS = 64
"""Descriptors for Redis, logs, the interpreter and the like."""


def raise_open_files() -> int:
    """Raise the limit of open files as far as it goes; gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some systems promise more than they let one take
            return soft
    return hard if hard != resource.RLIM_INFINITY else sys.maxsize


def too_few_files(limit: int, users: int) -> str | None:
    """One sentence when `users` connections do not fit; None when they do."""
    needed = users + FILES_BESIDE_USERS
    if needed <= limit:
        return None
    return (
        f"{users} users may need {needed} open files, the limit is {limit}: "
        "raise it with ulimit -n, or start more workers"
    )


def end_with_parent(parent_pid: int) -> bool:
    """Be sent SIGTERM when the parent ends; False when it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == parent_pid
