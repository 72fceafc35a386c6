"""What may the conductor and the registry rely on, whichever store they have?"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from contract.units import Seconds
from controller.adapters.sql_store import SqlStore
from controller.errors import Conflict, NotFound
from controller.ports import IdempotencyKey, RunStore
from controller.search.answer import Capacity
from controller.search.journal import (
    Event,
    LoadStopped,
    PreflightStarted,
    ProbeDecided,
    RunCreated,
    RunEnded,
)
from tests.helpers.builders import a_goal, an_outcome
from tests.helpers.fakes import MemoryStore

pytestmark = pytest.mark.anyio

POSTGRESQL_URL = os.environ.get("TONNAGE_TEST_POSTGRESQL_URL", "")
"""A database of no other use: every test empties it. Without one, SQLite stands for SQL."""


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[RunStore]:
    if kind == "memory":
        yield MemoryStore()
        return
    url = f"sqlite:///{folder / 'journal.db'}" if kind == "sqlite" else emptied_postgresql()
    store = await SqlStore.open(url)
    try:
        yield store
    finally:
        await store.close()


def emptied_postgresql() -> str:
    engine = create_engine(POSTGRESQL_URL)
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
    engine.dispose()
    return POSTGRESQL_URL


@pytest.fixture(params=["memory", "sqlite", *(["postgresql"] if POSTGRESQL_URL else [])])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[RunStore]:
    async with opened(request.param, tmp_path) as made:
        yield made


def created(at: float = 1.0, name: str = "toy") -> RunCreated:
    return RunCreated(at, a_goal(name=name), '{"name": "toy"}', (("tonnage", "1"),))


async def test_events_come_back_as_they_were_in_their_order(store: RunStore) -> None:
    events: list[Event] = [
        created(),
        PreflightStarted(2.0),
        ProbeDecided(3.0, an_outcome(), None, None, None),
        LoadStopped(4.0, True, Seconds(0.2), "the run ended"),
        RunEnded(5.0, Capacity("no_verdict", "the budget was spent")),
    ]
    await store.create("r1", created())
    positions = [await store.append("r1", event) for event in events[1:]]
    assert await store.read("r1") == tuple(enumerate(events, start=1))
    assert positions == [2, 3, 4, 5]


async def test_reading_after_a_position_gives_what_is_behind_it(store: RunStore) -> None:
    await store.create("r1", created())
    second = await store.append("r1", PreflightStarted(2.0))
    third = await store.append("r1", PreflightStarted(3.0))
    assert await store.read("r1", after=second) == ((third, PreflightStarted(3.0)),)
    assert await store.read("r1", after=third) == ()


async def test_runs_keep_their_events_apart(store: RunStore) -> None:
    await store.create("r1", created())
    await store.create("r2", created(2.0))
    await store.append("r2", PreflightStarted(3.0))
    assert len(await store.read("r1")) == 1
    assert len(await store.read("r2")) == 2
    assert await store.read("r3") == ()


async def test_the_list_of_runs_is_newest_first_and_knows_the_end(store: RunStore) -> None:
    await store.create("r1", created(1.0, "old"))
    await store.create("r2", created(2.0, "new"))
    await store.append("r1", RunEnded(9.0, Capacity("answered", "it is so")))
    assert [record.run for record in await store.runs()] == ["r2", "r1"]
    assert [record.run for record in await store.runs(ended=False)] == ["r2"]
    (old,) = await store.runs(ended=True)
    assert (old.name, old.ended_at, old.status) == ("old", 9.0, "answered")
    assert await store.run("r1") == old
    assert [record.run for record in await store.runs(limit=1)] == ["r2"]


async def test_a_run_nobody_created_is_not_found(store: RunStore) -> None:
    with pytest.raises(NotFound, match="nope"):
        await store.run("nope")


async def test_the_same_key_and_request_give_the_same_run(store: RunStore) -> None:
    key = IdempotencyKey("k", "digest")
    assert await store.create("r1", created(), key) == "r1"
    assert await store.create("r2", created(), key) == "r1"
    assert [record.run for record in await store.runs()] == ["r1"]
    with pytest.raises(Conflict, match="another goal"):
        await store.create("r3", created(), IdempotencyKey("k", "other"))


async def test_vouching_renews_only_the_runs_named(store: RunStore) -> None:
    await store.create("r1", created(1.0))
    await store.create("r2", created(1.0))
    await store.keep_alive(("r1",), 7.0)
    await store.keep_alive((), 8.0)
    assert [(await store.run(name)).alive_at for name in ("r1", "r2")] == [7.0, 1.0]


async def test_fences_only_grow(store: RunStore) -> None:
    fences = [await store.next_fence() for _ in range(5)]
    assert fences == sorted(set(fences))
    assert fences[0] >= 1
