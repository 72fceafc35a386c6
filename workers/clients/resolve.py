"""Which addresses does a host have, for everybody in this process, and since when?

One resolution answers the guard, which allows these addresses and no other, and the clients, which
connect to these and no other. So a name that is made to stand for another address between two
questions (DNS rebinding) leads nowhere. Hosts are kept while a run lasts, and resolved again in a
greenlet of its own; an answer that fails leaves the one before.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import socket
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import get_hub

Lookup = Callable[[str], tuple[str, ...]]
"""The addresses of a host, the preferred first. Raises OSError when it has none."""

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

log = logging.getLogger(__name__)


class Names:
    """The hosts of a run and their addresses."""

    def __init__(self, lookup: Lookup | None = None, *, seed: int = 1) -> None:
        self._lookup = lookup or look_up
        self._kept: dict[str, tuple[str, ...]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._again: gevent.Greenlet[..., None] | None = None
        self._draws = random.Random(seed)

    def keep(self, hosts: Iterable[str]) -> None:
        """Resolve these hosts now, and let go of all others.

        Raises:
            OSError: one has no address; `filename` is its name. What was kept before stands.
        """
        found = {}
        for host in hosts:
            try:
                found[host.lower()] = self._resolved(host.lower())
            except OSError as error:
                error.filename = host
                raise
        self._kept = found
        self._tell()

    @property
    def addresses(self) -> frozenset[str]:
        """Those of all hosts that are kept."""
        return frozenset(address for found in self._kept.values() for address in found)

    def kept(self, host: str) -> tuple[str, ...] | None:
        """Addresses of a host that is kept; None of any other."""
        return self._kept.get(host.lower())

    def of(self, host: str) -> tuple[str, ...]:
        """Addresses of any host, the preferred first.

        Raises:
            OSError: it has none.
        """
        kept = self.kept(host)
        return kept if kept is not None else self._resolved(host)

    def shuffled(self, host: str) -> list[str]:
        """Addresses in the order to try them: at random, those of the preferred family first.

        Raises:
            OSError: the host has none.
        """
        addresses = list(self.of(host))
        if len(addresses) == 1:
            return addresses
        first = family_of(addresses[0])
        self._draws.shuffle(addresses)
        addresses.sort(key=lambda address: family_of(address) != first)
        return addresses

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called when addresses come or go; gives what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def every(self, period_s: float | None) -> None:
        """Resolve what is kept again each `period_s`; None: not any more."""
        if self._again is not None:
            self._again.kill(block=False)
            self._again = None
        if period_s is not None:
            self._again = gevent.spawn(self._refresh_forever, period_s)

    def refresh(self) -> None:
        """Resolve what is kept again; all that has changed changes at once."""
        asked = self._kept
        found = {host: self._asked_again(host, known) for host, known in asked.items()}
        if self._kept is not asked or found == asked:
            return  # another run's hosts by now, or nothing new
        self._kept = found
        self._tell()

    def answer(self) -> None:
        """Have everything that asks through gevent take the addresses that are kept."""
        hub: Any = get_hub()
        hub.resolver = _Answering(beneath(), self)

    def _refresh_forever(self, period_s: float) -> None:
        while True:
            gevent.sleep(period_s)
            try:
                self.refresh()
            except Exception:
                log.exception("names could not be resolved again")

    def _asked_again(self, host: str, known: tuple[str, ...]) -> tuple[str, ...]:
        try:
            found = self._resolved(host)
        except OSError as error:
            log.warning("%s has no address now (%s): those it had stand", host, error)
            return known
        if set(found) == set(known):
            return known  # another order is no news
        log.info("%s moves from %s to %s", host, ", ".join(known), ", ".join(found))
        return found

    def _resolved(self, host: str) -> tuple[str, ...]:
        if _literal(host) is not None:
            return (plain(host),)
        found = tuple(dict.fromkeys(plain(address) for address in self._lookup(host)))
        if not found:
            raise OSError(f"{host} has no address")
        return found

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


class _Answering:
    """gevent's resolver, but a kept host has the addresses that are kept."""

    def __init__(self, resolver: Any, names: Names) -> None:
        self.beneath = resolver
        self._names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)

    def getaddrinfo(  # noqa: PLR0917 - the socket module's own signature
        self, host: Any, port: Any, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[Any, ...]]:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        is_plain = isinstance(name, str) and kind in (0, socket.SOCK_STREAM) and not flags
        if not is_plain or self._names.kept(name) is None or not isinstance(port, int | None):
            found: list[tuple[Any, ...]] = self.beneath.getaddrinfo(
                host, port, family, kind, proto, flags
            )
            return found
        entries = [_entry(address, port or 0) for address in self._names.shuffled(name)]
        wanted = [entry for entry in entries if family in (0, entry[0])]
        if not wanted:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} has no address of this family")
        return wanted


def look_up(host: str) -> tuple[str, ...]:
    """Ask the system, in a thread of gevent's.

    Raises:
        OSError: the host has no address.
    """
    found = beneath().getaddrinfo(host, None, 0, socket.SOCK_STREAM, 0, 0)
    return tuple(str(entry[4][0]) for entry in found)


def beneath() -> Any:
    """The resolver that asks the system, whatever answers before it."""
    hub: Any = get_hub()
    resolver = hub.resolver
    return resolver.beneath if isinstance(resolver, _Answering) else resolver


def plain(host: str) -> str:
    """A host in one spelling: names in lower case, IPv4 inside IPv6 as IPv4."""
    literal = _literal(host)
    if literal is None:
        return host.lower()
    mapped = literal.ipv4_mapped if isinstance(literal, ipaddress.IPv6Address) else None
    return str(mapped or literal)


def family_of(address: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6 of an address in figures."""
    return _FAMILIES[ipaddress.ip_address(address).version]


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _entry(address: str, port: int) -> tuple[Any, ...]:
    """As getaddrinfo has it."""
    family = family_of(address)
    where = (address, port) if family == socket.AF_INET else (address, port, 0, 0)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where
