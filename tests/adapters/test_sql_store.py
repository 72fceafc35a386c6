"""Does the database keep what it was given, through a kill and from one version to the next?"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from controller.adapters import sql_store
from controller.adapters.sql_store import SqlStore
from controller.adapters.sql_tables import METADATA
from controller.errors import Conflict, TooLarge
from controller.search.journal import PreflightStarted, RunCreated
from tests.helpers.builders import a_goal

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'data' / 'journal.db'}"


async def test_the_migrations_make_the_tables_that_queries_are_written_on(tmp_path: Path) -> None:
    store = await SqlStore.open(url_of(tmp_path))
    await store.close()
    engine = create_engine(url_of(tmp_path))
    found = inspect(engine)
    for table in METADATA.sorted_tables:
        made = {column["name"]: column for column in found.get_columns(table.name)}
        assert set(made) == {column.name for column in table.columns}
        for column in table.columns:
            assert made[column.name]["nullable"] == column.nullable, (table.name, column.name)
    engine.dispose()


async def test_a_second_start_finds_everything(tmp_path: Path) -> None:
    first = await SqlStore.open(url_of(tmp_path))
    await first.create("r1", RunCreated(1.0, a_goal(), "{}"))
    fence = await first.next_fence()
    await first.close()
    second = await SqlStore.open(url_of(tmp_path))
    assert [record.run for record in await second.runs()] == ["r1"]
    assert await second.next_fence() > fence
    await second.close()


async def test_two_controllers_on_one_file_never_get_the_same_fence(tmp_path: Path) -> None:
    stores = [await SqlStore.open(url_of(tmp_path)) for _ in range(2)]
    fences = await asyncio.gather(*(store.next_fence() for store in stores * 10))
    assert len(set(fences)) == 20
    for store in stores:
        await store.close()


WRITER = """
import asyncio, sys
from controller.adapters.sql_store import SqlStore
from controller.search.journal import PreflightStarted

async def write():
    store = await SqlStore.open(sys.argv[1])
    while True:
        print(await store.append("r1", PreflightStarted(1.0)), flush=True)

asyncio.run(write())
"""


def positions_of_a_killed_writer(url: str) -> list[int]:
    """What a process that appends as fast as it can was told before it was killed."""
    argv = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
    return [int(line) for line in told if line.endswith("\n")]


async def test_a_killed_controller_loses_no_event_it_had_appended(tmp_path: Path) -> None:
    store = await SqlStore.open(url_of(tmp_path))
    await store.create("r1", RunCreated(1.0, a_goal(), "{}"))
    told = await asyncio.to_thread(positions_of_a_killed_writer, url_of(tmp_path))
    kept = [position for position, _ in await store.read("r1")]
    assert len(told) >= 20
    assert set(told) <= set(kept)
    assert kept == list(range(1, len(kept) + 1))
    assert await store.append("r1", PreflightStarted(2.0)) == len(kept) + 1
    await store.close()


async def test_events_are_readable_json_with_a_schema(tmp_path: Path) -> None:
    store = await SqlStore.open(url_of(tmp_path))
    await store.create("r1", RunCreated(1.0, a_goal(), "{}"))
    await store.close()
    with sqlite3.connect(tmp_path / "data" / "journal.db") as connection:
        ((kind, body),) = connection.execute("select kind, body from events").fetchall()
    connection.close()
    assert kind == "RunCreated"
    assert body.startswith('{"schema":1,"kind":"RunCreated","at":1.0,"goal":{"name":"toy"')


async def test_an_artefact_comes_back_by_its_hash(tmp_path: Path) -> None:
    store = await SqlStore.open(url_of(tmp_path))
    data = bytes(range(256)) * 4
    sha256 = hashlib.sha256(data).hexdigest()
    assert await store.artefact(sha256) is None
    assert not await store.has_artefact(sha256)
    await store.put_artefact(sha256, data)
    await store.put_artefact(sha256, data)
    assert await store.artefact(sha256) == data
    assert await store.has_artefact(sha256)
    await store.close()


async def test_an_artefact_under_another_hash_is_refused(tmp_path: Path) -> None:
    store = await SqlStore.open(url_of(tmp_path))
    with pytest.raises(Conflict, match="sha256"):
        await store.put_artefact("0" * 64, b"data")
    assert await store.artefact("0" * 64) is None
    await store.close()


async def test_an_artefact_over_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_store, "ARTEFACT_BYTES", 10)
    store = await SqlStore.open(url_of(tmp_path))
    with pytest.raises(TooLarge, match="11 bytes are over the limit of 10"):
        await store.put_artefact(hashlib.sha256(b"x" * 11).hexdigest(), b"x" * 11)
    await store.close()


async def test_a_store_that_is_ready_says_so_and_closes_twice(tmp_path: Path) -> None:
    store = await SqlStore.open(url_of(tmp_path))
    await store.ready()
    await store.close()
    await store.close()
    with pytest.raises(RuntimeError, match="closed"):
        await store.ready()
