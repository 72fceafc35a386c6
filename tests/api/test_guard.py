"""Who is let in, from which page, with which token and how large a body?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.fakes import Api, goal_document

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8411", "localhost", "LOCALHOST:1", "[::1]:8411", "127.0.0.1"]
)
async def test_loopback_answers_to_its_own_names(host: str) -> None:
    answer = await Api().http.get("/healthz", headers={"Host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8411", "127.0.0.1.evil.example"])
async def test_a_name_rebound_to_loopback_is_turned_away(host: str) -> None:
    answer = await Api().http.get("/api/v1/runs", headers={"Host": host})
    assert answer.status_code == 421
    assert "127.0.0.1 or localhost" in answer.json()["detail"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
async def test_a_foreign_page_changes_nothing(origin: str) -> None:
    api = Api()
    answer = await api.http.post("/api/v1/runs", json=goal_document(), headers={"Origin": origin})
    assert answer.status_code == 403
    assert api.runs.live == {}


async def test_our_own_page_may_change_things() -> None:
    headers = {"Origin": "http://127.0.0.1:8411"}
    answer = await Api().http.post("/api/v1/runs", json=goal_document(), headers=headers)
    assert answer.status_code == 201


async def test_no_page_of_another_origin_may_read() -> None:
    answer = await Api().http.get("/api/v1/runs", headers={"Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_every_answer_keeps_browsers_from_guessing() -> None:
    api = Api()
    for path in ("/healthz", "/nowhere", "/api/v1/runs"):
        headers = (await api.http.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")


async def test_with_a_token_nothing_of_the_api_goes_without_it() -> None:
    api = Api(host="0.0.0.0", token=TOKEN)
    wrong = {"Authorization": "Bearer wrong"}
    right = {"Authorization": f"Bearer {TOKEN}", "Host": "tonnage.example"}
    for path in (
        "/api/v1/runs",
        "/api/v1/fleet",
        "/api/v1/fleet/demand",
        "/api/v1/goal.schema.json",
    ):
        for headers in ({}, wrong):
            answer = await api.http.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert (await api.http.get(path, headers=right)).status_code == 200
    assert (await api.http.get("/healthz")).status_code == 200


async def test_a_token_that_is_not_ascii_is_only_wrong() -> None:
    api = Api(token=TOKEN)
    headers = httpx.Headers([(b"authorization", b"Bearer \xff\xfe")])
    answer = await api.http.get("/api/v1/runs", headers=headers)
    assert answer.status_code == 401


async def test_a_goal_of_megabytes_is_too_large() -> None:
    api = Api()
    answer = await api.http.post("/api/v1/runs", json=goal_document(name="x" * 2**20))
    assert answer.status_code == 413
    assert "1048576 bytes" in answer.json()["detail"]


async def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for i in range(1000):
            sent.append(i)
            yield b" " * 64 * 1024

    answer = await Api().http.post("/api/v1/quote", content=endless())
    assert answer.status_code == 413
    assert len(sent) < 30
