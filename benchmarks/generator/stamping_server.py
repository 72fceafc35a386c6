"""When did each request reach the server, and when did its answer leave it?

One epoll loop, no parser beyond what finds the number in `GET /NUMBER`. The time of receipt is the
kernel's (SO_TIMESTAMPNS on the socket, which Linux gives for TCP as well: that of the last segment
read), or where there is none the server's own after recvmsg; the time of sending is taken right
before send(). `--hold` keeps answers back for so long.

    python -m benchmarks.generator.stamping_server --port P [--stamps FILE] [--hold SECONDS]

FILE has four int64 a request: number, received, sent (ns of the monotonic clock), 1 where the kernel
gave the time of receipt.
"""

from __future__ import annotations

import argparse
import gc
import resource
import select
import signal
import socket
import struct
import sys
import time
from array import array
from collections import deque
from pathlib import Path
from time import monotonic_ns

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SO_TIMESTAMPNS = 35
"""Linux's number of it; the socket module has no name for it."""
BLOCK_BYTES = 4_096
WAIT_S = 0.05
BACKLOG = 8_192
_TIMESPEC = struct.Struct("@ll")
_ROOM = socket.CMSG_SPACE(_TIMESPEC.size)
_NS = 1_000_000_000


def wall_minus_monotonic_ns() -> int:
    """The wall clock's offset, by the quickest of some readings."""
    readings = []
    for _ in range(50):
        before_ns, wall_ns, after_ns = monotonic_ns(), time.time_ns(), monotonic_ns()
        readings.append((after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2))
    return min(readings)[1]


class StampingServer:
    """Serves until `stop`; `rows` has what it saw."""

    def __init__(self, port: int, hold_s: float) -> None:
        self.rows = array("q")
        self._hold_ns = round(hold_s * _NS)
        self._held: deque[tuple[int, socket.socket]] = deque()
        self._clients: dict[int, socket.socket] = {}
        self._running = True
        self._listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._offset_ns = wall_minus_monotonic_ns()

    def stop(self, *_: object) -> None:
        self._running = False

    def serve(self) -> None:
        listener = self._listener.fileno()
        while self._running:
            wait_s = WAIT_S
            if self._held:
                wait_s = min(wait_s, max(0.0, (self._held[0][0] - monotonic_ns()) / _NS))
            for fd, _ in self._epoll.poll(wait_s):
                if fd == listener:
                    self._accept()
                else:
                    self._answer(fd)
            while self._held and self._held[0][0] <= monotonic_ns():
                _send(self._held.popleft()[1])

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._clients[client.fileno()] = client
            self._epoll.register(client.fileno(), select.EPOLLIN)

    def _answer(self, fd: int) -> None:
        client = self._clients[fd]
        try:
            data, told, _, _ = client.recvmsg(BLOCK_BYTES, _ROOM)
        except BlockingIOError:
            return
        except ConnectionError:
            data, told = b"", []
        if not data:
            self._epoll.unregister(fd)
            self._clients.pop(fd).close()
            return
        received_ns, is_kernels = monotonic_ns(), 0
        for level, kind, value in told:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, ns = _TIMESPEC.unpack(value[: _TIMESPEC.size])
                received_ns, is_kernels = seconds * _NS + ns - self._offset_ns, 1
        if self._hold_ns:
            self._held.append((monotonic_ns() + self._hold_ns, client))
            return
        number = int(data[5 : data.index(b" ", 5)] or 0)
        self.rows.extend((number, received_ns, monotonic_ns(), is_kernels))
        _send(client)


def _send(client: socket.socket) -> None:
    try:
        client.send(ANSWER)
    except OSError:  # the client has left, or its end of a held answer has
        return


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--stamps", type=Path)
    parser.add_argument("--hold", type=float, default=0.0, metavar="SECONDS")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = StampingServer(given.port, given.hold)
    signal.signal(signal.SIGTERM, server.stop)
    gc.freeze()
    gc.disable()
    server.serve()
    if given.stamps:
        given.stamps.write_bytes(server.rows.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
