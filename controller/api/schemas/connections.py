"""What may a goal say about connections to the target, and which policy is that?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from contract.connections import (
    MOST,
    RESOLVE_S,
    SHORTEST_RESOLVE_S,
    Connections,
    ConnectionsError,
    Reuse,
    variable_of,
)
from contract.units import Seconds, UnitError, format_duration
from controller.api.schemas.reading import read_duration, read_switch
from controller.errors import Fault

_DIGEST = re.compile(r"[0-9a-f]{64}")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*)(\.[A-Za-z0-9_-]+)*")
_NEVER = Seconds(0.0)
"""Stands for `never`, which is no duration."""


def read_reuse(value: Any) -> Reuse:
    match value:
        case "random":
            return "random"
        case "user":
            return "user"
    raise UnitError(
        f"{value!r} is not known: write random (any idle connection) or user (each user its own)"
    )


def read_resolve(value: Any) -> Seconds:
    if value == "never":
        return _NEVER
    try:
        period_s = read_duration(value)
    except UnitError as error:
        fix = f"{value!r} is not a period: write never or a duration such as 30s"
        raise UnitError(fix) from error
    if period_s < SHORTEST_RESOLVE_S:
        least = format_duration(SHORTEST_RESOLVE_S)
        raise UnitError(
            f"{value!r} is too often for a name server: write {least} or more, or never"
        )
    return period_s


def read_server_name(value: Any) -> str:
    if isinstance(value, str) and _HOST_NAME.fullmatch(value):
        return value
    raise UnitError(f"{value!r} is not a host name: write one such as ranker.internal")


def read_authority(value: Any) -> str:
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    raise UnitError(
        f"{value!r} is not an artefact: upload the PEM file with "
        "PUT /api/v1/artefacts/{sha256} and give its sha256 here (tonnage search does both)"
    )


def read_worker_file(value: Any, info: ValidationInfo) -> str:
    """A variable of the workers' environment; a path would let a goal look around on them."""
    try:
        variable_of(value if isinstance(value, str) else "", str(info.field_name))
    except ConnectionsError as error:
        raise UnitError(error.fix) from error
    return str(value)


def _text(about: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": about, "examples": [example]})


_WorkerFile = Annotated[
    str,
    PlainValidator(read_worker_file),
    WithJsonSchema(
        {
            "type": "string",
            "description": "PEM file on the workers: a variable of their environment has its path.",
            "examples": ["${CERT_FILE}"],
            "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$",
        }
    ),
]


class ConnectionsDocument(BaseModel):
    """How users keep connections to the target: which, how many, for how long, and with whom."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reuse: Annotated[
        Reuse, PlainValidator(read_reuse), WithJsonSchema({"enum": ["random", "user"]})
    ] = "random"
    most: Annotated[int, Field(ge=1, le=MOST)] | None = None
    requests: Annotated[int, Field(ge=1, le=MOST)] | None = None
    resolve: Annotated[
        Seconds,
        PlainValidator(read_resolve),
        _text("Names are resolved again this often; or never.", "30s"),
        Field(json_schema_extra={"default": format_duration(RESOLVE_S)}),
    ] = RESOLVE_S
    server_name: (
        Annotated[
            str,
            PlainValidator(read_server_name),
            _text("Name that the target's certificate has (SNI).", "ranker.internal"),
        ]
        | None
    ) = None
    ca: (
        Annotated[
            str,
            PlainValidator(read_authority),
            _text("sha256 of a PEM file uploaded as an artefact.", "0" * 64),
        ]
        | None
    ) = None
    certificate: _WorkerFile | None = None
    key: _WorkerFile | None = None
    verify: (
        Annotated[
            bool,
            PlainValidator(read_switch),
            WithJsonSchema({"enum": [True, False, "on", "off"]}),
        ]
        | None
    ) = None

    def policy(self) -> Connections:
        """The policy this document asks for.

        Raises:
            ConnectionsError: it contradicts itself.
        """
        return Connections(
            reuse=self.reuse,
            most=self.most,
            requests=self.requests,
            resolve_s=None if self.resolve is _NEVER else self.resolve,
            server_name=self.server_name,
            ca_sha256=self.ca,
            certificate=self.certificate,
            key=self.key,
            verify=self.verify,
        )


def connection_faults(document: ConnectionsDocument, targets: Iterable[str]) -> list[Fault]:
    """What of the policy contradicts itself, or the targets."""
    try:
        policy = document.policy()
    except ConnectionsError as error:
        return [Fault(f"workload.connections.{error.field}", str(error.value), error.fix)]
    targets = tuple(targets)
    if not targets or any(t.lower().startswith(("https://", "sim://")) for t in targets):
        return []
    said = ("server_name", "ca", "certificate", "key", "verify")
    fix = f"is about TLS, and no target is https: write https://… for {targets[0]}, or leave it out"
    return [
        Fault(f"workload.connections.{name}", _shown(getattr(document, name)), fix)
        for name in said
        if policy.says_tls and getattr(document, name) is not None
    ]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
