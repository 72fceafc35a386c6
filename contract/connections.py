"""How do a worker's users keep their connections to the target: which, how many, how long?

Said in the goal, obeyed by the workers. Every value unset is a client without a policy of its own:
any idle connection is used again, for ever, and as many are open as arrivals are in flight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from contract.units import Seconds

Reuse = Literal["random", "user"]

RESOLVE_S = Seconds(30.0)
"""Names are resolved again this often unless the goal says otherwise."""
SHORTEST_RESOLVE_S = Seconds(1.0)
MOST = 1_000_000
"""More connections, or requests a connection, than this are as good as no limit."""
OWN_PREFIX = "TONNAGE_"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ConnectionsError(ValueError):
    """A policy that contradicts itself. `field` is the key of workload.connections."""

    def __init__(self, field: str, value: object, fix: str) -> None:
        super().__init__(f"workload.connections.{field}: {value!r} {fix}")
        self.field = field
        self.value = value
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Connections:
    """The policy. `most` open ones a worker and address, `requests` that one of them carries.

    `resolve_s` None: names are resolved once. `certificate` and `key` are ${NAME}: the worker's
    environment says which of its files that is. `verify` None: as the client does by itself.

    Raises:
        ConnectionsError: naming the field and the fix.
    """

    reuse: Reuse = "random"
    most: int | None = None
    requests: int | None = None
    resolve_s: Seconds | None = RESOLVE_S
    server_name: str | None = None
    ca_sha256: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool | None = None

    def __post_init__(self) -> None:
        for field, count in (("most", self.most), ("requests", self.requests)):
            if count is not None and not 1 <= count <= MOST:
                raise ConnectionsError(field, count, f"is not in 1 to {MOST:,}")
        if self.resolve_s is not None and not self.resolve_s >= SHORTEST_RESOLVE_S:
            fix = f"is too often for a name server: write {SHORTEST_RESOLVE_S:g}s or more, or never"
            raise ConnectionsError("resolve", f"{self.resolve_s:g}s", fix)
        if self.most is not None and self.reuse == "user":
            fix = (
                "cannot stand beside reuse: user, where every user has one of its own: leave it out"
            )
            raise ConnectionsError("most", self.most, fix)
        self._check_tls()

    def _check_tls(self) -> None:
        if self.ca_sha256 is not None and not _DIGEST.fullmatch(self.ca_sha256):
            raise ConnectionsError("ca", self.ca_sha256, "is no sha256 of an artefact")
        for field, reference in (("certificate", self.certificate), ("key", self.key)):
            if reference is not None:
                variable_of(reference, field)
        if self.key is not None and self.certificate is None:
            raise ConnectionsError("key", self.key, "has no certificate: write that too")
        if self.verify is False and self.ca_sha256 is not None:
            fix = "checks nothing, so that the authority in ca is idle: leave out one of them"
            raise ConnectionsError("verify", "off", fix)

    @property
    def says_tls(self) -> bool:
        """Whether anything of it is about TLS."""
        told = (self.server_name, self.ca_sha256, self.certificate, self.key, self.verify)
        return any(value is not None for value in told)


def variable_of(reference: str, field: str) -> str:
    """The NAME in ${NAME}, where the worker's environment has the path of a file.

    Raises:
        ConnectionsError: it is not written so, or is one of the fleet's own.
    """
    found = _VARIABLE.fullmatch(reference)
    if found is None:
        fix = "write ${NAME}, and set NAME in the workers' environment to the path of the file"
        raise ConnectionsError(field, "(not shown)", fix)
    if found[1].upper().startswith(OWN_PREFIX):
        fix = f"is refused: variables that begin with {OWN_PREFIX} are the fleet's own"
        raise ConnectionsError(field, reference, fix)
    return found[1]
