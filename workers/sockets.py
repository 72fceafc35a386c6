"""What happens to this worker's TCP connections: refused, sent again, and ports used up?

Watched are all sockets of this process that are made through Python, whichever client makes them:
gevent's class is the one class of a patched process. The work is done per connection, never per
request; readings are bounded.
"""

from __future__ import annotations

import errno
import socket as sockets
from collections import Counter, deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

from gevent import socket

from workers.kernel import PROC

LOOKED_AT_ONCE = 50
"""Connections whose retransmits are asked for in one reading; the next reading goes on there."""
ERRNOS_TOLD = 8
_BLOCK_BYTES = 4_096
"""The kernel gives no more of a table at once."""
_TABLES = ("net/tcp", "net/tcp6")
_INFO_BYTES = 104
_RETRANSMITS_AT: Final = 100
"""Where struct tcp_info has tcpi_total_retrans."""

Original = Callable[..., Any]


class Sockets:
    """The connections of one process; `install` puts it in force, `remove` takes it out."""

    def __init__(self, *, not_to: Collection[int] = ()) -> None:
        """`not_to`: ports of our own services, whose connections are not the target's."""
        self._not_to = frozenset(not_to)
        self._refused: Counter[str] = Counter()
        self._known: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._retransmits = 0
        self._turn: deque[ref[Any]] = deque()  # those in line to be looked at
        self._originals: dict[str, Original] = {}

    def install(self) -> None:
        """Watch the sockets of this process from now on."""
        if self._originals:
            return
        kind: Any = socket.socket
        self._originals = {name: getattr(kind, name) for name in ("__init__", "connect", "close")}
        init, connect, close = self._originals.values()

        def watched_init(sock: Any, *args: Any, **options: Any) -> None:
            try:
                init(sock, *args, **options)
            except OSError as error:
                self.refuse(error)
                raise

        def watched_connect(sock: Any, address: Any) -> Any:
            try:
                answer = connect(sock, address)
            except OSError as error:
                self.refuse(error)
                raise
            self.watch(sock, address)
            return answer

        def watched_close(sock: Any) -> None:
            if sock in self._known:
                self._look_at(sock)
                self._known.pop(sock, None)
            close(sock)

        for name, watched in zip(
            self._originals, (watched_init, watched_connect, watched_close), strict=True
        ):
            setattr(kind, name, watched)

    def remove(self) -> None:
        for name, original in self._originals.items():
            setattr(socket.socket, name, original)
        self._originals = {}

    def refuse(self, error: OSError) -> None:
        """A socket could not be made or connected."""
        if error.errno is not None:
            self._refused[errno.errorcode.get(error.errno, str(error.errno))] += 1

    def watch(self, sock: Any, address: Any) -> None:
        """A connection of ours is open; one to a service of our own is let be."""
        is_tcp = isinstance(address, tuple) and len(address) >= 2
        if is_tcp and address[1] not in self._not_to:
            self._known[sock] = 0
            self._turn.append(ref(sock))

    def take_refused(self) -> tuple[tuple[str, int], ...]:
        """(errno's name, count) since the last call, the commonest first."""
        refused, self._refused = self._refused, Counter()
        return tuple(refused.most_common(ERRNOS_TOLD))

    def take_retransmits(self) -> int:
        """TCP segments sent again since the last call, of those that were looked at."""
        turn = self._turn
        for _ in range(min(LOOKED_AT_ONCE, len(turn))):
            in_line = turn.popleft()
            sock = in_line()
            if sock is not None and sock in self._known:
                self._look_at(sock)
                turn.append(in_line)
        found, self._retransmits = self._retransmits, 0
        return found

    def _look_at(self, sock: Any) -> None:
        try:
            told = sock.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _INFO_BYTES)
        except (OSError, AttributeError):  # closed, or a system without it
            return
        total = int.from_bytes(told[_RETRANSMITS_AT:_INFO_BYTES], "little")
        self._retransmits += max(0, total - self._known[sock])
        self._known[sock] = total


def busiest(ports: tuple[int, int], proc: Path = PROC) -> tuple[str, int]:
    """The address towards which most of the local `ports` are taken, and how many are.

    Sockets in TIME_WAIT are in it, and those of other processes of the host: the kernel gives no
    port twice for the same address. It takes milliseconds and is meant for a thread: each block
    that is read lets the others run, and so little is done between two that they hardly wait.
    """
    counts: Counter[str] = Counter()
    for table in _TABLES:
        try:
            lines = (proc / table).open("rb", buffering=_BLOCK_BYTES)
        except OSError:
            continue
        with lines:
            next(lines, None)
            counts.update(filter(None, (_remote(line, ports) for line in lines)))
    address, taken = next(iter(counts.most_common(1)), ("", 0))
    return (_written(address) if address else "", taken)


def _remote(line: bytes, ports: tuple[int, int]) -> str | None:
    """Where a socket with one of these ports leads."""
    _, local, remote, _ = line.split(None, 3)
    port = int(local[local.rfind(b":") + 1 :], 16)
    is_ours = ports[0] <= port <= ports[1] and not remote.endswith(b":0000")
    return remote.decode("ascii") if is_ours else None


def _written(address: str) -> str:
    """HOST:PORT of an address as the kernel's tables have it: words of four bytes, in hex."""
    host, _, port = address.partition(":")
    data = bytes.fromhex(host)
    words = [data[at : at + 4][::-1] for at in range(0, len(data), 4)]
    raw = b"".join(words)
    if len(raw) == 16 and raw[:12] == bytes(10) + b"\xff\xff":
        raw = raw[12:]
    family = sockets.AF_INET if len(raw) == 4 else sockets.AF_INET6
    text = sockets.inet_ntop(family, raw)
    return f"[{text}]:{int(port, 16)}" if ":" in text else f"{text}:{int(port, 16)}"
