"""What is a worker asked to load, and how does it say no?"""

from collections.abc import Mapping
from dataclasses import dataclass


class CannotPrepare(Exception):
    """One sentence why this worker cannot take part; it goes to the person who set the goal."""


@dataclass(frozen=True, slots=True)
class Order:
    """A user and its target. `position` of `workers`: this worker among those of the run."""

    user: str
    targets: tuple[str, ...]
    model: str | None
    headers: Mapping[str, str]
    options: str
    requests: bytes | None
    seed: int
    position: int
    workers: int
    worker: str
    replica_header: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    sha256: str
    warnings: tuple[str, ...]
