"""How does one HTTP/1.1 exchange go over one connection, and when must that be given up?

A connection carries one exchange at a time. Whatever ends an exchange early (an error, a
time-out thrown into the task) closes the connection, so that the next request can never read
the answer to this one. Nothing is ever sent twice.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

import gevent
from gevent import get_hub, getcurrent
from geventhttpclient._parser import HTTPParseError

from workers.clients.answer import HEAD_END, Answer, Assembly, Reply, plain_head, whole
from workers.clients.dial import Dialer
from workers.clients.liveness import is_alive
from workers.clients.tls import explain
from workers.timer import in_a_long_turn

BLOCK_BYTES = 65_536
SURE_S = 1.0
"""A connection that was idle for longer is asked whether it has ended."""
FOR_EVER: Final = -1
"""Requests that a connection has left when it is closed after none: counting down never ends."""
LARGE_BYTES = 262_144
"""Of a body that is known to be long, at once."""
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
    """At most one open socket to a target, opened when it is needed and found closed.

    `requests`: after so many it is closed. `address` is where it leads while it `is_open`.
    """

    def __init__(self, dialer: Dialer, *, requests: int | None = None) -> None:
        self.is_open = False
        self.address = ""
        self._dialer = dialer
        self._requests = FOR_EVER if requests is None else requests
        self._left = self._requests
        self._is_plain = dialer.tls is None
        self._hub: Any = get_hub()
        self._socket: Any = None
        self._raw: Any = None
        self._readable: Any = None
        self._waiting: Any = None  # the greenlet that waits for an answer
        self._is_busy = False
        self._block_bytes = BLOCK_BYTES
        self._used_s = 0.0
        self._turn = 0

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

    def retire(self) -> None:
        """Close now, or after the request that is under way."""
        if self._is_busy:
            self._left = 1
        else:
            self.close()

    def close(self) -> None:
        opened, watcher = self._socket, self._readable
        self._socket = self._raw = self._readable = self._waiting = None
        self._is_busy = self.is_open = False
        if watcher is not None:
            watcher.stop()
            watcher.close()
        if opened is not None:
            opened.close()
            self._dialer.lines.discard(self)
            self._dialer.closed(self.address)

    def __del__(self) -> None:
        self.close()

    def _exchange(self, request: bytes, *, head: bool) -> Reply:
        started_s = sent_s = perf_counter()
        if self._raw is None or not self._is_sure(started_s):
            self.close()
            self._open()
            sent_s = perf_counter()
        self._is_busy = True
        try:
            self._send(request)
            data = self._receive(self._block_bytes)
            first_s = perf_counter()
            answer = None if head else whole(data)
            if answer is None:
                answer = self._in_pieces(data, head=head)
        except BaseException:
            self.close()
            raise
        self._is_busy = False
        status, told, body, keeps = answer
        self._left -= 1
        if not keeps or not self._left:
            self.close()
        self._used_s = ended_s = perf_counter()
        self._turn = self._hub.loop.iteration
        times_s = (sent_s - started_s, first_s - sent_s, ended_s - started_s)
        return tuple.__new__(Reply, (status, told, body, *times_s))

    def _open(self) -> None:
        opened, self.address = self._dialer.open()
        # The socket inside gevent's, and a watcher of our own: gevent's recv() would try to read
        # before it waits, and fail to, and would start and stop a watcher each time.
        self._socket, self._raw = opened, opened._sock  # noqa: SLF001
        self._used_s = perf_counter()
        self._left = self._requests
        self.is_open = True
        self._dialer.lines.add(self)
        if self._is_plain:
            self._readable = self._hub.loop.io(opened.fileno(), READABLE)
            self._readable.start(self._on_readable)

    def _on_readable(self) -> None:
        """Runs in the hub: an answer for whoever waits for it, or the end of an idle connection."""
        waiting = self._waiting
        if waiting is not None:
            self._waiting = None
            waiting.switch()
            in_a_long_turn()
        elif self._is_busy:
            self._readable.stop()  # an answer before the request was sent: read after it
        else:
            self.close()

    def _send(self, request: bytes) -> None:
        try:
            if not self._is_plain:
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

    def _receive(self, most: int = BLOCK_BYTES) -> bytes:
        """What came; nothing at the end of the connection."""
        try:
            if not self._is_plain:
                data: bytes = self._socket.recv(most)
            else:
                self._wait()
                data = self._raw.recv(most)
        except ssl.SSLError as error:
            explain(error, self.address)
            raise
        except ConnectionError as error:
            raise ConnectionDropped("the target reset the connection under a request") from error
        return data

    def _is_sure(self, now_s: float) -> bool:
        """Whether the target has not closed the connection, as far as one can know.

        The loop tells of the end of an idle one, if it has turned since it was used; servers close
        those that were idle for long, and such a one is asked.
        """
        seen = self._is_plain and self._hub.loop.iteration != self._turn
        return (seen and now_s - self._used_s < SURE_S) or is_alive(self._raw)

    def _wait(self) -> None:
        """Until something can be read."""
        self._waiting = getcurrent()
        if not self._readable.active:
            self._readable.start(self._on_readable)
        while self._waiting is not None:
            self._hub.switch()

    def _in_pieces(self, data: bytes, *, head: bool) -> Answer:
        end = -1 if head else data.find(HEAD_END)
        if end < 0:
            return self._assembled(data, head=head)
        head_bytes, start = data[:end], end + len(HEAD_END)
        status, length, keeps = plain_head(head_bytes)
        if len(data) - start > length:
            return self._assembled(data, head=head)
        self._block_bytes = LARGE_BYTES  # the next answer may be like this one
        pieces = [data[start:]]
        missing = length - len(pieces[0])
        while missing:
            data = self._receive(min(missing, LARGE_BYTES))
            if not data:
                raise ConnectionDropped(_CUT_SHORT)
            pieces.append(data)
            missing -= len(data)
        return Answer(status, head_bytes, b"".join(pieces), keeps)

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
