"""What do Locust's workers say to their master? Many of them, without users, in one process.

The protocol is that of Locust 2: msgpack of (type, data, node id) over a ZeroMQ DEALER each. A
heartbeat a second, and every three seconds the statistics of one request entry with 100 requests/s.

`python -m benchmarks.control_plane.locust_workers --port P --workers N --marker FILE` writes FILE
once all have been told to run. Ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import Any

import msgpack
import zmq

HEARTBEAT_S, STATS_S = 1.0, 3.0
REQUESTS = 100
ANY_VERSION = -1
"""What a master takes for a worker of its own version."""
USERS = {"Nothing": 1}
TURN_S = 0.02


def entry(now_s: float, rng: random.Random) -> dict[str, Any]:
    """Statistics of 3 s of one kind of request, response times rounded to ms."""
    times_ms: dict[int, int] = {}
    for _ in range(round(REQUESTS * STATS_S)):
        ms = round(20 * rng.lognormvariate(0.0, 0.4))
        times_ms[ms] = times_ms.get(ms, 0) + 1
    return {
        "name": "/work",
        "method": "GET",
        "last_request_timestamp": now_s,
        "start_time": now_s - STATS_S,
        "num_requests": sum(times_ms.values()),
        "num_none_requests": 0,
        "num_failures": 0,
        "total_response_time": sum(ms * count for ms, count in times_ms.items()),
        "max_response_time": max(times_ms),
        "min_response_time": min(times_ms),
        "total_content_length": 12_000,
        "response_times": times_ms,
        "num_reqs_per_sec": {int(now_s) - back: REQUESTS for back in range(round(STATS_S))},
        "num_fail_per_sec": {},
    }


def stats(now_s: float, rng: random.Random) -> dict[str, Any]:
    """The data of one `stats` message."""
    total = entry(now_s, rng)
    return {
        "stats": [total],
        "stats_total": total | {"name": "Aggregated", "method": ""},
        "errors": {},
        "user_classes_count": USERS,
        "user_count": 1,
    }


class Workers:
    """So many of them on one thread."""

    def __init__(self, port: int, count: int) -> None:
        context = zmq.Context()
        context.set(zmq.MAX_SOCKETS, count + 100)
        self._poller = zmq.Poller()
        self._running: set[str] = set()
        self._names: dict[Any, str] = {}
        for number in range(count):
            socket = context.socket(zmq.DEALER)
            name = f"simulated-{number:05d}"
            socket.setsockopt(zmq.IDENTITY, name.encode())
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(f"tcp://127.0.0.1:{port}")
            self._names[socket] = name
            self._poller.register(socket, zmq.POLLIN)
            self._send(socket, "client_ready", ANY_VERSION)

    def live(self, marker: Path) -> None:
        """Beat, report and obey, for ever."""
        began_s, rng, rounds = time.time(), random.Random(1), 0
        sockets = list(self._names)
        next_beat = [began_s + HEARTBEAT_S * n / len(sockets) for n in range(len(sockets))]
        next_stats = [began_s + STATS_S * n / len(sockets) for n in range(len(sockets))]
        told = stats(began_s, rng)
        while True:
            self._obey()
            if len(self._running) == len(sockets) and not marker.exists():
                marker.touch()
            now_s = time.time()
            if int(now_s - began_s) > rounds:
                rounds, told = int(now_s - began_s), stats(now_s, rng)
            for number, socket in enumerate(sockets):
                if now_s >= next_beat[number]:
                    next_beat[number] += HEARTBEAT_S
                    self._beat(socket)
                if now_s >= next_stats[number]:
                    next_stats[number] += STATS_S
                    if self._names[socket] in self._running:
                        self._send(socket, "stats", told)

    def _beat(self, socket: Any) -> None:
        state = "running" if self._names[socket] in self._running else "ready"
        health = {"state": state, "current_cpu_usage": 40.0, "current_memory_usage": 90_000_000}
        self._send(socket, "heartbeat", health)

    def _obey(self) -> None:
        for socket, _ in self._poller.poll(round(TURN_S * 1_000)):
            kind, _, _ = msgpack.unpackb(socket.recv(), strict_map_key=False)
            if kind == "spawn":
                self._send(socket, "spawning", None)
                done = {"user_classes_count": USERS, "user_count": 1}
                self._send(socket, "spawning_complete", done)
                self._running.add(self._names[socket])

    def _send(self, socket: Any, kind: str, data: Any) -> None:
        socket.send(msgpack.packb((kind, data, self._names[socket])))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--marker", type=Path, required=True)
    options = parser.parse_args()
    Workers(options.port, options.workers).live(options.marker)


if __name__ == "__main__":
    main()
