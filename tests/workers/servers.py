"""Which servers do tests of the workers talk to, and what did those servers see?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import gevent
from gevent.server import StreamServer

DROP = b""
"""Yielded by an answer: close the connection now."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came over the wire, on the server's `connection`-th connection."""

    connection: int
    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.partition("\r\n")[0]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


Answer = Callable[[Received], Iterable[bytes]]


def response(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ok(_request: Received) -> Iterable[bytes]:
    return [response(b"ok")]


def redirect_to(location: str) -> bytes:
    return response(b"", "302 Found", f"Location: {location}")


def eventually(claim: Callable[[], bool], within_s: float = 10.0) -> None:
    """Let the servers of this process work until the claim holds; fails after `within_s`."""
    with gevent.Timeout(within_s):
        while not claim():
            gevent.sleep(0.001)


class HttpTarget:
    """An HTTP/1.1 server on loopback, a free port unless told, that keeps what it receives."""

    def __init__(
        self,
        answer: Answer = ok,
        *,
        reads_bodies: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
        **tls: Any,
    ) -> None:
        self.reads_bodies = reads_bodies
        self.answer = answer
        self.connections = 0
        self.closed = 0
        self.requests: list[Received] = []
        self._server = StreamServer((host, port), self._serve, **tls)

    @property
    def port(self) -> int:
        port = self._server.server_port
        assert port is not None
        return port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def pause(self) -> None:
        """Accept no connection until `resume`; the kernel completes some meanwhile."""
        self._server.stop_accepting()

    def resume(self) -> None:
        self._server.start_accepting()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(timeout=0)

    def _serve(self, sock: Any, _peer: object) -> None:
        self.connections += 1
        connection = self.connections
        reader = sock.makefile("rb")
        try:
            while request := self._read(reader, connection):
                self.requests.append(request)
                for block in self.answer(request):
                    if block == DROP:
                        return
                    sock.sendall(block)
        except OSError:
            return
        finally:
            reader.close()
            sock.close()
            self.closed += 1

    def _read(self, reader: Any, connection: int) -> Received | None:
        lines = []
        while line := reader.readline():
            if line == b"\r\n":
                break
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        if not lines:
            return None
        request = Received(connection, "\r\n".join(lines), b"")
        length = int(request.header("content-length") or 0) if self.reads_bodies else 0
        return Received(connection, request.head, reader.read(length))
