"""Does a controller that was gone for too long leave the target alone and end its runs?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from tests.e2e.scene import START_S, Stack, goal
from tests.helpers.processes import kill, running
from tonnage.redis_server import free_port

GONE_FOR_S = 200.0
"""Over the two minutes within which a run resumes."""


@contextmanager
def controlling(folder: Path, name: str) -> Iterator[Stack]:
    """A controller alone, on the journal in `folder`; its Redis is not there."""
    port_file = folder / f"{name}.port"
    options = ("--port", "0", "--port-file", str(port_file))
    environment = {
        "TONNAGE_DATABASE_URL": f"sqlite:///{folder / 'journal.sqlite'}",
        "TONNAGE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
    }
    argv = ("controller", "serve", *options)
    with running(name, argv, folder, environment) as program:
        port = program.until(
            lambda: port_file.exists() and port_file.read_text().strip(), "the API", START_S
        )
        yield Stack(program, f"http://127.0.0.1:{port}")


def let_time_pass(journal: Path) -> None:
    """Make everything in the journal older than it is."""
    with closing(sqlite3.connect(journal)) as connection, connection:
        connection.execute("UPDATE runs SET alive_at = alive_at - ?", (GONE_FOR_S,))
        connection.execute(
            "UPDATE events SET at = at - ?1, body = json_set(body, '$.at', at - ?1)", (GONE_FOR_S,)
        )


def test_a_run_left_for_too_long_is_aborted(tmp_path: Path) -> None:
    with controlling(tmp_path, "first") as stack:
        run = stack.begin(goal("http://127.0.0.1:9"))
        stack.until(run, lambda view: view["state"] == "preflight", "it is in preflight", START_S)
        kill(psutil.Process(stack.program.pid))
        stack.program.ended(START_S)
    let_time_pass(tmp_path / "journal.sqlite")
    with controlling(tmp_path, "second") as stack:
        view = stack.until_ended(run, START_S)
    assert (view["status"], view["exit_status"]) == ("aborted", 130)
    assert "gone for 3min2" in view["reason"]
    assert "resumes within 2min" in view["reason"]
