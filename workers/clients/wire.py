"""How does one HTTP/1.1 exchange go over one connection, and when must that be given up?

A connection carries one exchange at a time. Whatever ends an exchange early (an error, a
time-out thrown into the task) closes the connection, so that the next request can never read
the answer to this one. Nothing is ever sent twice.
"""

from __future__ import annotations

import ipaddress
import socket as sockets
import ssl
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import gevent
from gevent import get_hub, socket
from geventhttpclient._parser import HTTPParseError

from workers.clients.answer import Answer, Assembly, Reply, whole
from workers.clients.liveness import is_alive

BLOCK_BYTES = 65_536
READABLE: Final = 1
"""libev's name for it."""


class ConnectionDropped(ConnectionError):
    """The target closed the connection before its answer was complete."""


class NoAnswer(TimeoutError):
    """Nothing, or not all of an answer, came for as long as a request may take."""


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


class Connection:
    """At most one open socket to an address, opened when it is needed and found closed."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None = None) -> None:
        self._address = address
        self._tls = tls
        self._hub: Any = get_hub()
        self._socket: Any = None
        self._raw: Any = None
        self._readable: Any = None

    def exchange(
        self, request: bytes, *, head: bool = False, timeout_s: float | None = None
    ) -> Reply:
        """Send `request` once and read its answer.

        Without `timeout_s` somebody else must see to it that this ends: the gate does for
        arrivals.

        Raises:
            OSError: no connection, a connection dropped, no answer in time.
            HTTPParseError: what came is not HTTP.
        """
        if timeout_s is None:
            return self._exchange(request, head=head)
        late = NoAnswer(f"no answer within {timeout_s:g} s")
        with gevent.Timeout(timeout_s, late):
            return self._exchange(request, head=head)

    def close(self) -> None:
        opened, watcher = self._socket, self._readable
        self._socket = self._raw = self._readable = None
        if watcher is not None:
            watcher.close()
        if opened is not None:
            opened.close()

    def __del__(self) -> None:
        self.close()

    def _exchange(self, request: bytes, *, head: bool) -> Reply:
        started_s = sent_s = time.perf_counter()
        if self._raw is None or not is_alive(self._raw):
            self.close()
            self._open()
            sent_s = time.perf_counter()
        try:
            self._send(request)
            data = self._receive()
            first_s = time.perf_counter()
            answer = None if head else whole(data)
            if answer is None:
                answer = self._assembled(data, head=head)
        except BaseException:
            self.close()
            raise
        if not answer.keeps:
            self.close()
        connect_s, total_s = sent_s - started_s, time.perf_counter() - started_s
        return Reply(answer.status, answer.head, answer.body, connect_s, first_s - sent_s, total_s)

    def _open(self) -> None:
        address = self._address
        opened: Any = _connected(address.host, address.port)
        try:
            opened.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
            if self._tls is not None:
                opened = self._tls.wrap_socket(opened, server_hostname=address.host)
        except BaseException:
            opened.close()
            raise
        # The socket inside gevent's, and a watcher of our own: gevent's recv() would try to read
        # before it waits, and fail to, which costs as much again.
        self._socket, self._raw = opened, opened._sock  # noqa: SLF001
        self._readable = self._hub.loop.io(opened.fileno(), READABLE)

    def _send(self, request: bytes) -> None:
        try:
            if self._tls is not None:
                self._socket.sendall(request)
                return
            try:
                sent = self._raw.send(request)
            except BlockingIOError:
                sent = 0
            if sent < len(request):
                self._socket.sendall(memoryview(request)[sent:])
        except ConnectionError as error:
            raise ConnectionDropped("the target closed the connection on a request") from error

    def _receive(self) -> bytes:
        """What came; nothing at the end of the connection."""
        try:
            if self._tls is not None:
                data: bytes = self._socket.recv(BLOCK_BYTES)
            else:
                self._hub.wait(self._readable)
                data = self._raw.recv(BLOCK_BYTES)
        except ConnectionError as error:
            raise ConnectionDropped("the target reset the connection under a request") from error
        return data

    def _assembled(self, data: bytes, *, head: bool) -> Answer:
        assembly = Assembly(head=head)
        while True:
            try:
                assembly.add(data)
            except HTTPParseError as error:
                if data:
                    raise
                raise ConnectionDropped(_CUT_SHORT) from error
            if assembly.is_complete:
                return assembly.answer()
            if not data:
                raise ConnectionDropped(_CUT_SHORT)
            data = self._receive()


_CUT_SHORT: Final = "the target closed the connection before its answer ended"


def _connected(host: str, port: int) -> Any:
    """A connected socket; an address in figures needs no resolver, hence no thread."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return socket.create_connection((host, port), timeout=None)
    opened = socket.socket(sockets.AF_INET6 if version == 6 else sockets.AF_INET)
    try:
        opened.settimeout(None)
        opened.connect((host, port))
    except BaseException:
        opened.close()
        raise
    return opened
