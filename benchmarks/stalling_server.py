"""A server that stalls on schedule and counts what reaches it, for benchmarks.open_loop.

Every request takes 5 to 6 ms, however many there are; during a stall answers wait for its end. So
the stall alone makes response times, and what an arrival on schedule would have waited is known.

    GET  /work    one request; the first one after a reset is second 0
    POST /reset   forget what was seen
    GET  /seen    arrivals and answers in seconds, and the stalls

    python -m benchmarks.stalling_server --print-port-to FILE [--stall-at 1.5s] [--stall 1s]
                                         [--every 5s]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contract.units import parse_duration
from deploy.demo.http1 import Connection, Refused, Request, Response

SERVICE_S = 0.005
JITTER_S = 0.001
HORIZON_S = 120.0
"""Stalls are planned this far."""

DONE = Response(200, b'{"done": true}')
GONE = Response(404, b'{"error": "use /work, /reset or /seen"}')


@dataclass(frozen=True, slots=True)
class Stalls:
    """When nothing is answered, in seconds since the first request; `every_s` 0 means once."""

    first_s: float
    length_s: float
    every_s: float = 0.0

    def windows(self) -> list[tuple[float, float]]:
        """Each stall's beginning and end."""
        count = 1 if not self.every_s else int((HORIZON_S - self.first_s) / self.every_s)
        starts = [self.first_s + i * self.every_s for i in range(count)]
        return [(start, start + self.length_s) for start in starts]


class StallingServer:
    """Answers after the service time, or after the stall; keeps both times of every request."""

    def __init__(self, stalls: Stalls, loop: asyncio.AbstractEventLoop) -> None:
        self._windows = stalls.windows()
        self._loop = loop
        self._random = random.Random(1)
        self._first_s: float | None = None
        self._arrivals_s: list[float] = []
        self._answers_s: list[float] = []

    def connection(self) -> Connection:
        return Connection(self._handle, self._refuse, _ignore, self._loop.time)

    def _handle(self, connection: Connection, request: Request) -> None:
        match request.path:
            case "/work":
                self._work(connection)
            case "/reset":
                self._first_s, self._arrivals_s, self._answers_s = None, [], []
                connection.respond(DONE)
            case "/seen":
                connection.respond(Response(200, json.dumps(self._seen()).encode()))
            case _:
                connection.respond(GONE)

    def _work(self, connection: Connection) -> None:
        now_s = self._loop.time()
        if self._first_s is None:
            self._first_s = now_s
        at_s = now_s - self._first_s
        service_s = SERVICE_S + JITTER_S * self._random.random()
        number = len(self._arrivals_s)
        self._arrivals_s.append(at_s)
        self._answers_s.append(-1.0)
        answers = self._answers_s

        def answer() -> None:
            answers[number] = self._loop.time() - now_s + at_s
            connection.respond(DONE)

        self._loop.call_at(now_s + self._stalled_s(at_s) + service_s, answer)

    def _stalled_s(self, at_s: float) -> float:
        return next((end - at_s for start, end in self._windows if start <= at_s < end), 0.0)

    def _seen(self) -> dict[str, object]:
        return {
            "arrivals_s": self._arrivals_s,
            "answers_s": [None if at < 0 else at for at in self._answers_s],
            "stalls_s": self._windows,
        }

    @staticmethod
    def _refuse(refused: Refused) -> Response:
        return Response(refused.status, json.dumps({"error": str(refused)}).encode())


def _ignore(_connection: Connection) -> None:
    """A client that leaves changes nothing: its request has been counted."""


async def serve(stalls: Stalls, announce: Callable[[int], None]) -> None:
    """Serve on a free port of loopback until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    served = StallingServer(stalls, loop)
    server = await loop.create_server(served.connection, "127.0.0.1", 0, backlog=1024)
    gc.freeze()
    announce(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--print-port-to", type=Path, required=True)
    parser.add_argument("--stall-at", type=parse_duration, default="1.5s")
    parser.add_argument("--stall", type=parse_duration, default="1s")
    parser.add_argument("--every", type=parse_duration, default="0s", help="0s: once")
    given = parser.parse_args()

    def announce(port: int) -> None:
        partial = given.print_port_to.with_suffix(".partial")
        partial.write_text(f"{port}\n")
        partial.replace(given.print_port_to)

    asyncio.run(serve(Stalls(given.stall_at, given.stall, given.every), announce))
    return 0


if __name__ == "__main__":
    sys.exit(main())
