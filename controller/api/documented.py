"""What does the OpenAPI document say beyond what the routes' types tell it?"""

from __future__ import annotations

import http
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from controller.api.problems import MEDIA_TYPE
from controller.api.schemas.answers import ProblemShown
from controller.api.schemas.goal import GoalDocument

_REF = "#/components/schemas/{model}"
_JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_ANYWHERE = (401, 421, 422, 500)  # no token, a foreign host, a parameter, an error of ours

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Problem responses for a route's `responses`, with those that any route may give."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=ProblemShown.__name__)}}}
    return {
        status: {"description": http.HTTPStatus(status).phrase, "content": content}
        for status in (*statuses, *_ANYWHERE)
    }


def goal_schema() -> dict[str, Any]:
    """JSON Schema of a goal file."""
    return {"$schema": _JSON_SCHEMA, **GoalDocument.model_json_schema()}


def openapi_of(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """`app.openapi` with the models that routes name without taking or giving them."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            components = document.setdefault("components", {})
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{}, {"token": []}]  # a token only where one is set
            schemas = components.setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for model in (GoalDocument, ProblemShown):
                schema = model.model_json_schema(ref_template=_REF)
                schemas |= schema.pop("$defs", {})
                schemas[model.__name__] = schema
            app.openapi_schema = document
        return app.openapi_schema

    return openapi
