"""How does the controller run as a process, and how does it go without leaving load behind?

    SIGTERM, SIGINT ──► the registry stops the load and lets its runs go
                    └─► event streams end, connections are waited for, the process exits

Both begin at once: an open connection must not keep the load running, and uvicorn would wait for
event streams for ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from contract.signing import key_of
from controller.adapters.control_link import ControlLink
from controller.adapters.http_advisor import HttpAdvisor
from controller.adapters.leases import RedisRoster
from controller.adapters.prometheus import PrometheusSignalsOf
from controller.adapters.redis_fleet import RedisFleetOf
from controller.adapters.sql_store import SqlStore
from controller.adapters.system_clock import SystemClock
from controller.app import create_app, own_version
from controller.run.demand import Limits
from controller.run.queue import Turns
from controller.run.registry import Registry
from controller.run.staffing import StaffingOffice
from controller.settings import Settings, SettingsInvalid

CONNECTIONS_END_WITHIN_S = 5
"""Backstop for connections that stay after the event streams have ended."""

_log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn that tells `on_exit` of the signal at once, and `on_started` when it listens.

    Unlike its parent it does not raise the signal again afterwards: the exit is ours to finish.
    """

    def __init__(
        self, config: uvicorn.Config, on_started: Callable[[], None], on_exit: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_exit = on_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Called between two instructions of the main thread, hence no more than flags here."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        self._on_exit()


async def serve(settings: Settings) -> None:
    """Serve until told to stop; returns when no load is left and nothing listens any more.

    Raises:
        SettingsInvalid: the address cannot be bound.
    """
    listening, clock = _bound(settings), SystemClock()
    async with database(settings) as store, _link(settings) as link:
        roster = RedisRoster(link)
        limits = Limits(settings.fleet_ceiling, settings.runs_at_once)
        office = StaffingOffice(roster, clock, limits, within_s=settings.fleet_within)
        registry = Registry(
            store=store,
            fleet_of=RedisFleetOf(link, store, clock, office),
            clock=clock,
            turns=Turns(roster, settings.runs_at_once, office.wish),
            signals_of=PrometheusSignalsOf(clock, settings.allow_target),
            versions=(("tonnage", own_version()), ("python", platform.python_version())),
            advisor=HttpAdvisor(settings.allow_target),
        )
        office.wishes = registry.wishes
        app = create_app(settings, registry, store, link, office.demand, clock)
        stopping: asyncio.Event = app.state.services.stopping
        loop = asyncio.get_running_loop()
        server = Server(
            _config(app),
            on_started=lambda: _announce(listening, settings.port_file),
            on_exit=lambda: _from_signal(loop, stopping),
        )
        await registry.start()
        leaving = asyncio.create_task(_leave(stopping, registry), name="leaving")
        try:
            await server.serve([listening])
        finally:
            stopping.set()
            await leaving


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=CONNECTIONS_END_WITHIN_S,
    )


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[SqlStore]:
    """The database, opened and brought up to date.

    Raises:
        SettingsInvalid: it cannot be opened; its URL, which may hold a password, is not told.
    """
    try:
        store = await SqlStore.open(settings.database_url.get_secret_value())
    except Exception as error:
        _log.debug("the database cannot be opened", exc_info=error)
        raise SettingsInvalid(
            f"database_url: the database cannot be opened ({type(error).__name__}): check "
            "TONNAGE_DATABASE_URL, such as sqlite:////var/lib/tonnage/journal.sqlite"
        ) from error
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _link(settings: Settings) -> AsyncIterator[ControlLink]:
    key = settings.fleet_key
    try:
        link = ControlLink(
            settings.redis_url.get_secret_value(), key_of(key.get_secret_value()) if key else None
        )
    except ValueError as error:
        raise SettingsInvalid(
            "redis_url: it cannot be read: write redis://HOST:PORT/0, with :PASSWORD@ before "
            "the host where there is one"
        ) from error
    try:
        yield link
    finally:
        await link.close()


async def _leave(stopping: asyncio.Event, registry: Registry) -> None:
    await stopping.wait()
    _log.info("stopping: the load first")
    await registry.shutdown()


def _from_signal(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    loop.call_soon_threadsafe(stopping.set)


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SettingsInvalid(
            f"{settings.host}:{settings.port} cannot be bound: {error.strerror}: choose another "
            "--port, or 0 for any free one"
        ) from error
    return listening


def _announce(listening: socket.socket, port_file: Path | None) -> None:
    host, port = listening.getsockname()[:2]
    _log.info("serving http://%s:%d", f"[{host}]" if ":" in host else host, port)
    if port_file is not None:
        half = port_file.with_name(f".{port_file.name}.{os.getpid()}")
        half.write_text(f"{port}\n", encoding="ascii")
        half.replace(port_file)  # whoever waits for the file finds it whole
