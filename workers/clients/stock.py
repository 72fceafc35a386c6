"""What of a policy of connections do FastHttpUser and HttpUser keep, and what can they not be told?

They keep `requests: 1`, TLS and `resolve`; each of their users has connections of its own. The policy
of the run in force is asked where their libraries open, return and reuse a connection (`traps`).
"""

# The connections are private to the clients.

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from locust import FastHttpUser, HttpUser, User
from locust.clients import LocustHttpAdapter
from urllib3.exceptions import InsecureRequestWarning

from contract.connections import Connections
from workers.clients.inference import InferenceUser
from workers.clients.resolve import Names
from workers.clients.tls import Tls

Function = Callable[..., Any]


class Standing:
    """The policy of the run that is loaded; without one the clients do as they always do."""

    def __init__(self) -> None:
        self.tls: Tls | None = None
        self.is_verified = True
        self._once = False
        self._gone: frozenset[str] = frozenset()
        self._seen: frozenset[str] = frozenset()
        self._end: Callable[[], None] | None = None

    def begin(self, policy: Connections, names: Names, tls: Tls | None) -> None:
        """Put a policy in force, in place of the one before."""
        self.end()
        self.tls, self.is_verified = tls, policy.verify is not False
        self._once = policy.requests == 1
        self._seen = names.addresses
        self._end = names.on_change(lambda: self._look(names))

    def end(self) -> None:
        """No run is loaded any more."""
        if self._end is not None:
            self._end()
        self.tls, self.is_verified, self._once, self._end = None, True, False, None
        self._gone = self._seen = frozenset()

    def is_spent(self, sock: Any) -> bool:
        """Whether a connection that has carried a request is to carry no other."""
        return self._once or self.has_gone(sock)

    def has_gone(self, sock: Any) -> bool:
        """Whether a connection leads to an address that the target no longer has."""
        if not self._gone or sock is None:
            return False
        try:
            return sock.getpeername()[0] in self._gone
        except OSError:  # it has ended
            return False

    def _look(self, names: Names) -> None:
        self._seen |= names.addresses
        self._gone = self._seen - names.addresses


IN_FORCE: Final = Standing()


def unheard(policy: Connections, classes: Iterable[type[User]]) -> Iterator[str]:
    """One sentence for each class that cannot be told all of the policy."""
    for user_class in classes:
        lost = tuple(_lost(policy, user_class))
        if lost:
            yield (
                f"workload.connections: {', '.join(lost)} {'has' if len(lost) == 1 else 'have'} no "
                f"effect on {user_class.__name__}, {_what(user_class)}: derive it from InferenceUser"
            )


def _lost(policy: Connections, user_class: type[User]) -> Iterator[str]:
    if issubclass(user_class, InferenceUser):
        return
    is_known = issubclass(user_class, FastHttpUser | HttpUser)
    if policy.reuse == "user" and not is_known:
        yield "reuse"
    if policy.most is not None:
        yield "most"
    if policy.requests is not None and not (is_known and policy.requests == 1):
        yield "requests"
    if policy.says_tls and not (is_known and not _has_its_own(user_class)):
        yield "TLS"


def _what(user_class: type[User]) -> str:
    if _has_its_own(user_class):
        return "which has a pool of its own"
    if issubclass(user_class, FastHttpUser):
        return "a FastHttpUser"
    return "an HttpUser" if issubclass(user_class, HttpUser) else "whose client is not known"


def _has_its_own(user_class: Any) -> bool:
    pools = ("client_pool", "pool_manager")
    return any(getattr(user_class, name, None) is not None for name in pools)


class _Adapter(LocustHttpAdapter):
    """Of requests: connections with the policy's TLS."""

    def __init__(self, tls: Tls, *, is_verified: bool) -> None:
        self._tls = tls
        self._cert_reqs = "CERT_REQUIRED" if is_verified else "CERT_NONE"
        super().__init__(pool_manager=None)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        options["ssl_context"] = self._tls.context
        if self._tls.server_name is not None:
            options["server_hostname"] = self._tls.server_name
        super().init_poolmanager(*args, **options)

    def build_connection_pool_key_attributes(
        self, request: Any, _verify: Any, _cert: Any = None
    ) -> Any:
        where, _ = super().build_connection_pool_key_attributes(request, True, None)
        return where, {"cert_reqs": self._cert_reqs}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing: requests would add the system's authorities to the context."""


def http_session(original: Function) -> Function:
    """HttpSession.__init__"""

    def init(session: Any, *args: Any, **options: Any) -> None:
        original(session, *args, **options)
        if IN_FORCE.tls is not None and options.get("pool_manager") is None:
            if not IN_FORCE.is_verified:
                warnings.simplefilter("ignore", InsecureRequestWarning)
            adapter = _Adapter(IN_FORCE.tls, is_verified=IN_FORCE.is_verified)
            session.mount("https://", adapter)

    return init


def fast_session(original: Function) -> Function:
    """FastHttpSession.__init__"""

    def init(session: Any, *args: Any, **options: Any) -> None:
        tls = IN_FORCE.tls
        if tls is not None:
            options["insecure"] = not IN_FORCE.is_verified
            options["ssl_context_factory"] = _always(tls)
            if tls.server_name is not None:
                options["ssl_options"] = {"server_hostname": tls.server_name}
        original(session, *args, **options)

    return init


def _always(tls: Tls) -> Function:
    """What geventhttpclient makes contexts with: it would have the system's authorities in each."""

    def context(**_authorities: str) -> Any:
        return tls.context

    return context


def return_socket(original: Function) -> Function:
    """ConnectionPool.return_socket of geventhttpclient"""

    def give_back(pool: Any, sock: Any) -> None:
        if IN_FORCE.is_spent(sock):
            pool.release_socket(sock)
        else:
            original(pool, sock)

    return give_back


def put_conn(original: Function) -> Function:
    """HTTPConnectionPool._put_conn of urllib3; a closed one is opened when it is used again."""

    def put(pool: Any, conn: Any) -> None:
        if conn is not None and IN_FORCE.is_spent(conn.sock):
            conn.close()
        original(pool, conn)

    return put


def get_conn(original: Function) -> Function:
    """HTTPConnectionPool._get_conn of urllib3"""

    def get(pool: Any, *args: Any, **options: Any) -> Any:
        conn = original(pool, *args, **options)
        if IN_FORCE.has_gone(conn.sock):
            conn.close()
        return conn

    return get
