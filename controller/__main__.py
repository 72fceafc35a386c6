"""Which of the controller's commands is meant: serve, simulate, report or schema?

Exit statuses are those of the answer (controller.search.answer); 2 for what is wrong in the
command or the goal, 4 for what the controller stands on and does not find.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from contract.recorded import Recorded
from controller import errors, settings
from controller.api.documented import goal_schema
from controller.api.goals import simulation_rules
from controller.api.schemas.faults import goal_of
from controller.api.schemas.replaying import FIELD, absent, replayed, with_own_rate
from controller.app import REPORTS
from controller.report.result import result_of
from controller.report.text import text_of
from controller.search.view import RunView, view_of

WRONG, FAILED, INTERRUPTED = 2, 4, 130
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    given = _parser().parse_args(arguments)
    try:
        status: int = given.command(given)
    except errors.GoalRefused as error:
        return _said("\n".join(f"{f.field}: {f.value}: {f.fix}" for f in error.faults), WRONG)
    except (settings.SettingsInvalid, errors.NotFound, errors.Conflict) as error:
        return _said(str(error), WRONG)
    except errors.Error as error:
        return _said(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _serve(given: argparse.Namespace) -> int:
    from controller.serve import serve  # the other commands need no server

    chosen = settings.read(
        host=given.host,
        port=given.port,
        redis_url=given.redis_url,
        database_url=given.database_url,
        port_file=given.port_file,
        allow_target=given.allow_target,
    )
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    asyncio.run(serve(chosen))
    return 0


def _simulate(given: argparse.Namespace) -> int:
    from controller.adapters.http_advisor import HttpAdvisor
    from controller.run.conductor import conduct
    from controller.sim.run import simulate_goal

    document = _document(given.goal)
    rated, recorded, faults = _replayed(document, given.goal.parent)
    goal = goal_of(rated, simulation_rules(), faults)
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    conducting = partial(conduct, advisor=HttpAdvisor(()))
    view = simulate_goal(goal, conduct=conducting, document=text, recorded=recorded)
    sys.stdout.write(text_of(result_of(view)))
    if given.json is not None:
        _write(given.json, REPORTS["json"][1](view))
    return 0 if view.capacity is None else view.capacity.exit_status


def _report(given: argparse.Namespace) -> int:
    chosen = settings.read(database_url=given.database_url)
    view = asyncio.run(_stored_view(chosen, given.run))
    sys.stdout.write(REPORTS[given.format][1](view))
    return 0


def _schema(_: argparse.Namespace) -> int:
    sys.stdout.write(json.dumps(goal_schema(), indent=2) + "\n")
    return 0


async def _stored_view(chosen: settings.Settings, run: str) -> RunView:
    from controller.serve import database

    async with database(chosen) as store:
        await store.run(run)
        return view_of(run, (event for _, event in await store.read(run)))


def _replayed(document: Any, folder: Path) -> tuple[Any, Recorded | None, tuple[errors.Fault, ...]]:
    """The recorded times of a goal file, whose paths are relative to it."""
    law = replayed(document)
    if law is None:
        return document, None, ()
    try:
        data = (folder / law.times).read_bytes()
    except OSError as error:
        fix = f"{error.strerror or error}: give a file relative to the goal file"
        return absent(document, law), None, (errors.Fault(FIELD, law.times, fix),)
    return with_own_rate(document, law, data)


def _document(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise settings.SettingsInvalid(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise settings.SettingsInvalid(
            f"{path} is not YAML: {' '.join(str(error).split())}"
        ) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise settings.SettingsInvalid(f"--json {path} cannot be written: {error}") from error


def _said(text: str, status: int) -> int:
    sys.stderr.write(f"{text}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m controller", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve the API and conduct runs")
    serve.add_argument("--host", help="address to bind; beyond loopback set TONNAGE_TOKEN")
    serve.add_argument("--port", type=int, help="0: any free one")
    serve.add_argument("--redis-url", help="better in TONNAGE_REDIS_URL when it has a password")
    serve.add_argument("--database-url", help="better in TONNAGE_DATABASE_URL, likewise")
    serve.add_argument("--port-file", type=Path, help="where to write the port once it listens")
    serve.add_argument(
        "--allow-target",
        action="append",
        metavar="HOST:PORT",
        help="a target beside loopback that goals may name; may be repeated",
    )
    serve.set_defaults(command=_serve)
    simulate = commands.add_parser("simulate", help="search a sim:// target in virtual time")
    simulate.add_argument("goal", type=Path, metavar="GOAL.yaml")
    simulate.add_argument("--json", type=Path, help="where to write result.json")
    simulate.set_defaults(command=_simulate)
    report = commands.add_parser("report", help="write the report of a run that has ended")
    report.add_argument("run", metavar="RUN")
    report.add_argument("--format", choices=sorted(REPORTS), default="json")
    report.add_argument("--database-url")
    report.set_defaults(command=_report)
    schema = commands.add_parser("schema", help="write the JSON Schema of goal files")
    schema.set_defaults(command=_schema)
    return parser


if __name__ == "__main__":
    sys.exit(main())
