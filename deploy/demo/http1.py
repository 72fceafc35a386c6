"""How does the demo server speak HTTP/1.1 at little cost?

Keep-alive and Content-Length only: one request at a time for each connection, the next one waits in
the buffer. Chunked request bodies are refused with 411.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 1024 * 1024
MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""Answers a client may leave unread before it is cut off."""

IDLE_S = 300.0
"""A connection with nothing in flight is closed after this long in silence."""

_LENGTH = re.compile(rb"\d{1,10}", re.ASCII)


class Refused(ValueError):
    """The bytes are no request we serve; the connection is answered with `status` and closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: str
    body: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] | None = None

    def encode(self, *, keep_alive: bool, more: str = "") -> bytes:
        """The bytes of the answer; `more` are header lines that every answer has."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in (self.headers or {}).items())
        extra += more
        if not keep_alive:
            extra += "connection: close\r\n"
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
            f"content-type: {self.content_type}\r\ncontent-length: {len(self.body)}\r\n{extra}\r\n"
        )
        return head.encode("latin-1") + self.body


def read_request(buffer: bytearray) -> Request | None:
    """Take one whole request off the front of `buffer`; None while it is incomplete.

    Raises:
        Refused: what is there can never become a request.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0 or end > MAX_HEAD_BYTES:
        if len(buffer) > MAX_HEAD_BYTES:
            raise Refused(431, f"the head is over {MAX_HEAD_BYTES} bytes")
        return None
    lines = bytes(buffer[:end]).split(b"\r\n")
    words = lines[0].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused(400, "the request line must be METHOD TARGET HTTP/1.1")
    fields = _fields(lines[1:])
    length = _content_length(fields, words[0])
    if len(buffer) < end + 4 + length:
        return None
    body = bytes(buffer[end + 4 : end + 4 + length])
    del buffer[: end + 4 + length]
    path, _, query = words[1].decode("latin-1").partition("?")
    return Request(words[0].decode("latin-1"), path, query, body, _keeps_alive(fields, words[2]))


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise Refused(400, "a header line must be NAME: VALUE")
        name, value = name.lower(), value.strip()
        if name == b"content-length" and fields.get(name, value) != value:
            raise Refused(400, "content-length is given twice")
        fields[name] = value
    return fields


def _content_length(fields: Mapping[bytes, bytes], method: bytes) -> int:
    if b"transfer-encoding" in fields:
        raise Refused(411, "send content-length instead of transfer-encoding")
    written = fields.get(b"content-length")
    if written is None:
        if method == b"POST":
            raise Refused(411, "a POST needs content-length")
        return 0
    if not _LENGTH.fullmatch(written):
        raise Refused(400, "content-length must be a number of bytes")
    if int(written) > MAX_BODY_BYTES:
        raise Refused(413, f"the body is over {MAX_BODY_BYTES} bytes")
    return int(written)


def _keeps_alive(fields: Mapping[bytes, bytes], version: bytes) -> bool:
    wish = fields.get(b"connection", b"").lower()
    return wish == b"keep-alive" if version == b"HTTP/1.0" else wish != b"close"


class Connection(asyncio.Protocol):
    """One client; `handle` is given each request and answers through `respond`, now or later.

    `more` are header lines for every answer.
    """

    def __init__(
        self,
        handle: Callable[[Connection, Request], None],
        refuse: Callable[[Refused], Response],
        lost: Callable[[Connection], None],
        clock: Callable[[], float],
        more: str = "",
    ) -> None:
        self._more = more
        self._handle, self._refuse, self._lost, self._clock = handle, refuse, lost, clock
        self._buffer = bytearray()
        self._busy = self._advancing = False
        self._keep_alive = True
        self._transport: asyncio.Transport | None = None
        self.last_seen_s = clock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a stream transport is needed, not {transport!r}")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.last_seen_s = self._clock()
        self._buffer += data
        if len(self._buffer) > MAX_HEAD_BYTES + MAX_BODY_BYTES:
            self.close()  # pipelined without end behind a request in flight
        elif not self._busy:
            self._advance()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._lost(self)

    def respond(self, response: Response) -> None:
        """Answer the request in flight, then turn to the next one in the buffer."""
        self._busy = False
        if self._transport is None:
            return
        self._transport.write(response.encode(keep_alive=self._keep_alive, more=self._more))
        if not self._keep_alive:
            self._buffer.clear()
            self._transport.close()
        elif self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.close()
        elif not self._advancing:
            self._advance()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def silent_since_s(self) -> float:
        """When the client was last heard of; infinite while it waits for us."""
        return float("inf") if self._busy else self.last_seen_s

    def _advance(self) -> None:
        self._advancing = True
        try:
            while self._buffer and not self._busy and self._transport is not None:
                request = read_request(self._buffer)
                if request is None:
                    break
                self._busy, self._keep_alive = True, request.keep_alive
                self._handle(self, request)
        except Refused as refused:
            self._keep_alive = False
            self.respond(self._refuse(refused))
        finally:
            self._advancing = False
