"""How do tests get a real Redis of their own, on loopback, that they may also kill?"""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

START_WITHIN_S = 20.0


class RedisServer:
    """One server process on a port of its own; it keeps nothing when it goes.

    `options` go to the server as they are.
    """

    def __init__(self, program: Path, folder: Path, *options: str) -> None:
        self._program = program
        self._folder = folder
        self._options = options
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        """Start it, empty, and return when it answers."""
        listening = ["--port", str(self._port), "--bind", "127.0.0.1"]
        forgetful = ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [str(self._program), *listening, *forgetful, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        give_up_at = time.monotonic() + START_WITHIN_S
        with redis.Redis(port=self._port, retry=Retry(NoBackoff(), 0)) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.AuthenticationError:  # it is there, and asks who we are
                    return
                except redis.RedisError:
                    if time.monotonic() > give_up_at or self._process.poll() is not None:
                        raise
                    time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10.0)


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
