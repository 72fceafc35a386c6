"""How does a message become bytes, and what is refused on the way back?

A message is msgpack of [VERSION, kind, field, field, …] in the order the dataclass declares
them; nested dataclasses are lists without version and kind, histograms their own bytes.
Decoding checks every field's type against the annotation, so that what comes out is what
the types say; anything else is a ContractError that names the field.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import msgpack

from contract.latency import Histogram, HistogramError
from contract.messages import Drained, Hello, Plan, Prepare, Ready, Stop
from contract.packed import PackedReport, packed
from contract.report import Report

VERSION = 3
MAX_BYTES = 4 * 1024 * 1024
"""Larger messages are refused: a report is about 1 kB, a backlog of them far below this."""

Message = Hello | Prepare | Ready | Plan | Stop | Drained | Report
Packed = Hello | Prepare | Ready | Plan | Stop | Drained | PackedReport
"""A message as it is on the wire: reports are packed."""

KINDS: dict[str, type[Packed]] = {
    "hello": Hello,
    "prepare": Prepare,
    "ready": Ready,
    "plan": Plan,
    "stop": Stop,
    "drained": Drained,
    "report": PackedReport,
}
_NAMES = {kind: name for name, kind in KINDS.items()}

Read = Callable[[Any, str], Any]
"""Turns one decoded msgpack value into the annotated type; the text names the field."""


class ContractError(ValueError):
    """Bytes that are not a message of this version, or a message too large to send."""


def encode(message: Message | PackedReport) -> bytes:
    """Bytes of `message`.

    Raises:
        ContractError: more than MAX_BYTES, or counts that do not fit.
    """
    if isinstance(message, Report):
        try:
            message = packed(message)
        except ValueError as error:
            raise ContractError(f"report: {error}") from error
    data: bytes = msgpack.packb([VERSION, _NAMES[type(message)], *_plain(message)])
    if len(data) > MAX_BYTES:
        raise ContractError(f"a message of {len(data)} bytes is over the limit of {MAX_BYTES}")
    return data


def decode(data: bytes) -> Message:
    """The message in `data`, reports unpacked.

    Raises:
        ContractError: as for `decode_packed`, or a histogram that contradicts itself.
    """
    message = decode_packed(data)
    if not isinstance(message, PackedReport):
        return message
    try:
        return message.unpacked()
    except ValueError as error:
        raise ContractError(f"report: {error}") from error


def decode_packed(data: bytes) -> Packed:
    """The message in `data`, reports left packed.

    Raises:
        ContractError: not msgpack, another version, an unknown kind, a field of a wrong type.
    """
    if len(data) > MAX_BYTES:
        raise ContractError(f"a message of {len(data)} bytes is over the limit of {MAX_BYTES}")
    try:
        parts = msgpack.unpackb(data, use_list=True, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise ContractError(f"not msgpack: {error}") from error
    if not isinstance(parts, list) or len(parts) < 2:
        raise ContractError("not a message: expected a list of version, kind and fields")
    version, name, *values = parts
    if version != VERSION:
        raise ContractError(f"message version {version!r}, this process speaks {VERSION}")
    kind: Any = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ContractError(f"unknown message kind {name!r}")
    message: Packed = _reader(kind)(values, name)
    return message


def _plain(value: Any) -> Any:
    if isinstance(value, Histogram):
        return value.to_bytes()
    if is_dataclass(value):
        kind: Any = type(value)
        return [_plain(getattr(value, name)) for name in _names(kind)]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """The fields that are on the wire: those that a constructor takes."""
    return tuple(f.name for f in fields(kind) if f.init)


@cache
def _reader(annotation: Any) -> Read:
    """The checker of one annotation, built once per type."""
    if isinstance(annotation, NewType):
        return _reader(annotation.__supertype__)
    if annotation is Histogram:
        return _read_histogram
    if is_dataclass(annotation):
        return _record_reader(annotation)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _optional_reader(annotation)
    if origin is tuple:
        return _tuple_reader(get_args(annotation))
    if origin is Literal:
        return _literal_reader(get_args(annotation))
    return _scalar_reader(annotation)


def _read_histogram(value: Any, where: str) -> Histogram:
    if not isinstance(value, bytes):
        raise ContractError(f"{where}: expected histogram bytes, got {type(value).__name__}")
    try:
        return Histogram.from_bytes(value)
    except HistogramError as error:
        raise ContractError(f"{where}: {error}") from error


def _record_reader(kind: Any) -> Read:
    hints = get_type_hints(kind)
    names = _names(kind)
    readers = [_reader(hints[name]) for name in names]
    # What is plainly of its type is taken as it is: most of a report is.
    fields_read = list(zip([_scalar(hints[name]) for name in names], readers, names, strict=True))

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list) or len(value) != len(readers):
            raise ContractError(f"{where}: expected {len(readers)} fields, got {_size(value)}")
        items = [
            v if type(v) is kind_of else r(v, f"{where}.{n}")
            for v, (kind_of, r, n) in zip(value, fields_read, strict=True)
        ]
        try:
            return kind(*items)
        except ValueError as error:
            raise ContractError(f"{where}: {error}") from error

    return read


def _scalar(annotation: Any) -> type | None:
    """The type whose values need no other check; None when there is more to it."""
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    return annotation if annotation in (int, float, str, bool, bytes) else None


def _size(value: Any) -> str:
    return str(len(value)) if isinstance(value, list) else type(value).__name__


def _optional_reader(annotation: Any) -> Read:
    inner = [a for a in get_args(annotation) if a is not type(None)]
    read_inner = _reader(inner[0])

    def read(value: Any, where: str) -> Any:
        return None if value is None else read_inner(value, where)

    return read


def _tuple_reader(args: tuple[Any, ...]) -> Read:
    repeated = len(args) == 2 and args[1] is Ellipsis
    readers = [_reader(a) for a in (args[:1] if repeated else args)]

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list) or (not repeated and len(value) != len(readers)):
            raise ContractError(f"{where}: expected a list, got {value!r:.60}")
        if repeated:
            return tuple(readers[0](item, where) for item in value)
        return tuple(r(item, where) for r, item in zip(readers, value, strict=True))

    return read


def _literal_reader(allowed: tuple[Any, ...]) -> Read:
    def read(value: Any, where: str) -> Any:
        if value not in allowed:
            raise ContractError(f"{where}: {value!r:.60} is none of {', '.join(map(str, allowed))}")
        return value

    return read


def _scalar_reader(kind: type) -> Read:
    def read(value: Any, where: str) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise ContractError(f"{where}: expected {kind.__name__}, got {value!r:.60}")
        return value

    return read
