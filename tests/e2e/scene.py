"""Which processes does an end-to-end test work with, and how does it ask them?

A target of low known capacity, a standing stack (`tonnage up`) with its REST API, and goals that
are quick to answer coarsely.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from tests.helpers.processes import Program, eventually, is_there, kill, running

Document = dict[str, Any]

START_S = 30.0
ANSWER_S = 10.0
GONE_S = 10.0
"""Everything below a process that has died is gone within this."""
QUIET_S = 0.5
"""Dozens of arrivals at any rate that the goals here ask for."""
SERVER = ("--base", "10ms", "--per-item", "5ms", "--max-batch", "8")
"""Batches of eight take 50 ms: 160/s at most."""


class Target:
    """The demo model server as a process of its own."""

    def __init__(self, program: Program, url: str) -> None:
        self.program = program
        self.url = url

    def answered(self) -> int:
        """Inference requests it has answered since it started."""
        return int(self._metric("served_model_requests_total{"))

    def in_flight(self) -> int:
        return int(self._metric("served_model_in_flight "))

    def _metric(self, name: str) -> float:
        lines = httpx.get(f"{self.url}/metrics", timeout=ANSWER_S).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def is_left_alone(self) -> bool:
        """Whether nothing is in flight and, for QUIET_S, nothing arrives."""
        before = self.answered()
        time.sleep(QUIET_S)  # that something does not happen shows only in time
        return self.in_flight() == 0 and self.answered() == before


@contextmanager
def serving(folder: Path, *more: str, name: str = "target") -> Iterator[Target]:
    """A target while inside; `more` are options of the demo server."""
    port_file = folder / f"{name}.port"
    options = ("--port", "0", "--print-port-to", str(port_file), *SERVER, *more)
    with running(name, ("deploy.demo.served_model", *options), folder) as program:
        port = program.until(
            lambda: port_file.exists() and port_file.read_text().strip(), "a target", START_S
        )
        yield Target(program, f"http://127.0.0.1:{port}")


def goal(target: str, /, **changes: Any) -> Document:
    """A goal that half a minute answers; parts are merged into it, other fields replaced."""
    document: Document = {
        "name": "end-to-end",
        "target": target,
        "model": "toy",
        "workload": {"user": "kserve_v2", "arrivals": "constant"},
        "slo": ["p90 response_time <= 200ms", "error_ratio <= 5%"],
        "search": {
            "from": "100/s",
            "to": "300/s",
            "precision": "60%",
            "budget": "60s",
            "closing_probes": 0,
        },
        "warm_up": "none",
    }
    for name, value in changes.items():
        merges = isinstance(value, dict) and isinstance(document.get(name), dict)
        document[name] = {**document[name], **value} if merges else value
    return document


def written(folder: Path, document: Document) -> str:
    """The goal as a file; its path."""
    path = folder / "goal.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


class Stack:
    """`tonnage up` as a process, and its API."""

    def __init__(self, program: Program, url: str) -> None:
        self.program = program
        self.url = url

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", timeout=ANSWER_S, **options)

    def post(self, document: Document) -> httpx.Response:
        return self.ask("POST", "/api/v1/runs", json=document)

    def begin(self, document: Document) -> str:
        """Queue a run; its id."""
        answer = self.post(document)
        assert answer.status_code == 201, self.program.told(answer.text)
        return str(answer.json()["id"])

    def view(self, run: str) -> Document:
        """The run as it stands; an empty document while the controller is away."""
        try:
            answer = self.ask("GET", f"/api/v1/runs/{run}")
        except httpx.TransportError:
            return {}
        view: Document = answer.json()
        return view

    def result(self, run: str) -> Document:
        result: Document = self.ask("GET", f"/api/v1/runs/{run}/report.json").json()
        return result

    def until(
        self, run: str, holds: Callable[[Document], bool], what: str, timeout_s: float
    ) -> Document:
        """The first view of the run of which `holds` is true."""
        last: Document = {}

        def look() -> Document | None:
            nonlocal last
            view = self.view(run)
            last = view or last
            return view if view and holds(view) else None

        def told(text: str) -> str:
            return self.program.told(f"{text}; the run is now\n{in_short(last)}")

        def alive() -> None:
            self.program.family()
            assert self.program.alive, told("the stack has ended")
            assert not last.get("ended") or holds(last), told(f"ended before this: {what}")

        found = eventually(look, what, timeout_s, told=told, meanwhile=alive)
        assert found is not None
        return found

    def until_measuring(self, run: str, timeout_s: float = START_S) -> Document:
        """A view from the first second or two of a probe, long before it can be decided."""
        return self.until(
            run, lambda view: 1 <= len(view["curve"]) <= 2, "a probe is measured", timeout_s
        )

    def until_ended(self, run: str, timeout_s: float) -> Document:
        return self.until(run, lambda view: bool(view["ended"]), "the run has ended", timeout_s)

    def kill(self, words: str) -> None:
        """SIGKILL to the one process of the stack that runs `words`."""
        kill(self.program.child(words))

    def abort_all(self) -> None:
        for run in self.ask("GET", "/api/v1/runs").json()["runs"]:
            if run["state"] != "ended":
                self.ask("POST", f"/api/v1/runs/{run['id']}/abort")

    def until_whole(self, workers: int) -> None:
        """Wait for an idle stack with that many workers."""

        def whole() -> bool:
            try:
                fleet = self.ask("GET", "/api/v1/fleet").json()["workers"]
                runs = self.ask("GET", "/api/v1/runs").json()["runs"]
            except httpx.TransportError:
                return False
            return len(fleet) == workers and all(run["state"] == "ended" for run in runs)

        self.program.until(whole, f"an idle stack with {workers} workers", START_S)


@contextmanager
def standing(folder: Path, *more: str, workers: int = 2) -> Iterator[Stack]:
    """A local stack while inside; `more` are options of `tonnage up`."""
    options = ("--workers", str(workers), "--port", "0", "--data-dir", str(folder / "data"))
    with running("up", ("tonnage", "up", *options, *more), folder) as program:
        program.until(lambda: "data in " in program.output(), "the stack is up", START_S)
        line = next(line for line in program.output().splitlines() if line.startswith("API at "))
        yield Stack(program, line.split()[2])


def searching(folder: Path, document: Document, *more: str, name: str = "search") -> Any:
    """`tonnage search` of a goal, as a context manager of its Program."""
    return running(name, ("tonnage", "search", written(folder, document), *more), folder)


def until_gone(processes: Sequence[psutil.Process] | set[psutil.Process], program: Program) -> None:
    """Wait until none of them runs any more."""
    eventually(
        lambda: not any(is_there(process) for process in processes),
        "all of its processes are gone",
        GONE_S,
        told=program.told,
    )


def in_short(view: Document) -> str:
    """What matters of a view when a test fails."""
    probes = [
        f"  probe {p['number']} ({p['purpose']}) {p['rate']:.1f}/s {p['verdict']}: {p['reason']}"
        for p in view.get("probes", [])
    ]
    notes = [f"  note: {note['text']}" for note in view.get("notes", [])]
    rest = {
        name: view.get(name)
        for name in ("state", "status", "exit_status", "reason", "workers", "current", "capacity")
    }
    return "\n".join([json.dumps(rest, indent=1, default=str), *probes, *notes])
