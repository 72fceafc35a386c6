"""What do the smaller routes answer: a new run, the list, the fleet, a quote, a problem?"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.api.schemas.shown import Number, Shown
from controller.search.answer import Status
from controller.search.view import State


class RunCreatedShown(Shown):
    """A run that is queued, or the one that the same idempotency key queued before."""

    id: str
    url: str
    events_url: str


class RunLine(Shown):
    """A run in the list."""

    id: str
    name: str
    state: State
    status: Status | None
    created_at: float
    ended_at: float | None


class RunList(Shown):
    """Runs, newest first; `next` is the cursor of the page behind this one, or null."""

    runs: list[RunLine]
    next: str | None


class AbortShown(Shown):
    """The abort is under way; the events say when the load has stopped."""

    id: str
    detail: str


class QuoteShown(Shown):
    """What the goal costs before it runs: at worst, and what is typical."""

    probes: int
    seconds: float
    requests: int
    typical_probes: int
    typical_seconds: float
    typical_requests: int


class ArtefactShown(Shown):
    """Data stored under its hash; give it to a goal as workload.requests."""

    sha256: str
    size_bytes: int


class HealthShown(Shown):
    """How the worker's own process is doing; CPU is a ratio of one core."""

    cpu_ratio: Number
    loop_lag_s: Number
    clock_offset_us: int
    clock_error_us: int
    users: int
    note: str | None
    gc_s: Annotated[float, Field(description="In garbage collection since the last hello.")]
    refused: Annotated[
        list[tuple[str, int]], Field(description="Connects that failed, by errno, since then.")
    ]
    ports_ratio: Annotated[float, Field(description="Of the local ports, to one address.")]
    retransmits: Annotated[int, Field(description="TCP segments sent again since then.")]
    throttled_s: Annotated[float, Field(description="Stopped by a CPU quota since then.")]
    waited_s: Annotated[float, Field(description="Waited for a core since then.")]
    rss_bytes: Annotated[int, Field(description="Memory of the process.")]


class WorkerShown(Shown):
    """A worker of the fleet; `run` names the run it is prepared for."""

    worker: str
    host: str
    pid: int
    version: str
    state: Annotated[str, Field(description="idle, prepared or probing")]
    run: str | None
    probe: int | None
    rate_per_s: Number
    targets: list[str]
    health: HealthShown
    last_heard_s: Annotated[float, Field(description="Seconds since it was last heard.")]


class FleetShown(Shown):
    """Workers heard of within the last seconds."""

    workers: list[WorkerShown]
    rate_per_s: float


class DemandShown(Shown):
    """How many workers the runs need. A scaler follows `workers`."""

    workers: Annotated[int, Field(description="Wanted, never more than `ceiling`.")]
    present: Annotated[int, Field(description="Heard of within the last seconds.")]
    rate_per_s: Annotated[float, Field(description="What the runs may ask together.")]
    per_worker_per_s: Annotated[
        float, Field(description="What a worker is counted on for: half of the median self-test.")
    ]
    ceiling: Annotated[int, Field(description="TONNAGE_FLEET_CEILING of the controller.")]
    idle: Annotated[list[str], Field(description="Workers that belong to no run.")]
    reason: str


class LiveShown(Shown):
    """The process answers."""

    status: str


class ReadyShown(Shown):
    """Whether Redis and the database answer, and how many workers are there."""

    ready: bool
    redis: bool
    database: bool
    workers: int


class FaultShown(Shown):
    """One wrong field: where, what was given, what would be right."""

    field: str
    value: str
    fix: str


class ProblemShown(Shown):
    """Problem details, RFC 9457; `errors` names every wrong field of a refused goal."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FaultShown, ...] = ()
