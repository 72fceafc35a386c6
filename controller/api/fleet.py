"""Who is in the fleet, how are they, and how many should there be?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from controller.api.documented import problems
from controller.api.schemas.answers import DemandShown, FleetShown, HealthShown, WorkerShown
from controller.api.services import Given, Heard

router = APIRouter(prefix="/api/v1", tags=["fleet"])


@router.get("/fleet", responses=problems(503))
async def fleet(services: Given) -> FleetShown:
    """Workers heard of within the last seconds."""
    workers = [_shown(heard) for heard in await services.fleet.fleet()]
    return FleetShown(workers=workers, rate_per_s=sum(w.rate_per_s or 0.0 for w in workers))


@router.get("/fleet/demand", responses=problems(503))
async def demand(
    services: Given,
    steady: Annotated[
        bool,
        Query(
            description="At least those present while a run holds workers: for a scaler that "
            "cannot choose whom it ends."
        ),
    ] = False,
) -> DemandShown:
    """How many workers the runs in progress and in the queue need, for whoever starts them.

    Runs wait for workers as long as somebody asks this at least every 45 s.
    """
    wanted = await services.demand(steady=steady)
    return DemandShown(
        workers=wanted.workers,
        present=wanted.present,
        rate_per_s=wanted.rate_per_s,
        per_worker_per_s=wanted.per_worker_per_s,
        ceiling=wanted.ceiling,
        idle=list(wanted.idle),
        reason=wanted.reason,
    )


def _shown(heard: Heard) -> WorkerShown:
    hello = heard.hello
    return WorkerShown(
        worker=hello.worker,
        host=hello.host,
        pid=hello.pid,
        version=hello.version,
        state="idle" if hello.run is None else "prepared" if hello.probe is None else "probing",
        run=hello.run,
        probe=hello.probe,
        rate_per_s=hello.rate_per_s,
        targets=list(hello.targets),
        health=HealthShown.model_validate(hello.health),
        last_heard_s=heard.age_s,
    )
