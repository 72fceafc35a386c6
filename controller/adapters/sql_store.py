"""Where are runs, events, fences and artefacts kept, so that a kill -9 loses none of them?

SQLite in WAL mode by default, PostgreSQL by URL. Every append is a transaction of its own.
SQL runs on one thread of its own, so that the event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError

from controller.adapters.event_json import decode, encode
from controller.adapters.sql_tables import ARTEFACTS, EVENTS, FENCES, IDEMPOTENCY, RUNS
from controller.errors import Conflict, NotFound, TooLarge
from controller.ports import IdempotencyKey, RunRecord
from controller.search.journal import Event, RunCreated, RunEnded

ARTEFACT_BYTES = 64 * 1024 * 1024
"""Largest artefact: a million recorded requests of 60 bytes."""
BUSY_TIMEOUT_S = 10.0
"""How long SQLite waits for another process's transaction."""

_T = TypeVar("_T")
_RUN_FENCE = "run"


class SqlStore:
    """Journal, runs and artefacts in the database at `url`; `open` it, and `close` it."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._thread = ThreadPoolExecutor(1, "sql")
        self._engine: Engine | None = None

    @classmethod
    async def open(cls, url: str) -> SqlStore:
        """Connect and bring the tables up to date."""
        store = cls(url)
        loop = asyncio.get_running_loop()
        try:
            store._engine = await loop.run_in_executor(store._thread, _connected, store._url)
        except BaseException:
            store._thread.shutdown(wait=False)
            raise
        return store

    async def close(self) -> None:
        """Finish what is being written and disconnect. Idempotent."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, engine.dispose)
            self._thread.shutdown(wait=True)

    async def ready(self) -> None:
        """Return if the database answers; raise what it raises otherwise."""
        await self._do(lambda c: c.execute(select(1)).scalar_one())

    async def append(self, run: str, event: Event) -> int:
        """Position of the event, growing by run.

        Committed when this returns: no process that is killed takes it along. SQLite has handed
        it to the operating system; only a power cut may lose the latest of them.
        """
        return await self._do(lambda connection: _append(connection, run, event))

    async def read(self, run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        """Events behind position `after`, oldest first."""
        query = (
            select(EVENTS.c.position, EVENTS.c.body)
            .where(EVENTS.c.run == run, EVENTS.c.position > after)
            .order_by(EVENTS.c.position)
        )
        rows = await self._do(lambda c: [(row.position, row.body) for row in c.execute(query)])
        return tuple((position, decode(body)) for position, body in rows)

    async def create(self, run: str, event: RunCreated, key: IdempotencyKey | None = None) -> str:
        """Record a run and its first event; give its id, or the one `key` made before.

        Raises:
            Conflict: `key` was used for another request.
        """
        try:
            return await self._do(lambda connection: _create(connection, run, event, key))
        except IntegrityError:  # another controller took the key between our look and our insert
            return await self._do(lambda connection: _create(connection, run, event, key))

    async def runs(self, *, ended: bool | None = None, limit: int = 200) -> tuple[RunRecord, ...]:
        """The newest runs first; only those that (have not) ended where `ended` is given."""
        query = select(RUNS).order_by(RUNS.c.created_at.desc(), RUNS.c.run.desc()).limit(limit)
        if ended is not None:
            at = RUNS.c.ended_at
            query = query.where(at.is_not(None) if ended else at.is_(None))
        return await self._do(
            lambda c: tuple(RunRecord(**row) for row in c.execute(query).mappings())
        )

    async def run(self, run: str) -> RunRecord:
        """One run.

        Raises:
            NotFound: there is none of that id.
        """
        query = select(RUNS).where(RUNS.c.run == run)
        row = await self._do(lambda c: c.execute(query).mappings().one_or_none())
        if row is None:
            raise NotFound(f"there is no run {run!r}")
        return RunRecord(**row)

    async def keep_alive(self, runs: tuple[str, ...], at: float) -> None:
        """Vouch for `runs` at wall time `at`."""
        if runs:
            change = update(RUNS).where(RUNS.c.run.in_(runs)).values(alive_at=at)
            await self._do(lambda connection: connection.execute(change).close())

    async def next_fence(self) -> int:
        """A number higher than any given before, also by other controllers."""
        return await self._do(_next_fence)

    async def put_artefact(self, sha256: str, data: bytes) -> None:
        """Keep `data`; the same bytes again change nothing.

        Raises:
            TooLarge: over ARTEFACT_BYTES.
            Conflict: the bytes have another hash.
        """
        if len(data) > ARTEFACT_BYTES:
            raise TooLarge(f"{len(data)} bytes are over the limit of {ARTEFACT_BYTES} bytes")
        found = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        if found != sha256:
            raise Conflict(f"the bytes have the sha256 {found}, not {sha256}: send them again")
        await self._do(lambda connection: _put_artefact(connection, sha256, data))

    async def artefact(self, sha256: str) -> bytes | None:
        """The bytes, or None."""
        query = select(ARTEFACTS.c.data).where(ARTEFACTS.c.sha256 == sha256)
        data = await self._do(lambda c: c.execute(query).scalar_one_or_none())
        return None if data is None else bytes(data)

    async def has_artefact(self, sha256: str) -> bool:
        """Whether its bytes are kept."""
        query = select(ARTEFACTS.c.sha256).where(ARTEFACTS.c.sha256 == sha256)
        return await self._do(lambda c: c.execute(query).scalar_one_or_none()) is not None

    async def _do(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` in one transaction on the SQL thread.

        A caller that is cancelled leaves the transaction to finish: what was written stands.
        """
        engine = self._engine
        if engine is None:
            raise RuntimeError("the store is closed")

        def transact() -> _T:
            with engine.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, transact)


def _connected(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    else:
        engine = create_engine(url, pool_pre_ping=True, pool_size=1, max_overflow=1)
    config = Config()
    config.set_main_option("script_location", "controller.adapters:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """WAL: readers never wait, and a killed process leaves whole transactions only."""
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a transaction that reads first cannot be refused later."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _append(connection: Connection, run: str, event: Event) -> int:
    last = select(func.coalesce(func.max(EVENTS.c.position), 0)).where(EVENTS.c.run == run)
    position: int = connection.execute(last).scalar_one() + 1
    connection.execute(
        insert(EVENTS).values(
            run=run, position=position, at=event.at, kind=type(event).__name__, body=encode(event)
        )
    )
    if isinstance(event, RunEnded):
        ended = {"ended_at": event.at, "status": event.capacity.status}
        connection.execute(update(RUNS).where(RUNS.c.run == run).values(**ended))
    return position


def _create(connection: Connection, run: str, event: RunCreated, key: IdempotencyKey | None) -> str:
    if key is not None:
        query = select(IDEMPOTENCY).where(IDEMPOTENCY.c.key == key.key)
        known = connection.execute(query).one_or_none()
        if known is not None:
            if known.digest != key.digest:
                raise Conflict(
                    f"the idempotency key {key.key!r} was used for another goal: use a new one"
                )
            return str(known.run)
    row = {"run": run, "name": event.goal.name, "created_at": event.at, "alive_at": event.at}
    connection.execute(insert(RUNS).values(**row))
    if key is not None:
        connection.execute(insert(IDEMPOTENCY).values(key=key.key, digest=key.digest, run=run))
    _append(connection, run, event)
    return run


def _next_fence(connection: Connection) -> int:
    named = FENCES.c.name == _RUN_FENCE
    raised = connection.execute(
        update(FENCES).where(named).values(value=FENCES.c.value + 1)
    ).rowcount
    if not raised:
        connection.execute(insert(FENCES).values(name=_RUN_FENCE, value=1))
    return int(connection.execute(select(FENCES.c.value).where(named)).scalar_one())


def _put_artefact(connection: Connection, sha256: str, data: bytes) -> None:
    query = select(ARTEFACTS.c.sha256).where(ARTEFACTS.c.sha256 == sha256)
    if connection.execute(query).one_or_none() is None:
        row = {"sha256": sha256, "size_bytes": len(data), "data": data}
        connection.execute(insert(ARTEFACTS).values(**row))
