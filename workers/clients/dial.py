"""How is one connection to the target opened: to which address, and how long did it take?

Addresses are tried in a random order, so that replicas behind one name get equally many; one that
does not answer is counted as failed, and the next is tried.
"""

from __future__ import annotations

import socket as sockets
import sys
from collections.abc import Callable
from dataclasses import fields
from time import perf_counter
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

from gevent import socket

from contract.report import MOST_ADDRESSES, OTHER_ADDRESSES, Connected
from workers.clients.resolve import Names, family_of
from workers.clients.tls import Tls

Timed = Callable[[str, float], None]
"""Hears the name of a phase and the seconds that it took."""


class Opened(NamedTuple):
    """A connected socket and where it leads."""

    socket: Any
    address: str


class Line(Protocol):
    """What uses an open connection."""

    address: str

    def retire(self) -> None:
        """Close now, or after the request that is under way."""


class Counts:
    """Connections by the address they lead to; of one worker."""

    def __init__(self) -> None:
        self._by_address: dict[str, list[int]] = {}

    def open(self, address: str) -> int:
        """How many are open or being opened."""
        known = self._by_address.get(address)
        return known[0] if known is not None else 0

    def begin(self, address: str) -> None:
        self._of(address)[0] += 1

    def opened(self, address: str) -> None:
        self._of(address)[1] += 1

    def closed(self, address: str) -> None:
        counts = self._of(address)
        counts[0] -= 1
        counts[2] += 1

    def failed(self, address: str) -> None:
        counts = self._of(address)
        counts[0] -= 1
        counts[3] += 1

    def drain(self) -> tuple[Connected, ...]:
        """What is open now, and what happened since the last call, by address."""
        told = [Connected(address, *counts) for address, counts in self._by_address.items()]
        for address, counts in list(self._by_address.items()):
            if counts[0]:
                counts[1:] = [0, 0, 0]
            else:
                del self._by_address[address]
        told.sort(key=lambda entry: (-entry.open - entry.opened, entry.address))
        kept, others = told[:MOST_ADDRESSES], told[MOST_ADDRESSES:]
        if others:
            sums = (sum(getattr(e, f.name) for e in others) for f in fields(Connected)[1:])
            kept.append(Connected(OTHER_ADDRESSES, *sums))
        return tuple(kept)

    def _of(self, address: str) -> list[int]:
        return self._by_address.setdefault(address, [0, 0, 0, 0])


class Dialer:
    """Opens connections to one host and port.

    `most`: connections of an address that may be open. `timed` hears how long connecting and the
    TLS handshake took.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        names: Names,
        tls: Tls | None = None,
        counts: Counts | None = None,
        most: int | None = None,
        timed: Timed | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.most = most
        self.names = names
        self.counts = counts if counts is not None else Counts()
        self.lines: WeakSet[Line] = WeakSet()
        self._timed = timed

    def room(self) -> int:
        """How many connections there may be in all."""
        return self.most * len(self.names.of(self.host)) if self.most is not None else sys.maxsize

    def retire(self) -> None:
        """No connection is used again."""
        for line in tuple(self.lines):
            line.retire()

    def look(self) -> None:
        """The name may have moved: connections to addresses that it had are not used again."""
        there = {self._written(host) for host in self.names.of(self.host)}
        for line in tuple(self.lines):
            if line.address not in there:
                line.retire()

    def open(self) -> Opened:
        """A new connection; put what uses it into `lines`, and say when it is `closed`.

        Raises:
            OSError: no address could be connected to; of the first one tried.
        """
        first: OSError | None = None
        for host in self.names.shuffled(self.host):
            address = self._written(host)
            if self.most is not None and self.counts.open(address) >= self.most:
                continue
            self.counts.begin(address)
            try:
                opened = self._connect(host)
            except BaseException as error:
                self.counts.failed(address)
                if not isinstance(error, OSError):
                    raise
                first = first or error
                continue
            opened = self._secure(opened, address)
            self.counts.opened(address)
            return Opened(opened, address)
        raise first or OSError(f"{self.host}:{self.port} has no room for another connection")

    def closed(self, address: str) -> None:
        """A connection to that address is no more."""
        self.counts.closed(address)

    def _connect(self, host: str) -> Any:
        begun_s = perf_counter()
        opened: Any = socket.socket(family_of(host))
        try:
            opened.settimeout(None)
            opened.connect((host, self.port))
            opened.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        except BaseException:
            opened.close()
            raise
        if self._timed is not None:
            self._timed("connect", perf_counter() - begun_s)
        return opened

    def _secure(self, opened: Any, address: str) -> Any:
        if self.tls is None:
            return opened
        begun_s = perf_counter()
        try:
            wrapped = self.tls.wrap(opened, self.host)
        except BaseException:
            opened.close()
            self.counts.failed(address)
            raise
        if self._timed is not None:
            self._timed("tls", perf_counter() - begun_s)
        return wrapped

    def _written(self, host: str) -> str:
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
