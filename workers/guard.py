"""Where may this process connect to, and who tried to go elsewhere?

The guard hangs in CPython's audit hooks (PEP 578): the interpreter asks it before every
connect(), and before every datagram, whatever library and whatever wrapping called for it. An
address that is not allowed raises there, before a packet leaves. It sees what goes through
Python's sockets; a native library that opens sockets of its own is not seen.

Targets are allowed by the addresses that `Names` has resolved, and clients get theirs from it too.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workers.clients.resolve import Names, plain

RESOLV_CONF = Path("/etc/resolv.conf")
DNS_PORT = 53
ADDRESSES_KEPT = 100
"""So many different blocked addresses are remembered; the count goes on."""

_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
_OF_THIS_MACHINE = frozenset(
    {socket.AF_UNIX} | ({socket.AF_NETLINK} if hasattr(socket, "AF_NETLINK") else set())
)


class TargetNotAllowed(OSError):
    """A connection to an address outside the allowed targets was stopped before it began."""


class AllowListError(ValueError):
    """An allowed target is not HOST:PORT, or its host has no address."""


class Guard:
    """The addresses one process may reach; made and put in force by `install`."""

    def __init__(self, names: Names | None = None) -> None:
        self.names = names or Names()
        self.names.on_change(self._combine)
        self.blocked = 0
        self._addresses: Counter[str] = Counter()
        self._listed: tuple[str, ...] = ()
        self._targets: tuple[tuple[str, int], ...] = ()
        self._own: frozenset[tuple[str, int]] = frozenset()
        self._allowed: frozenset[tuple[str, int]] = frozenset()
        self._is_lifted = False

    @property
    def blocked_addresses(self) -> tuple[tuple[str, int], ...]:
        """(HOST:PORT, attempts), the most tried first."""
        return tuple(self._addresses.most_common())

    def update(self, allowed: Iterable[str], resolve_s: float | None = None) -> None:
        """Allow these targets (HOST:PORT, [IPv6]:PORT) and no other.

        Names are resolved now, and with `resolve_s` again each so many seconds: from then on the
        addresses that they have are allowed, and those that they had are not.

        Raises:
            AllowListError: an entry cannot be read or resolved; what was allowed before stands.
        """
        listed = tuple(allowed)
        targets = tuple(map(parse_target, listed))
        try:
            self.names.keep(host for host, _ in targets)
        except OSError as error:
            why = error.strerror or str(error)
            entry = next(e for e in listed if parse_target(e)[0] == error.filename)
            raise AllowListError(f"allowed target {entry} has no address: {why}") from error
        self._listed, self._targets = listed, targets
        self._combine()
        self.names.every(resolve_s)

    def also(self, host: str, port: int) -> None:
        """Allow an address of our own besides the targets, such as Redis', for good.

        Raises:
            AllowListError: the host has no address.
        """
        self._own |= _resolved(host, port)
        self._combine()

    def reset(self) -> None:
        """Between runs: no target is allowed, only our own addresses; counts start again."""
        self.update(())
        self.blocked = 0
        self._addresses.clear()

    def lift(self) -> None:
        """Allow everything for the rest of the process: an audit hook cannot be taken out."""
        self._is_lifted = True
        self.names.keep(())

    def check(self, family: int, address: object) -> None:
        """Let an address pass.

        Raises:
            TargetNotAllowed: it may not be reached.
        """
        if self._is_lifted or family in _OF_THIS_MACHINE:
            return
        endpoint = _endpoint(address) if family in _INTERNET else None
        if endpoint is not None and endpoint in self._allowed:
            return
        self._refuse(repr(address) if endpoint is None else _written(*endpoint))

    def _refuse(self, address: str) -> None:
        self.blocked += 1
        if address in self._addresses or len(self._addresses) < ADDRESSES_KEPT:
            self._addresses[address] += 1
        allowed = ", ".join(self._listed) or "nothing"
        raise TargetNotAllowed(
            errno.EACCES,
            f"connection to {address} stopped: the run allows {allowed};"
            f" to allow it too, start with --allow-target {address}",
        )

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What the interpreter calls before each audited event, of which a few concern us."""
        if event in _EVENTS:
            sock, address = arguments
            if address is not None:  # a datagram without one goes where connect() was let
                self.check(sock.family, address)

    def _combine(self) -> None:
        targets = {(a, port) for host, port in self._targets for a in self.names.kept(host) or ()}
        self._allowed = self._own | _nameservers() | targets


def install(allowed: Iterable[str], names: Names | None = None) -> Guard:
    """Put a guard in force in this process, once and for good; gevent answers from its names.

    Raises:
        AllowListError: as `Guard.update`; nothing is in force then.
    """
    guard = Guard(names)
    guard.update(allowed)
    guard.names.answer()
    sys.addaudithook(guard.audit)
    return guard


def parse_target(text: str) -> tuple[str, int]:
    """Read HOST:PORT, with an IPv6 address in brackets.

    Raises:
        AllowListError: it is not written so.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    usable = host and "/" not in host and (bracketed or ":" not in host)
    if not usable or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        fix = "write HOST:PORT, such as 127.0.0.1:9100 or [::1]:9100"
        raise AllowListError(f"allowed target {text!r} cannot be read: {fix}")
    return host, int(port)


def _resolved(host: str, port: int) -> frozenset[tuple[str, int]]:
    """Every address of a host of our own, and the host as written, which some callers connect to.

    Raises:
        AllowListError: it has none.
    """
    try:
        found = Names().of(host)
    except OSError as error:
        why = error.strerror or str(error)
        raise AllowListError(f"allowed target {host}:{port} has no address: {why}") from error
    return frozenset({(plain(host), port), *((address, port) for address in found)})


def _endpoint(address: object) -> tuple[str, int] | None:
    """(address, port) of a socket address in one spelling; None if it is none."""
    if not isinstance(address, tuple) or len(address) < 2 or not isinstance(address[1], int):
        return None
    host = address[0]
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("latin-1")
    return (plain(host), address[1]) if isinstance(host, str) else None


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _nameservers() -> frozenset[tuple[str, int]]:
    """Where names are asked for when a resolver speaks DNS through Python's sockets."""
    try:
        lines = RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    words = [line.split() for line in lines]
    return frozenset({(plain(w[1]), DNS_PORT) for w in words if w[:1] == ["nameserver"] and w[1:]})
