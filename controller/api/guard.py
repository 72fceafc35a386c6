"""Which requests are let in at all, before any route sees them?

In this order: the Host must be ours (a foreign page may have rebound its name to this address),
a change of state may only come from our own pages (Origin), the token must be right, and the
body must be small. Every answer leaves with headers that keep browsers from guessing.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.problems import Problem
from controller.errors import TooLarge

_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_SECURED = "/api/"
_DOCS = "/docs"
_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
_DOCS_CSP = (  # FastAPI's page loads Swagger UI from there and starts it inline
    "default-src 'self' https://cdn.jsdelivr.net https://fastapi.tiangolo.com data:; "
    "script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Admission:
    """What is let in. `token` None: anybody; sizes are of bodies."""

    local_only: bool
    token: str | None
    body_max_bytes: int
    artefact_max_bytes: int


class Guard:
    """ASGI middleware that turns away what `Admission` does not let in."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path: str = scope["path"]
        safe_send = _with_headers(send, path)
        limit_bytes = self._limit_bytes(scope["method"])
        refusal = self._refusal(scope["method"], path, headers) or _too_long(headers, limit_bytes)
        if refusal is not None:
            await refusal(scope, receive, safe_send)
            return
        await self._app(scope, _counted(receive, limit_bytes), safe_send)

    def _limit_bytes(self, method: str) -> int:
        admission = self._admission
        return admission.artefact_max_bytes if method == "PUT" else admission.body_max_bytes

    def _refusal(self, method: str, path: str, headers: Headers) -> Problem | None:
        host = headers.get("host", "")
        if self._admission.local_only and _name(host) not in _LOCAL_NAMES:
            fix = "This controller serves loopback only: ask for it by 127.0.0.1 or localhost."
            return Problem(421, "foreign-host", fix)
        origin = headers.get("origin")
        if method in _CHANGES and origin is not None and _authority(origin) != host:
            return Problem(403, "foreign-origin", f"Pages of {origin!r} may not change anything.")
        if path.startswith(_SECURED) and not self._knows_token(headers):
            detail = "Send the header Authorization: Bearer with the controller's TONNAGE_TOKEN."
            return Problem(401, "token", detail, headers={"WWW-Authenticate": "Bearer"})
        return None

    def _knows_token(self, headers: Headers) -> bool:
        if self._admission.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = self._admission.token.encode()
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), right)


def _too_long(headers: Headers, limit_bytes: int) -> Problem | None:
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return Problem(400, "bad-request", "Content-Length is not a number.")
    if int(length) <= limit_bytes:
        return None
    return Problem(413, "too-large", _over(limit_bytes))


def _over(limit_bytes: int) -> str:
    return f"The body is over the limit of {limit_bytes} bytes."


def _counted(receive: Receive, limit_bytes: int) -> Receive:
    seen_bytes = 0

    async def counted() -> Message:
        nonlocal seen_bytes
        message = await receive()
        seen_bytes += len(message.get("body", b""))
        if seen_bytes > limit_bytes:
            raise TooLarge(_over(limit_bytes))
        return message

    return counted


def _with_headers(send: Send, path: str) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            csp = _DOCS_CSP if path.startswith(_DOCS) else _CSP
            headers.setdefault("Content-Security-Policy", csp)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return with_headers


def _name(host: str) -> str:
    """Host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def _authority(origin: str) -> str:
    return origin.partition("://")[2]
