"""How is a run begun, watched and ended over HTTP?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from controller.api.body import GOAL_BODY, GoalInBody
from controller.api.documented import problems
from controller.api.schemas.answers import AbortShown, RunCreatedShown, RunLine, RunList
from controller.api.schemas.view import RunShown
from controller.api.services import Given, Services
from controller.api.stream import Seen, event_stream
from controller.errors import NotFound
from controller.ports import RunRecord

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

_PAGE = 50
_MOST_LISTED = 1000
_LONGEST_KEY = 200


@router.post(
    "",
    status_code=201,
    responses=problems(400, 403, 409, 413),
    openapi_extra=GOAL_BODY,
)
async def create(
    given: GoalInBody,
    services: Given,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=_LONGEST_KEY)] = None,
) -> RunCreatedShown:
    """Queue a run. The same Idempotency-Key and goal again give the same run."""
    run = await services.runs.create(given.document, given.goal, idempotency_key)
    url = f"/api/v1/runs/{run}"
    response.headers["Location"] = url
    return RunCreatedShown(id=run, url=url, events_url=f"{url}/events")


@router.get("", responses=problems(404))
async def list_runs(
    services: Given,
    limit: Annotated[int, Query(ge=1, le=200)] = _PAGE,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> RunList:
    """The newest runs first."""
    records = await services.runs.runs(limit=_MOST_LISTED)
    if cursor is not None:
        position = next((i for i, record in enumerate(records) if record.run == cursor), None)
        if position is None:
            raise NotFound(f"no page ends with the run {cursor!r}: start again without a cursor")
        records = records[position + 1 :]
    lines = [await _line(services, record) for record in records[:limit]]
    return RunList(runs=lines, next=lines[-1].id if len(records) > limit else None)


@router.get("/{run}", responses=problems(404))
async def get(run: str, services: Given) -> RunShown:
    """The whole view of a run, as its events show it."""
    return RunShown.of(await services.runs.view(run), services.runs.ahead(run))


@router.post("/{run}/abort", status_code=202, responses=problems(403, 404, 409))
async def abort(run: str, services: Given) -> AbortShown:
    """Stop the load and end the run; its events say when the fleet has confirmed it."""
    await services.runs.abort(run, "aborted through the API")
    return AbortShown(id=run, detail="The load is being stopped; the run then ends as aborted.")


@router.get(
    "/{run}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "description": "Events `view` and `end`, each with a RunShown as data.",
        },
        **problems(400, 404),
    },
)
async def events(
    run: str,
    services: Given,
    last_event_id: Annotated[
        str | None, Header(description="Journal position of the last event seen.")
    ] = None,
) -> StreamingResponse:
    """The view whenever it changes, at most once a second, until the run has ended."""
    after = _position(last_event_id)
    await services.runs.view(run)
    frames = event_stream(
        _seen(services, run, after or 0),
        after,
        pace=services.pace,
        clock=services.clock,
        stopping=services.stopping,
    )
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames, media_type="text/event-stream", headers=headers)


@router.get(
    "/{run}/report.{extension}",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/html": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
                "text/csv": {"schema": {"type": "string"}},
                "application/xml": {"schema": {"type": "string"}},
            },
            "description": "The answer of a run that has ended.",
        },
        **problems(404, 409),
    },
    tags=["reports"],
)
async def report(
    run: str, extension: Literal["html", "json", "csv", "junit"], services: Given
) -> Response:
    """The answer as a page, result.json, a table of probes or JUnit XML."""
    media_type, render = services.reports[extension]
    return Response(render(await services.runs.view(run)), media_type=media_type)


async def _seen(services: Services, run: str, after: int) -> AsyncIterator[Seen]:
    async for update in services.runs.watch(run, after):
        text = RunShown.of(update.view, services.runs.ahead(run)).model_dump_json()
        yield Seen(update.position, text, ended=update.view.capacity is not None)


async def _line(services: Services, record: RunRecord) -> RunLine:
    state = "ended" if record.status else (await services.runs.view(record.run)).state
    return RunLine(
        id=record.run,
        name=record.name,
        state=state,
        status=record.status,
        created_at=record.created_at,
        ended_at=record.ended_at,
    )


def _position(last_event_id: str | None) -> int | None:
    if last_event_id is None or last_event_id == "":
        return None
    if not (last_event_id.isascii() and last_event_id.isdecimal()):
        raise HTTPException(400, "Last-Event-ID is not the id of an event: send it as it came.")
    return int(last_event_id)
