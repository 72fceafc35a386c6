"""Do the published schemas say what the code does?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from controller.api.documented import goal_schema
from tests.api.fakes import Api

PUBLISHED = Path(__file__).parents[2] / "docs" / "goal.schema.json"


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = Api().app.openapi()
    return document


def operations(openapi: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(part) for part in value.values()))
    return set[str]().union(*(references(p) for p in value)) if isinstance(value, list) else set()


def test_the_published_goal_schema_is_current() -> None:
    assert json.loads(PUBLISHED.read_text()) == goal_schema(), (
        "write it anew: python -m controller schema > docs/goal.schema.json"
    )


@pytest.mark.anyio
async def test_the_api_gives_the_same_schema() -> None:
    assert (await Api().http.get("/api/v1/goal.schema.json")).json() == goal_schema()


def test_the_api_has_every_route_of_the_design(openapi: dict[str, Any]) -> None:
    assert {name for name, _ in operations(openapi)} == {
        "POST /api/v1/runs",
        "GET /api/v1/runs",
        "GET /api/v1/runs/{run}",
        "GET /api/v1/runs/{run}/events",
        "POST /api/v1/runs/{run}/abort",
        "GET /api/v1/runs/{run}/report.{extension}",
        "POST /api/v1/quote",
        "PUT /api/v1/artefacts/{sha256}",
        "GET /api/v1/fleet",
        "GET /api/v1/fleet/demand",
        "GET /api/v1/goal.schema.json",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_route_says_what_it_is_for_and_what_it_answers(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        assert operation.get("description"), name
        successes = [r for s, r in operation["responses"].items() if s.startswith("2")]
        assert successes, name
        assert all(response.get("content") for response in successes), name


def test_every_failure_is_documented_as_a_problem(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and name != "GET /readyz":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_nothing_is_referred_to_that_is_not_there(openapi: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in openapi["components"]["schemas"]}
    assert references(openapi) <= known
    assert "#/components/schemas/GoalDocument" in references(openapi)
    assert "HTTPValidationError" not in openapi["components"]["schemas"]


@pytest.mark.anyio
async def test_the_documentation_page_is_served() -> None:
    assert "openapi.json" in (await Api().http.get("/docs")).text
