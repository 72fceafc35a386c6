"""How is a message for ten thousand workers told to each without ten thousand names in it?

The names go into Redis once, each with its position; the message says how many there are and which
list it means. A worker looks up its own position, and has the message as if it were named in it:
everybody else is a name of no letters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from contract.messages import Plan, Prepare, Stop

NAMED_AT_MOST: Final = 100
"""Workers of larger fleets are not named in messages."""
MOST_WORKERS: Final = 100_000
_NOBODY: Final = ""

M = TypeVar("M", bound=Prepare | Plan | Stop)


class RosterError(ValueError):
    """A message whose roster cannot be read."""


def version_of(workers: Sequence[str]) -> str:
    """The name of the list of these workers in this order."""
    return hashlib.sha256("\n".join(workers).encode()).hexdigest()[:16]


def without_names(message: M) -> M:
    """The message of a large fleet as it is sent; that of a small one stays as it is."""
    workers = message.workers
    if len(workers) <= NAMED_AT_MOST:
        return message
    return replace(message, roster=f"{version_of(workers)}:{len(workers)}", workers=())


def roster_of(message: Prepare | Plan | Stop) -> tuple[str, int] | None:
    """Which list a message means, and how many workers are in it; None when it names them.

    Raises:
        RosterError: what it says is no roster.
    """
    if not message.roster:
        return None
    version, _, count = message.roster.partition(":")
    if not (version.isalnum() and count.isdecimal() and 0 < int(count) <= MOST_WORKERS):
        raise RosterError(f"{message.roster!r} is no roster")
    return version, int(count)


def seated(message: M, worker: str, position: int | None) -> M:
    """The message for `worker`, at `position` of the roster; without one it is not for it.

    Raises:
        RosterError: there is no such position.
    """
    known = roster_of(message)
    if known is None or position is None:
        return message
    count = known[1]
    if not 0 <= position < count:
        raise RosterError(f"position {position} is none of {count} workers")
    names = [_NOBODY] * count
    names[position] = worker
    return replace(message, workers=tuple(names), roster="")
