"""How does a goal's policy of connections become pools that users take their connections from?"""

from __future__ import annotations

from collections.abc import Callable

from contract.connections import Connections
from workers.clients.dial import Counts, Dialer
from workers.clients.pool import Capped, Own, Shared
from workers.clients.resolve import Names
from workers.clients.tls import Tls, system_tls
from workers.clients.wire import Address, Connection
from workers.permit import current_permit

Pool = Own[Connection] | Shared[Connection]


class Connecting:
    """A policy at work on one worker: a pool for each target, and counts over all of them."""

    def __init__(
        self,
        policy: Connections | None = None,
        *,
        names: Names | None = None,
        tls: Tls | None = None,
        seed: int = 1,
    ) -> None:
        self.counts = Counts()
        self._policy = policy or Connections()
        self._names = names or Names()
        self._tls = tls
        self._seed = seed
        self._dialers: dict[tuple[str, int, bool], Dialer] = {}
        self._pools: dict[tuple[str, int, bool], Shared[Connection]] = {}
        self._end: Callable[[], None] = self._names.on_change(self._look)

    def pool(self, address: Address) -> Pool:
        """The pool for a target: the same for all users, but with `reuse: user` one of its own."""
        dialer = self._dialer(address)
        requests = self._policy.requests

        def make() -> Connection:
            return Connection(dialer, requests=requests)

        if self._policy.reuse == "user":
            return Own(make)
        key = (address.host, address.port, address.tls)
        if key not in self._pools:
            self._pools[key] = (
                Shared(make, seed=self._seed)
                if self._policy.most is None
                else Capped(make, dialer.room, seed=self._seed, waited=_waited)
            )
        return self._pools[key]

    def once(self, address: Address) -> Connection:
        """A connection beside the pools, for who asks before any load; close it."""
        return Connection(self._dialer_of(address, None))

    def close(self) -> None:
        """Close what is open, after its request if one is under way; names are not heard any more."""
        self._end()
        self._end = _nothing
        for dialer in self._dialers.values():
            dialer.retire()
        self._pools.clear()
        self._dialers.clear()

    def _dialer(self, address: Address) -> Dialer:
        key = (address.host, address.port, address.tls)
        if key not in self._dialers:
            self._dialers[key] = self._dialer_of(address, self._policy.most)
        return self._dialers[key]

    def _dialer_of(self, address: Address, most: int | None) -> Dialer:
        return Dialer(
            address.host,
            address.port,
            names=self._names,
            tls=(self._tls or system_tls()) if address.tls else None,
            counts=self.counts,
            most=most,
            timed=_timed,
        )

    def _look(self) -> None:
        """Names have moved."""
        for dialer in self._dialers.values():
            dialer.look()


def _timed(name: str, seconds: float) -> None:
    """A phase of an arrival's request; what happens outside of arrivals is in no result."""
    permit = current_permit()
    if permit is not None:
        permit.recorder.phase(name, seconds)


def _waited(seconds: float) -> None:
    _timed("pool_wait", seconds)


def _nothing() -> None:
    """Names are not listened to."""
