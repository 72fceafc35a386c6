"""Does the real process announce itself, and go when told to although somebody is watching?"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.fakes import goal_document

WITHIN_S = 40.0
QUEUED_RUNS = 20
"""With no Redis each is tried for seconds: the last one stays queued for minutes."""


class Controller:
    """A controller process without Redis, on a port of its own."""

    def __init__(self, directory: Path, redis_port: int) -> None:
        self.port_file = directory / "port"
        argv = [sys.executable, "-m", "controller", "serve", "--port", "0"]
        argv += ["--port-file", str(self.port_file)]
        argv += ["--redis-url", f"redis://127.0.0.1:{redis_port}/0"]
        argv += ["--database-url", f"sqlite:///{directory / 'journal.sqlite'}"]
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def port(self) -> int:
        give_up_at = time.monotonic() + WITHIN_S
        while not self.port_file.exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        return int(self.port_file.read_text())


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken and never answers as Redis."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def controller(tmp_path: Path, closed_port: int) -> Iterator[Controller]:
    started = Controller(tmp_path, closed_port)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


@pytest.fixture
def http(controller: Controller) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{controller.port()}"
    with httpx.Client(base_url=url, timeout=WITHIN_S) as client:
        yield client


def test_the_port_file_names_where_it_answers(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "redis": False, "database": True, "workers": 0}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_although_an_event_stream_is_open(
    controller: Controller, http: httpx.Client, how: signal.Signals
) -> None:
    runs = [http.post("/api/v1/runs", json=goal_document()).json() for _ in range(QUEUED_RUNS)]
    with http.stream("GET", runs[-1]["events_url"]) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: view"
        controller.process.send_signal(how)
        assert ": the controller is stopping" in list(lines)
    assert controller.process.wait(WITHIN_S) == 0


def test_a_bound_port_is_told_with_the_fix(closed_port: int) -> None:
    argv = [sys.executable, "-m", "controller", "serve", "--port", str(closed_port)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 2
    assert f"127.0.0.1:{closed_port} cannot be bound" in done.stderr
    assert "choose another --port" in done.stderr
    assert "Traceback" not in done.stderr
