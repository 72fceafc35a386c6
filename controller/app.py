"""How do the controller's parts make one application?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from controller import __doc__ as about
from controller.api import artefacts, fleet, health, problems, quotes, runs
from controller.api.documented import openapi_of
from controller.api.goals import rules
from controller.api.guard import Admission, Guard
from controller.api.services import Asked, FleetView, Render, Runs, Services, Store
from controller.api.stream import Pace
from controller.ports import Clock
from controller.report.junit import junit_of
from controller.report.page import html_of
from controller.report.result import result_of
from controller.report.table import csv_of
from controller.search.view import RunView
from controller.settings import Settings


def own_version() -> str:
    """Of the installed distribution."""
    try:
        return version("tonnage")
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"


def _json_of(view: RunView) -> str:
    return json.dumps(result_of(view), indent=2, ensure_ascii=False) + "\n"


REPORTS: Mapping[str, tuple[str, Render]] = {
    "json": ("application/json", _json_of),
    "html": ("text/html; charset=utf-8", lambda view: html_of(result_of(view))),
    "csv": ("text/csv; charset=utf-8", lambda view: csv_of(result_of(view))),
    "junit": ("application/xml", lambda view: junit_of(result_of(view))),
}


def create_app(  # noqa: PLR0917 - its collaborators, in the order of Services
    settings: Settings,
    registry: Runs,
    store: Store,
    fleet_view: FleetView,
    demand: Asked,
    clock: Clock,
) -> FastAPI:
    """The API over its collaborators; `app.state.services.stopping` ends its event streams."""
    app = FastAPI(title="Tonnage", version=own_version(), description=about or "")
    app.state.services = Services(
        runs=registry,
        store=store,
        fleet=fleet_view,
        demand=demand,
        clock=clock,
        rules=rules(settings.allow_target, bundles=settings.bundles),
        pace=Pace(settings.view_interval_s, settings.ping_interval_s),
        reports=REPORTS,
    )
    for module in (runs, quotes, artefacts, fleet, health):
        app.include_router(module.router)
    problems.install(app)
    app.openapi = openapi_of(app)  # type: ignore[method-assign]
    token = settings.token
    admission = Admission(
        local_only=settings.is_loopback,
        token=None if token is None else token.get_secret_value(),
        body_max_bytes=settings.body_max_bytes,
        artefact_max_bytes=settings.artefact_max_bytes,
    )
    app.add_middleware(Guard, admission=admission)
    return app
