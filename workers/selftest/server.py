"""Which server answers as fast as one process can, so that a self-test measures the client?

A script of the standard library alone, to be run by its path. It parses nothing: on its first port a
request is whatever one read gives, on its second what ends in `END`. Every answer is the same. It
writes its two ports to standard output and ends when standard input does.
"""

from __future__ import annotations

import os
import select
import socket
import sys

END = b"\r\n\r\nthe-end."
"""The last bytes of a request with a body."""
BODY_BYTES = 65_536
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Connection: keep-alive\r\n\r\n{}"
)
_BLOCK_BYTES = 262_144
_WAITING = 4_096


def serve() -> None:
    """Answer until standard input ends."""
    plain, bodies = _listener(), _listener()
    sys.stdout.write(f"{plain.getsockname()[1]} {bodies.getsockname()[1]}\n")
    sys.stdout.flush()
    poller = select.epoll() if hasattr(select, "epoll") else select.poll()
    listeners = {plain.fileno(): plain, bodies.fileno(): bodies}
    ends: dict[int, bytes] = {}
    connections: dict[int, socket.socket] = {}
    for fd in (*listeners, 0):
        poller.register(fd, select.POLLIN)
    while True:
        for fd, _ in poller.poll():
            connection = connections.get(fd)
            if connection is not None:
                if not _answered(connection, ends[fd]):
                    poller.unregister(fd)
                    connections.pop(fd).close()
            elif fd in listeners:
                accepted, _peer = listeners[fd].accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[accepted.fileno()] = accepted
                ends[accepted.fileno()] = END if fd == bodies.fileno() else b""
                poller.register(accepted.fileno(), select.POLLIN)
            elif not os.read(0, 1):
                return


def _answered(connection: socket.socket, end: bytes) -> bool:
    """Answer what has come, if it is whole; False when the connection has ended."""
    try:
        data = connection.recv(_BLOCK_BYTES)
        if data.endswith(end) and data:
            connection.send(ANSWER)
    except ConnectionError:
        return False
    return bool(data)


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(_WAITING)
    return listener


if __name__ == "__main__":
    serve()
