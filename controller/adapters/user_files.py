"""Do the workers of a run have the same file of its user, and the one that was meant?"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contract.messages import Ready
from controller.search.goal import Workload

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
_SHOWN = 12
"""Digits of a hash that tell two files apart."""
_NAMED = 5
"""Workers that are named, of those who have the same file."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The file as somebody else than the workers has it: its sha256, and whose it is."""

    sha256: str
    whose: str


def meant(workload: Workload) -> Meant | None:
    """Which file was meant, as far as is known: the goal's, or of a user that is shipped ours."""
    user = workload.user
    if workload.user_sha256 is not None:
        return Meant(workload.user_sha256, "the goal's")
    if "/" in user or user.endswith(".py"):
        return None
    try:
        data = (LOCUSTFILES / f"{user}.py").read_bytes()
    except OSError:
        return None
    return Meant(hashlib.sha256(data).hexdigest(), "the controller's own")


def mismatch(user: str, answers: Iterable[Ready], expected: Meant | None) -> str | None:
    """Which workers have which file, in one sentence; None where all have the one that was meant."""
    workers: defaultdict[str, list[str]] = defaultdict(list)
    for answer in answers:
        if answer.user_sha256 is not None:
            workers[answer.user_sha256].append(answer.worker)
    known = set(workers) | ({expected.sha256} if expected else set())
    if not workers or len(known) == 1:
        return None
    parts = [f"{_names(names)} {sha256[:_SHOWN]}" for sha256, names in workers.items()]
    if expected is not None:
        parts.append(f"{expected.whose} is {expected.sha256[:_SHOWN]}")
    return (
        f"user {user} is not the same file everywhere, by its sha256: {', '.join(parts)}; "
        "install the same on every worker"
    )


def _names(workers: list[str]) -> str:
    if len(workers) == 1:
        return f"worker {workers[0]} has"
    more = f" and {len(workers) - _NAMED} more" if len(workers) > _NAMED else ""
    return f"workers {', '.join(workers[:_NAMED])}{more} have"
