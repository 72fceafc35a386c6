"""Which silent habits of the HTTP clients would falsify a measurement, and what is done instead?

    habit                                                    instead
    FastHttpUser takes an idle connection for dead as soon   look at the socket itself
      as its file descriptor is 1024 or above
    FastHttpSession.iter_lines hands lines out in blocks of  each line as it arrives; the request
      1,024 bytes, its request ending at the headers           ends with the last one
    an idempotent request whose connection drops is sent     one failed request
      again: two on the wire, one in the statistics
    redirects are followed: several on the wire, one in the  a failed request that says so, unless
      statistics                                               the locustfile asks for redirects
    connections know nothing of the goal's policy            they keep what of it they can (`stock`)

A locustfile asks by `allow_redirects=True` at the request, or by `max_redirects` or `max_retries`
in its FastHttpUser class; each extra send it asks for is counted.
"""

# The habits are private to the clients.
# ruff: noqa: SLF001

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from http.cookiejar import CookieJar
from typing import Any, Final

import geventhttpclient.client
import requests
from geventhttpclient.client import HTTPClient
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.useragent import CompatRequest
from locust.clients import HttpSession
from locust.contrib.fasthttp import (
    FAILURE_EXCEPTIONS,
    FastHttpSession,
    FastHttpUser,
    LocustBadStatusCode,
    LocustUserAgent,
)
from urllib3.connectionpool import HTTPConnectionPool

from workers.clients import stock
from workers.clients.liveness import is_alive
from workers.clients.quick import QuickSocket, QuietJar, known_url
from workers.clients.stock import IN_FORCE
from workers.extra_sends import count_extra_send

Function = Callable[..., Any]
ORIGINAL: Final = "__tonnage_original__"
_REDIRECTS_AT: Final = 7
"""`allow_redirects` is the argument at this place after method and URL of FastHttpSession."""


class RedirectNotFollowed(LocustBadStatusCode):
    """The target answered with a redirect that nobody asked to follow."""


def install() -> None:
    """Put the fixes in place in this process; a second time changes nothing."""
    for owner, name, fix in _FIXES:
        current = getattr(owner, name)
        if not hasattr(current, ORIGINAL):
            fixed = wraps(current)(fix(current))
            setattr(fixed, ORIGINAL, current)
            setattr(owner, name, fixed)


def remove() -> None:
    """Give the clients their habits back."""
    for owner, name, _ in _FIXES:
        current = getattr(owner, name)
        setattr(owner, name, getattr(current, ORIGINAL, current))


def _is_socket_alive(_original: Function) -> Function:
    def is_socket_alive(_pool: ConnectionPool, sock: Any) -> bool:
        return sock is not None and is_alive(sock._sock) and not IN_FORCE.has_gone(sock)

    return is_socket_alive


def _create_tcp_socket(_original: Function) -> Function:
    return lambda _pool, family, kind, protocol: QuickSocket(family, kind, protocol)


def _set_url(original: Function) -> Function:
    def set_url(request: CompatRequest, url: Any, params: Any = None) -> None:
        if type(url) is not str or params is not None:
            original(request, url, params=params)
            return
        original(request, known_url(url))
        request.url = url

    return set_url


def _agent(original: Function) -> Function:
    def init(agent: LocustUserAgent, *args: Any, **options: Any) -> None:
        if type(jar := options.get("cookiejar")) is CookieJar:
            jar.__class__ = QuietJar
        original(agent, *args, **options)

    return init


def _iter_lines(_original: Function) -> Function:
    def iter_lines(
        session: FastHttpSession, url: str, method: str = "GET", **options: Any
    ) -> Iterator[str]:
        options |= {"stream": True, "catch_response": True}
        started_s = time.perf_counter()
        response: Any = session.request(method, url, **options)
        event: dict[str, Any] = response.request_meta | {"response_length": 0}

        def fire(error: BaseException | None = None) -> None:
            event["exception"] = event["exception"] or error
            event["response_time"] = (time.perf_counter() - started_s) * 1000
            session.request_event.fire(**event)

        try:
            response.raise_for_status()
            for line in _lines(response._response):
                event["response_length"] += len(line)
                yield line.decode("utf-8", errors="replace").removesuffix("\n")
        except FAILURE_EXCEPTIONS as error:
            fire(error)
            raise
        except GeneratorExit:  # the task has read enough: the rest is not waited for
            response._response.release()
            fire()
            raise
        fire()

    return iter_lines


def _lines(response: Any) -> Iterator[bytes]:
    while line := response.readline(b"\n"):
        yield line
    if rest := response.read():
        yield rest


def _never_again(_original: Function) -> Function:
    return lambda _method: False


def _wait_for_continue(original: Function) -> Function:
    def wait_for_continue(client: Any, sock: Any, method: str) -> Any:
        try:
            return original(client, sock, method)
        except HTTPConnectionClosed as error:  # what the caller takes as leave to send again
            client._connection_pool.release_socket(sock)
            raise HTTPParseError(str(error)) from error

    return wait_for_continue


def _fast_request(original: Function) -> Function:
    def request(session: FastHttpSession, method: str, url: str, *args: Any, **options: Any) -> Any:
        asked = (
            len(args) > _REDIRECTS_AT
            or not options.keys().isdisjoint({"allow_redirects", "max_redirects"})
            or _sets(session.user, "max_redirects")
        )
        if not asked:
            options["refuse_redirects"] = True
        return original(session, method, url, *args, **options)

    return request


def _sets(user: object, name: str) -> bool:
    """Whether the locustfile's own class, or the user itself, sets what FastHttpUser defaults."""
    kind: Any = type(user)
    return user is not None and (name in vars(user) or _class_sets(kind, name))


@lru_cache(maxsize=256)
def _class_sets(kind: Any, name: str) -> bool:
    return any(name in vars(base) for base in kind.__mro__ if base is not FastHttpUser)


def _urlopen(original: Function) -> Function:
    def urlopen(
        agent: LocustUserAgent, *args: Any, refuse_redirects: bool = False, **options: Any
    ) -> Any:
        if not refuse_redirects:
            return original(agent, *args, **options)
        response = original(agent, *args, max_redirects=0, **options)
        location = response.headers.get("location")
        if location and response.status_code in agent.redirect_response_codes:
            error: Any = RedirectNotFollowed(
                response.url, _not_followed(response.status_code, location)
            )
            error.response = response
            raise error
        return response

    return urlopen


def _not_followed(status: int, location: str) -> str:
    return f"HTTP {status} redirects to {location}; allow_redirects=True would follow it"


def _send_of_agent(original: Function) -> Function:
    def send(agent: LocustUserAgent, request: Any) -> Any:
        if getattr(request, "tonnage_sent", False):  # a redirect or a retry of the same request
            count_extra_send()
        request.tonnage_sent = True
        return original(agent, request)

    return send


def _request_of_requests(original: Function) -> Function:
    def request(session: HttpSession, method: Any, url: Any, *args: Any, **options: Any) -> Any:
        options.setdefault("allow_redirects", None)
        return original(session, method, url, *args, **options)

    return request


def _get(_original: Function) -> Function:
    return lambda session, url, **options: session.request("GET", url, **options)


def _options(_original: Function) -> Function:
    return lambda session, url, **options: session.request("OPTIONS", url, **options)


def _send_of_requests(original: Function) -> Function:
    def send(session: HttpSession, method: Any, url: Any, **options: Any) -> Any:
        if options.get("allow_redirects") is not None:
            return original(session, method, url, **options)
        response = original(session, method, url, **options | {"allow_redirects": False})
        if response.is_redirect:
            text = _not_followed(response.status_code, response.headers["location"])
            response.error = requests.HTTPError(text)
        return response

    return send


def _resolve_redirects(original: Function) -> Function:
    def resolve_redirects(session: HttpSession, *args: Any, **options: Any) -> Iterator[Any]:
        only_asks = options.get("yield_requests", False)
        for response in original(session, *args, **options):
            if not only_asks:
                count_extra_send()
            yield response

    return resolve_redirects


def _make_request(original: Function) -> Function:
    def make_request(pool: HTTPConnectionPool, *args: Any, **options: Any) -> Any:
        retries = options.get("retries")
        if retries is not None and retries.history:
            count_extra_send()
        return original(pool, *args, **options)

    return make_request


_FIXES: Final[tuple[tuple[Any, str, Callable[[Function], Function]], ...]] = (
    (ConnectionPool, "_is_socket_alive", _is_socket_alive),
    (ConnectionPool, "_create_tcp_socket", _create_tcp_socket),
    (ConnectionPool, "return_socket", stock.return_socket),
    (FastHttpSession, "__init__", stock.fast_session),
    (LocustUserAgent, "__init__", _agent),
    (CompatRequest, "set_url", _set_url),
    (FastHttpSession, "iter_lines", _iter_lines),
    (geventhttpclient.client, "_may_retry_after_send_error", _never_again),
    (HTTPClient, "_wait_for_continue_response", _wait_for_continue),
    (FastHttpSession, "request", _fast_request),
    (LocustUserAgent, "urlopen", _urlopen),
    (LocustUserAgent, "_urlopen", _send_of_agent),
    (HttpSession, "__init__", stock.http_session),
    (HttpSession, "request", _request_of_requests),
    (HttpSession, "get", _get),
    (HttpSession, "options", _options),
    (HttpSession, "_send_request_safe_mode", _send_of_requests),
    (HttpSession, "resolve_redirects", _resolve_redirects),
    (HTTPConnectionPool, "_make_request", _make_request),
    (HTTPConnectionPool, "_put_conn", stock.put_conn),
    (HTTPConnectionPool, "_get_conn", stock.get_conn),
)
