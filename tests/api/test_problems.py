"""Does every error there is become a problem that says what to do, and nothing it should not?"""

from __future__ import annotations

import pytest

from controller import errors
from controller.api.problems import MEDIA_TYPE, OF_ERROR, problem_of
from tests.api.fakes import Api, goal_document

FAULTS = (errors.Fault("search.from", "0", "write 1/s"),)


def tree(root: type[errors.Error]) -> set[type[errors.Error]]:
    found = {root}
    for child in root.__subclasses__():
        found |= tree(child)
    return found


def example(kind: type[errors.Error]) -> errors.Error:
    return errors.GoalRefused(FAULTS) if kind is errors.GoalRefused else kind("a reason")


def test_every_error_has_a_status() -> None:
    assert set(OF_ERROR) == tree(errors.Error)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", sorted(tree(errors.Error), key=str))
async def test_every_error_shows_as_a_problem(kind: type[errors.Error]) -> None:
    api = Api()
    api.runs.broken = example(kind)
    answer = await api.http.post("/api/v1/runs", json=goal_document())
    status, name = OF_ERROR[kind]
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    body = answer.json()
    assert body["type"] == f"urn:tonnage:problem:{name}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]


def test_a_refused_goal_lists_its_faults() -> None:
    body = bytes(problem_of(errors.GoalRefused(FAULTS)).body)
    assert b'"errors": [{"field": "search.from", "value": "0", "fix": "write 1/s"}]' in body


@pytest.mark.anyio
async def test_an_unknown_error_shows_nothing_of_itself() -> None:
    api = Api()
    api.runs.broken = RuntimeError("password hunter2")
    answer = await api.http.post("/api/v1/runs", json=goal_document())
    assert answer.status_code == 500
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nowhere", 404, "/nowhere does not exist."),
        ("GET", "/api/v1/nowhere", 404, "/api/v1/nowhere does not exist."),
        ("DELETE", "/api/v1/runs", 405, "/api/v1/runs does not take DELETE."),
        ("GET", "/api/v1/runs?limit=x", 422, "A parameter is wrong."),
        ("GET", "/api/v1/runs?limit=0", 422, "A parameter is wrong."),
        ("PUT", "/api/v1/artefacts/zzz", 422, "A parameter is wrong."),
    ],
)
async def test_what_the_routes_refuse_is_a_problem_too(
    method: str, path: str, status: int, said: str
) -> None:
    answer = await Api().http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["detail"] == said


@pytest.mark.anyio
async def test_a_wrong_parameter_is_named() -> None:
    answer = await Api().http.get("/api/v1/runs?limit=x")
    (fault,) = answer.json()["errors"]
    assert (fault["field"], fault["value"]) == ("query.limit", "x")
    assert "integer" in fault["fix"]


@pytest.mark.anyio
async def test_a_method_that_is_not_taken_comes_with_those_that_are() -> None:
    answer = await Api().http.delete("/api/v1/quote")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.anyio
async def test_what_is_busy_says_when_to_come_back() -> None:
    api = Api()
    api.fleet.down = True
    answer = await api.http.get("/api/v1/fleet")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
