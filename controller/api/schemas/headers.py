"""Which headers may a goal carry, and which of them hold secrets?

Secrets come from the workers' environment as ${NAME}; options are written down as they are, so no
header that looks like one may stand there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from pydantic import JsonValue

from controller.api.schemas.reading import HIDDEN
from controller.errors import Fault

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_HEADER = re.compile(
    r"auth|cookie|token|secret|password|key|credential|session", re.IGNORECASE
)
_RESERVED_PREFIX = "TONNAGE_"


def is_secret(name: str) -> bool:
    """Whether a value under that name must be neither written down nor repeated."""
    return _SECRET_HEADER.search(name) is not None


def option_faults(field: str, value: JsonValue) -> Iterator[Fault]:
    """What is wrong with headers anywhere in the options, which are written down as they are."""
    if isinstance(value, list):
        for position, entry in enumerate(value):
            yield from option_faults(f"{field}.{position}", entry)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name.lower() == "headers" and isinstance(part, dict):
                for header, text in part.items():
                    yield from _option_header_faults(f"{field}.{name}.{header}", header, text)
            else:
                yield from option_faults(f"{field}.{name}", part)


def _option_header_faults(field: str, name: str, value: JsonValue) -> Iterator[Fault]:
    text = value if isinstance(value, str) else json.dumps(value)
    if is_secret(name):
        fix = (
            "looks like a secret, which options do not hide: leave it out here and write "
            f"headers: {{{name}: ${{NAME}}}} at the top of the goal"
        )
        yield Fault(field, HIDDEN, fix)
    elif _REFERENCE.search(text):
        fix = (
            f"${{NAME}} is not filled in here: write headers: {{{name}: {text}}} at the top of "
            "the goal"
        )
        yield Fault(field, text, fix)
    else:
        yield from (replace(fault, field=field) for fault in header_faults(name, text))


def header_faults(name: str, value: str) -> Iterator[Fault]:
    """What is wrong with one header; a value that may be a secret is not repeated."""
    field = f"headers.{name}"
    names = _REFERENCE.findall(value)
    if not _HEADER_NAME.fullmatch(name):
        yield Fault(field, name, "is not a header name: write letters, digits and dashes")
    if not (value.isascii() and value.isprintable()):
        yield Fault(field, HIDDEN, "write printable ASCII on one line")
    for reserved in (n for n in names if n.upper().startswith(_RESERVED_PREFIX)):
        fix = f"names that begin with {_RESERVED_PREFIX} are Tonnage's own: use another name"
        yield Fault(field, f"${{{reserved}}}", fix)
    if is_secret(name) and not names:
        fix = (
            f"looks like a secret: write {name}: ${{NAME}} and set NAME in the workers' environment"
        )
        yield Fault(field, HIDDEN, fix)
