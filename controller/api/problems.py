"""Which HTTP answer does each error give? Problem details after RFC 9457, and nothing else."""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from controller import errors

MEDIA_TYPE = "application/problem+json"

OF_ERROR: dict[type[errors.Error], tuple[int, str]] = {
    errors.Error: (500, "internal"),
    errors.NotFound: (404, "not-found"),
    errors.Conflict: (409, "conflict"),
    errors.GoalRefused: (422, "goal-refused"),
    errors.NotAllowed: (403, "not-allowed"),
    errors.TooLarge: (413, "too-large"),
    errors.PreflightFailed: (422, "preflight-failed"),
    errors.FleetError: (503, "fleet"),
    errors.NoWorkers: (503, "no-workers"),
    errors.FleetLost: (503, "fleet-lost"),
    errors.Fenced: (503, "fenced"),
}
"""Status and last part of the problem's type; every class of the tree stands here by itself."""

_RETRY_AFTER_S = 5
_INTERNAL = "The controller met an error it does not know; its log says more."
_log = logging.getLogger(__name__)


class Problem(Response):
    """One problem as a response; `more` are members of its own, such as errors."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body = {
            "type": f"urn:tonnage:problem:{kind}",
            "title": http.HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            **(more or {}),
        }
        super().__init__(json.dumps(body), status_code=status, headers=dict(headers or {}))


def problem_of(error: errors.Error) -> Problem:
    """The answer to an error of our own."""
    status, kind = OF_ERROR[type(error)]
    if isinstance(error, errors.GoalRefused):
        faults = [asdict(fault) for fault in error.faults]
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        return Problem(status, kind, f"The goal has {count}.", {"errors": faults})
    if status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(status, kind, _INTERNAL)
    busy = status == http.HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if busy else None
    return Problem(status, kind, str(error), headers=headers)


def install(app: FastAPI) -> None:
    """Answer every failure of `app` with a problem."""
    app.add_exception_handler(errors.Error, _own)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(Exception, _unknown)


def _own(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.Error)
    return problem_of(error)


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = http.HTTPStatus(error.status_code).phrase
    detail = {
        http.HTTPStatus.NOT_FOUND: f"{request.url.path} does not exist.",
        http.HTTPStatus.METHOD_NOT_ALLOWED: f"{request.url.path} does not take {request.method}.",
    }.get(http.HTTPStatus(error.status_code), "")
    if error.detail != phrase:
        detail = error.detail
    kind = phrase.lower().replace(" ", "-")
    return Problem(error.status_code, kind, detail or phrase, headers=error.headers)


def _of_parameters(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        {
            "field": ".".join(str(part) for part in found["loc"]),
            "value": str(found["input"])[:120],
            "fix": found["msg"],
        }
        for found in error.errors()
    ]
    return Problem(422, "parameters", "A parameter is wrong.", {"errors": faults})


def _unknown(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return Problem(500, "internal", _INTERNAL)
