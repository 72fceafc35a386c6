"""What requests does a recording hold, and which line of it cannot be sent?

A recording is JSON lines, one whole request each:

    {"method": "POST", "path": "/v2/models/toy/infer", "headers": {"X-Tier": "gold"}, "body": …}

Every key may be left out. `body` is text, `{"base64": "…"}` for bytes, or any other JSON value,
sent as JSON. Headers that belong to the connection (Host, Content-Length and their like) are
left out: the client that sends the request writes its own.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import re
from dataclasses import dataclass

KEYS = ("method", "path", "headers", "body", "name")
OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# RFC 9110, sections 5.1, 5.5 and 9.1; RFC 9112, section 3.2.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")


class RecordingError(ValueError):
    """A line of a recording is not a request that can be sent."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as recorded; `method`, `path` and `name` are None where the line is silent."""

    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    method: str | None = None
    path: str | None = None
    name: str | None = None


def parse_recording(data: bytes) -> tuple[RecordedRequest, ...]:
    """Read JSON lines; blank ones are passed over.

    Raises:
        RecordingError: names the line, what is wrong with it and what to write instead.
    """
    requests = tuple(
        _request(line, number)
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
        if line.strip()
    )
    if not requests:
        raise RecordingError("the recording is empty: write one JSON object per line")
    return requests


def _request(line: bytes, number: int) -> RecordedRequest:
    document = _document(line, number)
    for key in document:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KEYS)}"
            raise RecordingError(f"line {number}: unknown key {key!r}: {fix}")
    body, as_json = _body(document.get("body"), number)
    headers = _headers(document.get("headers"), number)
    if as_json and all(key.lower() != "content-type" for key, _ in headers):
        headers = (*headers, ("Content-Type", "application/json"))
    return RecordedRequest(
        body=body,
        headers=headers,
        method=_method(document.get("method"), number),
        path=_path(document.get("path"), number),
        name=_name(document.get("name"), number),
    )


def _document(line: bytes, number: int) -> dict[str, object]:
    try:
        document = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        at = f"byte {error.start + 1}"
        fix = 'write bytes as {"base64": "…"}'
        raise RecordingError(f"line {number}: not UTF-8 at {at}: {fix}") from error
    except json.JSONDecodeError as error:
        at = f"column {error.colno}: {error.msg}"
        raise RecordingError(f"line {number}: not JSON at {at}") from error
    except RecursionError as error:
        raise RecordingError(f"line {number}: JSON nested too deep to read") from error
    if not isinstance(document, dict):
        fix = 'write an object such as {"body": …}'
        raise RecordingError(f"line {number}: {_kind(document)} instead of an object: {fix}")
    return document


def _method(method: object, number: int) -> str | None:
    if method is None:
        return None
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise RecordingError(f"line {number}: method {method!r} is none: write GET or POST")
    return method.upper()


def _path(path: object, number: int) -> str | None:
    if path is None:
        return None
    if not isinstance(path, str) or not _TARGET.fullmatch(path):
        fix = "write what follows the host, from '/' on, percent-encoded, such as /v2/health/ready"
        raise RecordingError(f"line {number}: path {path!r} cannot be sent: {fix}")
    return path


def _name(name: object, number: int) -> str | None:
    if name is not None and (not isinstance(name, str) or not name):
        raise RecordingError(f"line {number}: name {name!r} is not text")
    return name


def _headers(headers: object, number: int) -> tuple[tuple[str, str], ...]:
    if headers is None:
        return ()
    if not isinstance(headers, dict):
        fix = 'write an object such as {"X-Tier": "gold"}'
        raise RecordingError(f"line {number}: headers are {_kind(headers)}: {fix}")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            fix = "letters, digits and hyphens make a header's name"
            raise RecordingError(f"line {number}: header {name!r} cannot be sent: {fix}")
        if not isinstance(value, str) or not _FIELD_VALUE.fullmatch(value):
            # The value may be a secret: it stays out of the message.
            fix = "a value is text of one line, in Latin-1"
            raise RecordingError(f"line {number}: header {name!r} has no value to send: {fix}")
    return tuple(
        (name, value) for name, value in headers.items() if name.lower() not in OF_THE_CONNECTION
    )


def _body(body: object, number: int) -> tuple[bytes, bool]:
    """The bytes to send, and whether they are JSON written here."""
    if body is None:
        return b"", False
    if isinstance(body, dict) and set(body) == {"base64"}:
        return _decoded(body["base64"], number), False
    try:
        if isinstance(body, str):
            return body.encode("utf-8"), False
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8"), True
    except UnicodeEncodeError as error:
        fix = 'write bytes as {"base64": "…"}'
        raise RecordingError(f"line {number}: body has half a surrogate pair: {fix}") from error


def _decoded(text: object, number: int) -> bytes:
    if not isinstance(text, str):
        raise RecordingError(f"line {number}: body.base64 is {_kind(text)} instead of text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordingError(f"line {number}: body.base64 is not base64: {error}") from error


def _kind(value: object) -> str:
    kinds = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "a truth value",
        type(None): "null",
    }
    return kinds.get(type(value), "a number")
