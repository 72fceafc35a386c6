"""What may a command tell a person when it cannot go on, and with which exit status?"""

from __future__ import annotations

REJECTED = 2
"""The goal is wrong, or what the command was given is."""
FAILED = 4
"""No workers, Redis or controller lost, a child process that does not start."""
ABORTED = 130
"""By a person or a signal."""


class CommandError(Exception):
    """One sentence for people; the command prints it and exits with `status`."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status
