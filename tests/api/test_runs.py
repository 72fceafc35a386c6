"""Can a run be begun once, seen whole, listed page by page and ended?"""

from __future__ import annotations

import json

import pytest

from controller.search.probe import Verdict
from tests.api.fakes import (
    ANSWERED,
    Api,
    beginning,
    decided,
    ending,
    goal_document,
    measured,
)

pytestmark = pytest.mark.anyio


async def test_a_run_is_created_and_says_where_it_is() -> None:
    api = Api()
    answer = await api.http.post("/api/v1/runs", json=goal_document())
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["Location"] == body["url"] == f"/api/v1/runs/{body['id']}"
    view = (await api.http.get(body["url"])).json()
    assert (view["name"], view["state"], view["ended"]) == ("ranker-v12", "queued", False)
    assert view["goal"] == goal_document()
    assert view["objectives"] == ["p99 response_time <= 150ms", "error_ratio <= 0.1%"]


async def test_the_same_key_and_goal_give_the_same_run() -> None:
    api, headers = Api(), {"Idempotency-Key": "k1"}
    document = goal_document()
    turned = dict(reversed(document.items()))
    first = await api.http.post("/api/v1/runs", json=document, headers=headers)
    again = await api.http.post("/api/v1/runs", json=turned, headers=headers)
    assert first.json() == again.json()
    assert len((await api.http.get("/api/v1/runs")).json()["runs"]) == 1


async def test_the_same_key_for_another_goal_is_a_conflict() -> None:
    api, headers = Api(), {"Idempotency-Key": "k1"}
    await api.http.post("/api/v1/runs", json=goal_document(), headers=headers)
    other = await api.http.post("/api/v1/runs", json=goal_document(name="b"), headers=headers)
    assert other.status_code == 409
    assert "another goal" in other.json()["detail"]


async def test_a_refused_goal_creates_nothing() -> None:
    api = Api()
    answer = await api.http.post("/api/v1/runs", json=goal_document(replicas=0))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "replicas", "value": "0", "fix": "is too small: write at least 1"}
    ]
    assert (await api.http.get("/api/v1/runs")).json() == {"runs": [], "next": None}


@pytest.mark.parametrize(
    "body", ["", "{", "name: yaml", "[" * 100_000, '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}']
)
async def test_a_body_that_is_not_json_is_told_so(body: str) -> None:
    answer = await Api().http.post("/api/v1/runs", content=body)
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["detail"]


async def test_options_nested_beyond_reason_are_refused() -> None:
    deep = "[" * 400 + "]" * 400
    body = json.dumps(goal_document(workload={"user": "/u.py", "options": {"a": "DEEP"}}))
    answer = await Api().http.post("/api/v1/runs", content=body.replace('"DEEP"', deep))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("workload.options.a")


async def test_the_list_goes_page_by_page_from_the_newest() -> None:
    api = Api()
    runs = [await api.create(name=f"goal {i}") for i in range(5)]
    seen: list[str] = []
    query: dict[str, str] | None = {}
    while query is not None:
        page = (await api.http.get("/api/v1/runs", params={"limit": "2"} | query)).json()
        assert len(page["runs"]) <= 2
        seen += [line["id"] for line in page["runs"]]
        query = {"cursor": page["next"]} if page["next"] else None
    assert seen == runs[::-1]


async def test_a_cursor_that_is_no_run_is_not_found() -> None:
    answer = await Api().http.get("/api/v1/runs?cursor=zzz")
    assert answer.status_code == 404
    assert "start again without a cursor" in answer.json()["detail"]


async def test_a_run_in_progress_shows_its_probe_and_its_curve() -> None:
    api = Api()
    run = await api.create()
    await api.runs.append(run, *beginning(), measured(5.0), measured(6.0))
    view = (await api.http.get(f"/api/v1/runs/{run}")).json()
    assert view["state"] == "running"
    assert view["workers"] == ["w1", "w2"]
    assert view["current"]["rate"] == 100.0
    assert view["current"]["duration_s"] == 10.0
    assert view["current"]["since"] == 4.0
    assert [point["at"] for point in view["curve"]] == [5.0, 6.0]
    assert view["curve"][0]["p90_ms"] == 50.0
    assert view["curve"][0]["p99_ms"] is None
    assert view["notes"] == [{"at": 3.0, "text": "two workers share a core"}]
    assert view["capacity"] is None
    await api.runs.append(run, decided(1, 100.0, Verdict.PASS))
    view = (await api.http.get(f"/api/v1/runs/{run}")).json()
    assert (view["low"], view["estimate"], view["high"]) == (230.0, 240.0, 251.0)
    assert view["cost"] == {"seconds": 12.0, "requests": 800, "bad_requests": 3}


async def test_an_ended_run_shows_its_answer_and_exit_status() -> None:
    api = Api()
    run = await api.create()
    await api.runs.append(run, *beginning(), *ending(ANSWERED))
    view = (await api.http.get(f"/api/v1/runs/{run}")).json()
    assert (view["ended"], view["status"], view["exit_status"]) == (True, "answered", 0)
    assert view["capacity"]["safe"] == 232.0
    assert view["binding_objective"] == "p99 response_time <= 150ms"
    assert [probe["verdict"] for probe in view["probes"]] == ["pass", "fail", "void"]
    assert view["probes"][0]["metrics"]["service_time"]["p99_ms"] is None
    assert view["void_probes"] == 1
    (line,) = (await api.http.get("/api/v1/runs")).json()["runs"]
    assert (line["state"], line["status"]) == ("ended", "answered")


async def test_abort_is_accepted_once() -> None:
    api = Api()
    run = await api.create()
    first = await api.http.post(f"/api/v1/runs/{run}/abort")
    assert first.status_code == 202
    assert "load is being stopped" in first.json()["detail"]
    again = await api.http.post(f"/api/v1/runs/{run}/abort")
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "/abort"), ("GET", "/events"), ("GET", "/report.json")],
)
async def test_a_run_that_does_not_exist_is_not_found(method: str, path: str) -> None:
    answer = await Api().http.request(method, f"/api/v1/runs/nobody{path}")
    assert answer.status_code == 404
    assert "nobody" in answer.json()["detail"]


async def test_a_quote_prices_a_goal_and_runs_nothing() -> None:
    api = Api()
    answer = await api.http.post("/api/v1/quote", json=goal_document())
    assert answer.status_code == 200
    assert answer.json()["seconds"] == 600.0
    assert answer.json()["requests"] == 600 * 2000
    assert api.runs.live == {}
