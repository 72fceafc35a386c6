"""How does an event become JSON that later versions can still read?

    {"schema": 1, "kind": "ProbeStarted", "at": 1764000000.5, "probe": {"number": 1, …}}

Fields go by name. Reading takes types from the annotations: a field that is absent takes its
default, one that is unknown is ignored, so fields may be added without a new schema number.
JSON has no NaN: a float that is not finite is the string "nan", "inf" or "-inf".
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

from controller.search.journal import Event

SCHEMA = 1

KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}

Read = Callable[[Any], Any]


class JournalUnreadable(ValueError):
    """Text that is not an event this version knows."""


def encode(event: Event) -> str:
    """The event as one line of JSON."""
    head = {"schema": SCHEMA, "kind": type(event).__name__}
    return json.dumps({**head, **plain(event)}, allow_nan=False, separators=(",", ":"))


def decode(text: str) -> Event:
    """The event in `text`.

    Raises:
        JournalUnreadable: another schema, an unknown kind, or a field that does not fit.
    """
    try:
        document = json.loads(text)
        schema, kind = document["schema"], KINDS.get(document["kind"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalUnreadable(f"{text[:80]!r} is not an event: {error}") from error
    if schema != SCHEMA or kind is None:
        raise JournalUnreadable(
            f"an event {document['kind']!r} of schema {schema!r}; this version reads "
            f"schema {SCHEMA}: use the version that wrote it"
        )
    try:
        annotation: Any = kind
        event: Event = _reader(annotation)(document)
    except (KeyError, ValueError, TypeError) as error:
        raise JournalUnreadable(f"{document['kind']}: {error}") from error
    return event


def plain(value: Any) -> Any:
    """Dataclasses as objects by field name, tuples as lists, floats that are not finite as text."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return value


@cache
def _reader(annotation: Any) -> Read:
    """The reader of one annotation, built once per type."""
    if isinstance(annotation, NewType):
        return _reader(annotation.__supertype__)
    if is_dataclass(annotation):
        return _record_reader(annotation)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _union_reader(get_args(annotation))
    if origin is tuple:
        return _tuple_reader(get_args(annotation))
    if origin is Literal:
        return _literal_reader(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return annotation
    return _scalar_reader(annotation)


def _record_reader(kind: Any) -> Read:
    hints = get_type_hints(kind)
    columns = [(f, _reader(hints[f.name])) for f in fields(kind)]

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected an object for {kind.__name__}, got {value!r:.60}")
        return kind(**{f.name: r(value[f.name]) for f, r in columns if _present(f, value)})

    return read


def _present(column: Field[Any], value: dict[str, Any]) -> bool:
    if column.name in value:
        return True
    if column.default is MISSING and column.default_factory is MISSING:
        raise KeyError(f"{column.name} is missing")
    return False


def _union_reader(args: tuple[Any, ...]) -> Read:
    readers = [_reader(a) for a in args if a is not type(None)]
    takes_none = type(None) in args

    def read(value: Any) -> Any:
        if value is None and takes_none:
            return None
        for attempt in readers[:-1]:
            try:
                return attempt(value)
            except (KeyError, ValueError, TypeError):
                continue
        return readers[-1](value)

    return read


def _tuple_reader(args: tuple[Any, ...]) -> Read:
    repeated = len(args) == 2 and args[1] is Ellipsis
    readers = [_reader(a) for a in (args[:1] if repeated else args)]

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError(f"expected a list, got {value!r:.60}")
        if repeated:
            return tuple(readers[0](item) for item in value)
        return tuple(r(item) for r, item in zip(readers, value, strict=True))

    return read


def _literal_reader(allowed: tuple[Any, ...]) -> Read:
    def read(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"{value!r:.60} is none of {', '.join(map(str, allowed))}")
        return value

    return read


def _scalar_reader(kind: type) -> Read:
    def read(value: Any) -> Any:
        if kind is float and type(value) in (int, str):
            return float(value)
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
        return value

    return read
