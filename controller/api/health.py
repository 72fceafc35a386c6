"""Is the controller alive, can it run a goal, and what do its counters say?"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import get_args

from fastapi import APIRouter, Response

from controller.api.schemas.answers import LiveShown, ReadyShown
from controller.api.services import Given, Heard, Services
from controller.errors import FleetError
from controller.ports import RunRecord
from controller.search.answer import Status
from controller.search.probe import Verdict
from controller.search.view import RunView

router = APIRouter(tags=["health"])

_ANSWER_S = 2.0
_MOST_COUNTED = 10_000
_TEXT = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' exposition format


@router.get("/healthz")
async def healthz() -> LiveShown:
    """The process answers."""
    return LiveShown(status="ok")


@router.get("/readyz", responses={503: {"model": ReadyShown}})
async def readyz(services: Given, response: Response) -> ReadyShown:
    """Redis and the database answer; 503 when one does not."""
    workers, database = await asyncio.gather(_workers(services), _database(services))
    ready = workers is not None and database
    response.status_code = 200 if ready else 503
    return ReadyShown(
        ready=ready, redis=workers is not None, database=database, workers=len(workers or ())
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(services: Given) -> Response:
    """Counters for Prometheus."""
    workers = await _workers(services)
    records = await services.runs.runs(limit=_MOST_COUNTED)
    active = [await services.runs.view(r.run) for r in records if r.ended_at is None]
    return Response(
        "\n".join([*_run_lines(records), *_active_lines(active), *_fleet_lines(workers)]) + "\n",
        media_type=_TEXT,
    )


async def _workers(services: Services) -> tuple[Heard, ...] | None:
    """The fleet, or None when Redis does not answer."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await services.fleet.fleet()
    except (FleetError, TimeoutError):
        return None


async def _database(services: Services) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_S):
            await services.store.ready()
    except Exception:  # noqa: BLE001 - whatever the driver raises means that it is not ready
        return False
    return True


def _run_lines(records: tuple[RunRecord, ...]) -> list[str]:
    ended = Counter(record.status for record in records if record.status)
    lines = [
        "# HELP tonnage_runs Runs by status; active ones have not ended.",
        "# TYPE tonnage_runs gauge",
        f'tonnage_runs{{status="active"}} {sum(record.status is None for record in records)}',
    ]
    lines += [f'tonnage_runs{{status="{status}"}} {ended[status]}' for status in get_args(Status)]
    return lines


def _active_lines(views: list[RunView]) -> list[str]:
    verdicts = Counter(decided.outcome.verdict for view in views for decided in view.probes)
    lines = [
        "# HELP tonnage_queue Runs that wait for their turn.",
        "# TYPE tonnage_queue gauge",
        f"tonnage_queue {sum(view.state == 'queued' for view in views)}",
        "# HELP tonnage_probes Decided probes of the runs that have not ended.",
        "# TYPE tonnage_probes gauge",
    ]
    lines += [f'tonnage_probes{{verdict="{v}"}} {verdicts[v]}' for v in Verdict]
    return lines


def _fleet_lines(workers: tuple[Heard, ...] | None) -> list[str]:
    heard = workers or ()
    probing = sum(w.hello.probe is not None for w in heard)
    return [
        "# HELP tonnage_redis_up Whether Redis answers.",
        "# TYPE tonnage_redis_up gauge",
        f"tonnage_redis_up {int(workers is not None)}",
        "# HELP tonnage_workers Workers heard of within the last seconds.",
        "# TYPE tonnage_workers gauge",
        f'tonnage_workers{{state="probing"}} {probing}',
        f'tonnage_workers{{state="waiting"}} {len(heard) - probing}',
        "# HELP tonnage_fleet_rate What the workers believe they can send, in arrivals/s.",
        "# TYPE tonnage_fleet_rate gauge",
        f"tonnage_fleet_rate {sum(w.hello.rate_per_s for w in heard):g}",
    ]
