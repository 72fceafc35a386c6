"""What does a user of a model server need: one request, timed by phase, reported exactly once?

`InferenceUser` takes a connection for each request, by the policy of the goal; without one any that
is idle, all alike. A connection found closed is opened again before anything is sent; one that drops afterwards is a
failed request, never a second one. Redirects are failures: a model server has no business there.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, ClassVar

import gevent
import numpy as np
from geventhttpclient._parser import HTTPParseError
from locust import User

from contract.recording import OF_THE_CONNECTION, parse_recording
from workers.clients.answer import Reply
from workers.clients.policy import Connecting
from workers.clients.pool import Own
from workers.clients.wire import Address, Connection, ConnectionDropped, NoAnswer, NotAnAddress
from workers.permit import Permit, current_permit

SHOWN_BYTES = 120
"""Of an error's body, in its message."""

DRAWN_AT_ONCE = 128

BODIES = int.from_bytes(b"bodies")
"""The purpose of a user's draws: apart from those of the schedule, which has the same seed."""

_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

COUNTS = "tonnage_counts"
"""Attribute of a listener that does nothing with a request that went well but count it."""

Check = Callable[[Reply], str | None]
"""What is wrong with an answer of status 2xx; None when nothing is."""


class CannotBeSent(ValueError):
    """A request that would be no HTTP, or another one than was meant."""


class RequestFailed(Exception):
    """The target answered, but not as asked."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as the bytes that go over the wire; `name` is what its statistics go by."""

    method: str
    name: str
    data: bytes


class InferenceUser(User):
    """Base of users that ask a model server; subclass it and call `send` from tasks.

    The worker fills in `host`, `model`, `tonnage_headers` (secrets in place), `tonnage_options`,
    `tonnage_requests` (the recording's bytes) and `tonnage_seed`. `ready_paths` are asked before
    any load is sent; `{model}` in them is the goal's model. `network_timeout_s` is for requests
    outside of arrivals: the time-out of an arrival is the goal's, and counts from its due time.
    `tonnage_connecting` has the connections of all users.
    """

    abstract = True
    model: str | None = None
    network_timeout_s: float = 60.0
    ready_paths: ClassVar[tuple[str, ...]] = ()
    tonnage_headers: ClassVar[Mapping[str, str]] = {}
    tonnage_options: ClassVar[Mapping[str, Any]] = {}
    tonnage_requests: bytes | None = None
    tonnage_seed: int = 1
    tonnage_connecting: ClassVar[Connecting | None] = None

    _numbers: ClassVar[Iterator[int]] = itertools.count()
    _kept: ClassVar[dict[Address, tuple[Prepared, ...]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._numbers = itertools.count()
        cls._kept = {}

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._address = Address.of(self.host or "")
        self._number = next(self._numbers)
        self._pool = (self.tonnage_connecting or _without_policy()).pool(self._address)
        self._take, self._give = self._pool.take, self._pool.give

    def prepare(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        name: str | None = None,
    ) -> Prepared:
        """The bytes of a request, to be sent as often as wanted.

        Raises:
            CannotBeSent: naming what of it.
        """
        headers = tuple(headers)
        own = {key.lower() for key, _ in headers}
        extra = [(k, v) for k, v in self.tonnage_headers.items() if k.lower() not in own]
        data = request_bytes(self._address, method, path, body, [*extra, *headers])
        return Prepared(method, name or path, data)

    def recorded(self, method: str, path: str) -> tuple[Prepared, ...]:
        """The recording's requests, `method` and `path` where a line is silent; none without one.

        Raises:
            RecordingError: naming the line.
        """
        if not self.tonnage_requests:
            return ()
        return tuple(
            self.prepare(r.method or method, r.path or path, r.body, r.headers, r.name)
            for r in parse_recording(self.tonnage_requests)
        )

    def drawn(self, make: Callable[[], Sequence[Prepared]]) -> Iterator[Prepared]:
        """Whole requests drawn with replacement from those `make` gives, seeded, for ever.

        They are made now, once for all users of a class and target; each draws in its own order.
        """
        if self._address not in self._kept:
            self._kept[self._address] = tuple(make())
        return self._draw(self._kept[self._address])

    def _draw(self, requests: Sequence[Prepared]) -> Iterator[Prepared]:
        if len(requests) == 1:
            yield from itertools.repeat(requests[0])
        worker = getattr(self.environment.runner, "worker_index", 0)
        key = [self.tonnage_seed, BODIES, max(worker, 0), self._number]
        source = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
        while True:
            for place in source.integers(len(requests), size=DRAWN_AT_ONCE).tolist():
                yield requests[place]

    def send(self, request: Prepared, check: Check | None = None) -> Reply | None:
        """Send `request` once; its answer, None when there was none.

        Statuses of 300 and more, and what `check` objects to, count as failures of the request.
        """
        started_s, permit = perf_counter(), current_permit()
        reply, failure = self._exchange(request, check, permit)
        service_s = perf_counter() - started_s
        if reply is not None and permit is not None:
            permit.recorder.first_byte(reply.first_byte_s)
        hook = self.environment.events.request
        if failure is None and permit is not None and _only_counts(hook):
            permit.recorder.request(permit, request.name, service_s)
            return reply
        hook.fire(
            request_type=request.method,
            name=request.name,
            response_time=service_s * 1000.0,
            response_length=len(reply.body) if reply else 0,
            exception=failure,
            context={},
            start_time=time.time() - service_s,
            response=reply,
            url=request.name,
        )
        return reply

    def close(self) -> None:
        """The user has ended; what it shares with others stays open."""
        if isinstance(self._pool, Own):
            self._pool.close()

    @classmethod
    def check_ready(cls, host: str, timeout_s: float) -> str | None:
        """One sentence on why the target at `host` is not ready, None when it is."""
        try:
            address = Address.of(host)
        except NotAnAddress as error:
            return str(error)
        connection = (cls.tonnage_connecting or _without_policy()).once(address)
        try:
            for template in cls.ready_paths:
                path = template.format(model=cls.model or "")
                fault = _not_ready(cls, connection, address, path, timeout_s)
                if fault is not None:
                    return fault
        finally:
            connection.close()
        return None

    def _exchange(
        self, request: Prepared, check: Check | None, permit: Permit | None
    ) -> tuple[Reply | None, Exception | None]:
        try:
            if permit is not None:
                reply = self._over_one(request)
            else:
                late = NoAnswer(f"no answer within {self.network_timeout_s:g} s")
                with gevent.Timeout(self.network_timeout_s, late):
                    reply = self._over_one(request)
        except (OSError, HTTPParseError) as error:
            return None, error
        if reply.status >= 300:
            return reply, RequestFailed(f"HTTP {reply.status}", _shown(reply.body))
        fault = check(reply) if check is not None else None
        return reply, RequestFailed(fault, _shown(reply.body)) if fault else None

    def _over_one(self, request: Prepared) -> Reply:
        connection = self._take()
        try:
            return connection.exchange(request.data, head=request.method == "HEAD")
        finally:
            self._give(connection)


def _only_counts(hook: Any) -> bool:
    """Whether nobody listens to requests but the worker, which need not be told all of it."""
    handlers = hook._handlers  # noqa: SLF001 - Locust has no public name for them
    return len(handlers) == 1 and getattr(handlers[0], COUNTS, False)


def request_bytes(
    address: Address,
    method: str,
    path: str,
    body: bytes,
    headers: Iterable[tuple[str, str]],
) -> bytes:
    """A whole HTTP/1.1 request (RFC 9112).

    Raises:
        CannotBeSent: naming what of it.
    """
    if not _METHOD.fullmatch(method):
        raise CannotBeSent(f"method {method!r} is none: write GET or POST")
    if not _TARGET.fullmatch(path):
        fix = "write what follows the host, from '/' on, percent-encoded"
        raise CannotBeSent(f"path {path!r} cannot be sent: {fix}")
    lines = [f"{method} {address.prefix}{path} HTTP/1.1", f"Host: {address.authority}"]
    lines += [_field(name, value) for name, value in headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _field(name: str, value: object) -> str:
    """One header. Its value may be a secret, and stays out of messages."""
    if not _FIELD_NAME.fullmatch(name) or name.lower() in OF_THE_CONNECTION:
        raise CannotBeSent(f"header {name!r} is no header's name, or one the client writes itself")
    if not isinstance(value, str) or not _FIELD_VALUE.fullmatch(value):
        raise CannotBeSent(f"header {name!r} has no value to send: it must be one line of Latin-1")
    return f"{name}: {value}"


@lru_cache(maxsize=1)
def _without_policy() -> Connecting:
    """For users outside of a worker, such as stock Locust's."""
    return Connecting()


def _not_ready(
    cls: type[InferenceUser],
    connection: Connection,
    address: Address,
    path: str,
    timeout_s: float,
) -> str | None:
    asked = f"GET {path}"
    try:
        data = request_bytes(address, "GET", path, b"", cls.tonnage_headers.items())
        reply = connection.exchange(data, timeout_s=timeout_s)
    except CannotBeSent as error:
        return f"{asked}: {error}"
    except NoAnswer:
        return f"{asked} got no answer from {address.authority} within {timeout_s:g} s"
    except HTTPParseError as error:
        return f"{asked}: what {address.authority} answers is not HTTP: {error}"
    except ConnectionDropped as error:
        return f"{asked}: {error}"
    except OSError as error:
        return f"cannot connect to {address.authority}: {error.strerror or error}"
    if reply.status == 404 and cls.model and cls.model in path:
        return f"{asked} answered 404: the target does not serve model {cls.model!r}"
    if reply.status >= 300:
        return f"{asked} answered {reply.status}: the target is not ready"
    return None


def _shown(body: bytes) -> str:
    return " ".join(body[:SHOWN_BYTES].decode("utf-8", "replace").split())
