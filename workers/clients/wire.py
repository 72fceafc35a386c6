"""How does one HTTP/1.1 exchange go over one connection, and when must that be given up?

A connection carries one exchange at a time. Whatever ends an exchange early (an error, a
time-out thrown into the task) closes the connection, so that the next request can never read
the answer to this one. Nothing is ever sent twice.
"""

from __future__ import annotations

import socket as sockets
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gevent import socket
from geventhttpclient._parser import HTTPResponseParser

from workers.clients.liveness import is_alive

BLOCK_BYTES = 65_536
SWITCHING_PROTOCOLS = 101
FIRST_FINAL = 200


class ConnectionDropped(ConnectionError):
    """The target closed the connection before its answer was complete."""


class NotAnAddress(ValueError):
    """A host that is no http or https URL."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL's host is. `prefix` is the part of the path before every request's own."""

    host: str
    port: int
    tls: bool
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in `url`.

        Raises:
            NotAnAddress: naming the text and what would be right.
        """
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError as error:
            raise NotAnAddress(f"{url!r} is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not host:
            raise NotAnAddress(f"{url!r} is no URL of a target: write http://HOST:PORT")
        tls = parts.scheme == "https"
        return cls(host, port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(slots=True)
class Reply:
    """An answer. Header names are in lower case; times are seconds of this exchange.

    `connect_s` is 0 on a connection that was open already; `first_byte_s` counts from the send.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    connect_s: float
    first_byte_s: float
    total_s: float


class _Parser(HTTPResponseParser):
    """llhttp's callbacks, gathered into one answer."""

    def __init__(self, *, head: bool) -> None:
        super().__init__()
        self.complete = False
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self._head = head
        self._name = ""
        self._value: str | None = None

    def _on_header_field(self, text: str) -> None:
        if self._value is not None:
            self._keep()
        self._name += text

    def _on_header_value(self, text: str) -> None:
        self._value = text if self._value is None else self._value + text

    def _on_headers_complete(self) -> bool:
        if self._value is not None:
            self._keep()
        return self._head

    def _on_body(self, data: bytes) -> None:
        self.body += data

    def _on_message_begin(self) -> None:
        self.complete = False

    def _on_message_complete(self) -> None:
        self.complete = self.get_code() >= FIRST_FINAL  # an interim answer is none

    def _on_status(self, _text: str) -> None:
        """The reason phrase says nothing that the code does not."""

    def _keep(self) -> None:
        name, value = self._name.lower(), self._value or ""
        self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        self._name, self._value = "", None


class Connection:
    """At most one open socket to an address, opened when it is needed and found closed."""

    def __init__(self, address: Address, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._tls = tls
        self._socket: Any = None

    def exchange(self, request: bytes, *, head: bool = False) -> Reply:
        """Send `request` once and read its answer.

        Raises:
            OSError: no connection, a connection dropped, nothing heard for the time-out.
            HTTPParseError: what came is not HTTP.
        """
        started_s = time.perf_counter()
        connect_s = 0.0
        if self._socket is None or not is_alive(self._socket._sock):  # noqa: SLF001
            self.close()
            self._open()
            connect_s = time.perf_counter() - started_s
        try:
            reply = self._answer(request, connect_s, head=head)
        except BaseException:
            self.close()
            raise
        reply.total_s = time.perf_counter() - started_s
        return reply

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        address = self._address
        opened = socket.create_connection((address.host, address.port), self._timeout_s)
        try:
            opened.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
            if self._tls is not None:
                opened = self._tls.wrap_socket(opened, server_hostname=address.host)
        except BaseException:
            opened.close()
            raise
        self._socket = opened

    def _answer(self, request: bytes, connect_s: float, *, head: bool) -> Reply:
        connection = self._socket
        sent_s = time.perf_counter()
        connection.sendall(request)
        parser = _Parser(head=head)
        data = connection.recv(BLOCK_BYTES)
        first_byte_s = time.perf_counter() - sent_s
        while True:
            parser.feed(data)  # nothing: the end of an answer that ends with its connection
            if parser.complete:
                break
            if not data:
                raise ConnectionDropped("the target closed the connection before its answer ended")
            data = connection.recv(BLOCK_BYTES)
        if not parser.should_keep_alive():
            self.close()
        body = bytes(parser.body)
        return Reply(parser.get_code(), parser.headers, body, connect_s, first_byte_s, 0.0)
