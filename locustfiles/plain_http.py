"""Send one HTTP request per arrival, or recorded ones drawn again.

Options: method (GET), path (/), body (text, or any JSON value), headers (object), name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from locust import task

from workers.clients.inference import InferenceUser, Prepared


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
        options = dict(self.tonnage_options)
        body, headers = _body(options.get("body")), dict(options.get("headers") or {})
        if body and not isinstance(options["body"], str):
            headers.setdefault("Content-Type", "application/json")
        method = str(options.get("method") or ("POST" if body else "GET")).upper()
        path, name = str(options.get("path") or "/"), options.get("name")
        recorded = self.recorded(method, path)
        return recorded or [self.prepare(method, path, body, list(headers.items()), name)]


def _body(value: Any) -> bytes:
    if value is None:
        return b""
    return (value if isinstance(value, str) else json.dumps(value)).encode()
