"""Is data kept under its own hash only, and bounded?"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from tests.api.fakes import Api

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
