"""Is data kept under its own hash only, and bounded?"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.bundle import packed
from tests.api.fakes import Api, goal_document

pytestmark = pytest.mark.anyio

DATA = b'{"path": "/a"}\n'
SHA256 = hashlib.sha256(DATA).hexdigest()


async def test_data_is_kept_under_its_hash_however_often_it_comes() -> None:
    api = Api()
    for _ in range(2):
        answer = await api.http.put(f"/api/v1/artefacts/{SHA256}", content=DATA)
        assert answer.status_code == 200
        assert answer.json() == {"sha256": SHA256, "size_bytes": len(DATA)}
    assert api.store.kept == {SHA256: DATA}


async def test_data_under_another_hash_is_a_conflict() -> None:
    api = Api()
    answer = await api.http.put(f"/api/v1/artefacts/{SHA256}", content=DATA + b" ")
    assert answer.status_code == 409
    assert SHA256 in answer.json()["detail"]
    assert api.store.kept == {}


@pytest.mark.parametrize("name", ["zzz", SHA256.upper(), SHA256[:-1], "..%2f..%2fetc"])
async def test_only_a_hash_names_an_artefact(name: str) -> None:
    api = Api()
    answer = await api.http.put(f"/api/v1/artefacts/{name}", content=DATA)
    assert answer.status_code in (404, 422)
    assert api.store.kept == {}


async def test_an_upload_over_the_limit_is_cut_off() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    api = Api(artefact_max_bytes=5000)
    for content in (b"x" * 5001, chunks()):
        answer = await api.http.put(f"/api/v1/artefacts/{SHA256}", content=content)
        assert answer.status_code == 413
        assert "5000 bytes" in answer.json()["detail"]
    assert api.store.kept == {}


LOCUSTFILE = b"from locust import User, task\n"
BUNDLE = packed({"load/locustfile.py": LOCUSTFILE, "load/helper.py": b"X = 1\n"})
BUNDLE_SHA256 = hashlib.sha256(BUNDLE).hexdigest()


def with_bundle(user: str) -> dict[str, Any]:
    return goal_document(workload={"user": user, "bundle": BUNDLE_SHA256})


async def test_code_is_refused_until_the_operator_turns_it_on() -> None:
    api = Api()
    put = await api.http.put(f"/api/v1/artefacts/{BUNDLE_SHA256}", content=BUNDLE)
    assert put.status_code == 403
    assert "TONNAGE_BUNDLES=on" in put.json()["detail"]
    assert api.store.kept == {}
    made = await api.http.post("/api/v1/runs", json=with_bundle("load/locustfile.py"))
    assert made.status_code == 422
    (fault,) = made.json()["errors"]
    assert fault["field"] == "workload.bundle"
    assert "TONNAGE_BUNDLES=on" in fault["fix"]


async def test_where_code_is_on_a_goal_may_name_a_bundle_that_has_its_user() -> None:
    api = Api(bundles=True, fleet_key="a fleet key that is long enough, forty")
    absent = await api.http.post("/api/v1/runs", json=with_bundle("load/locustfile.py"))
    assert "upload it" in absent.json()["errors"][0]["fix"]
    put = await api.http.put(f"/api/v1/artefacts/{BUNDLE_SHA256}", content=BUNDLE)
    assert put.status_code == 200
    other = await api.http.post("/api/v1/runs", json=with_bundle("locustfile.py"))
    assert "load/helper.py, load/locustfile.py" in other.json()["errors"][0]["fix"]
    made = await api.http.post("/api/v1/runs", json=with_bundle("load/locustfile.py"))
    assert made.status_code in (200, 201)


async def test_a_bundle_that_is_no_zip_is_refused_with_the_goal() -> None:
    api = Api(bundles=True, fleet_key="a fleet key that is long enough, forty")
    api.store.kept[BUNDLE_SHA256] = b"PK\x03\x04 and no more"
    made = await api.http.post("/api/v1/runs", json=with_bundle("load/locustfile.py"))
    assert "not a whole zip" in made.json()["errors"][0]["fix"]
