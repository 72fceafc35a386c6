"""What is a worker asked to load, and how does it say no?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.connections import Connections
from workers.clients.tls import Tls


class CannotPrepare(Exception):
    """One sentence why this worker cannot take part; it goes to the person who set the goal."""


@dataclass(frozen=True, slots=True)
class Order:
    """A user and its target. `position` of `workers`: this worker among those of the run.

    `tls` is what `connections` says of it, certificates loaded; None where it says nothing.
    """

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
    connections: Connections = field(default_factory=Connections)
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """`kinds` are the clients that the file's users have (`workers.clients.kinds`)."""

    sha256: str
    warnings: tuple[str, ...]
    kinds: tuple[str, ...] = ()
