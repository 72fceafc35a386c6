"""Send one HTTP request per arrival, or recorded ones drawn again.

Options: method (GET), path (/), body (text, or any JSON value), headers (object), name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from locust import task

from workers.clients.inference import InferenceUser, Prepared
from workers.clients.options import is_text, known, option

OPTIONS = ("method", "path", "body", "headers", "name")


class PlainHttpUser(InferenceUser):
    """One request per task, whatever the server speaks behind HTTP."""

    host = "http://127.0.0.1:8000"
    _requests: Iterator[Prepared]

    def on_start(self) -> None:
        self._requests = self.drawn(self._made)

    @task
    def request(self) -> None:
        self.send(next(self._requests))

    def _made(self) -> Sequence[Prepared]:
        options = known(self.tonnage_options, OPTIONS)
        body, headers = _body(options.get("body")), _headers(options)
        method = option(options, "method", "POST" if body else "GET", is_text, "write GET or POST")
        path = option(options, "path", "/", is_text, "write what follows the host, from '/' on")
        name = option(options, "name", "", is_text, "write a name for the statistics")
        recorded = self.recorded(method.upper(), path)
        request = (method.upper(), path, body, list(headers.items()), name or None)
        return recorded or [self.prepare(*request)]


def _body(value: Any) -> bytes:
    if value is None:
        return b""
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _headers(options: Mapping[str, Any]) -> dict[str, str]:
    """The headers given; a body that is a JSON value says that it is one."""
    fix = 'write an object such as {"X-Tier": "gold"}'
    given: dict[str, str] = option(options, "headers", {}, lambda v: isinstance(v, dict), fix)
    headers = dict(given)
    is_json = options.get("body") is not None and not isinstance(options["body"], str)
    if is_json and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    return headers
