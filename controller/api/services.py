"""What does the API need of the rest of the controller? The assembly (controller.app) hands it in.

Routes reach it as a dependency; tests hand in fakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from contract.messages import Hello
from controller.api.schemas.reading import Rules
from controller.api.stream import Pace
from controller.ports import Artefacts, Clock, RunRecord
from controller.run.demand import Demand
from controller.run.live import Update
from controller.search.goal import Goal
from controller.search.view import RunView


class Heard(Protocol):
    """A worker of the fleet and how long ago it was last heard."""

    @property
    def hello(self) -> Hello: ...

    @property
    def age_s(self) -> float: ...


class Runs(Protocol):
    """Every run, and the ways to begin, end and watch one: what run.registry promises.

    Methods that name a run raise NotFound when there is none.
    """

    async def create(self, document: str, goal: Goal, key: str | None = None) -> str:
        """Queue a run; its id, or that of the run which `key` made before.

        Raises:
            Conflict: `key` was used for another goal.
        """

    async def runs(self, *, ended: bool | None = None, limit: int = 200) -> tuple[RunRecord, ...]:
        """Runs, newest first."""

    async def view(self, run: str) -> RunView:
        """The whole run as people see it."""

    def watch(self, run: str, after: int = 0) -> AsyncIterator[Update]:
        """The run now, then whenever it changed, until it ends."""

    def ahead(self, run: str) -> int | None:
        """How many runs come before this queued one; None when it is not queued."""

    async def abort(self, run: str, reason: str) -> None:
        """Have the run end; the load stops first.

        Raises:
            Conflict: it has ended already.
        """


class Store(Artefacts, Protocol):
    """Data by its hash, and whether the database is there."""

    async def ready(self) -> None:
        """Return if the database answers; raise what it raises otherwise."""


class FleetView(Protocol):
    """Who is there to send load."""

    async def fleet(self) -> tuple[Heard, ...]:
        """Workers heard of within the last seconds.

        Raises:
            FleetLost: Redis does not answer.
        """


class Asked(Protocol):
    """How many workers the runs need; run.staffing's office answers."""

    async def __call__(self, *, steady: bool = False) -> Demand:
        """`steady`: nobody is sent away while a run holds workers.

        Raises:
            FleetLost: Redis does not answer.
        """


Render = Callable[[RunView], str]
"""A report from the view of a run that has ended."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route may use. `reports` are by extension: media type and renderer."""

    runs: Runs
    store: Store
    fleet: FleetView
    demand: Asked
    clock: Clock
    rules: Rules
    pace: Pace
    reports: Mapping[str, tuple[str, Render]]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Given = Annotated[Services, Depends(_services)]
