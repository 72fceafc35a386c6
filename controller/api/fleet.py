"""Who is in the fleet, and how are they?"""

from __future__ import annotations

from fastapi import APIRouter

from controller.api.documented import problems
from controller.api.schemas.answers import FleetShown, HealthShown, WorkerShown
from controller.api.services import Given, Heard

router = APIRouter(prefix="/api/v1", tags=["fleet"])


@router.get("/fleet", responses=problems(503))
async def fleet(services: Given) -> FleetShown:
    """Workers heard of within the last seconds."""
    workers = [_shown(heard) for heard in await services.fleet.fleet()]
    return FleetShown(workers=workers, rate_per_s=sum(w.rate_per_s or 0.0 for w in workers))


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
