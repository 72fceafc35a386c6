"""Does a real worker process hold a rate, and lose nothing, over a real Redis?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from contract.report import Ledger
from tests.workers.controlling import Controller, redis_running
from tests.workers.servers import HttpTarget

pytestmark = pytest.mark.needs_redis_server

LOCUSTFILE = """
from locust import FastHttpUser, task

class Asker(FastHttpUser):
    @task
    def ask(self):
        self.client.get("/ask")
"""


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    with HttpTarget() as server:
        yield server


@pytest.fixture
def controller(redis_server_program: Path, tmp_path: Path) -> Iterator[Controller]:
    with redis_running(redis_server_program, tmp_path) as url:
        standing_in = Controller(url)
        yield standing_in
        standing_in.close()


@pytest.fixture
def worker(controller: Controller) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "workers", "--id", "w1", "--parent-pid", str(os.getpid())]
    environment = os.environ | {"TONNAGE_REDIS_URL": controller.url}
    process = subprocess.Popen(argv, env=environment, cwd=Path(__file__).parents[2])
    try:
        with gevent.Timeout(30):
            while controller.hello("w1") is None:
                gevent.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


@pytest.fixture
def locustfile(tmp_path: Path) -> str:
    path = tmp_path / "asker.py"
    path.write_text(LOCUSTFILE)
    return str(path)


def test_a_fixed_rate_is_held_and_every_arrival_accounted_for(
    controller: Controller,
    worker: subprocess.Popen[bytes],
    target: HttpTarget,
    locustfile: str,
) -> None:
    controller.start_beating()
    ready = controller.ready(controller.prepare(target.url, locustfile))
    assert ready.error is None
    before = len(target.requests)
    assert before == 1  # the one of preflight
    plan = controller.plan(1, rate=100, duration_s=2)
    controller.tell(plan)
    drained = controller.drained(1)
    scheduled = len(plan.schedule().times())
    assert drained.reason == "the plan's end"
    assert drained.totals == Ledger(scheduled=scheduled, sent=scheduled, succeeded=scheduled)
    assert len(target.requests) - before == scheduled
    reports = controller.reports(1)
    assert [r.sequence for r in reports] == list(range(1, len(reports) + 1))
    assert all(r.totals.balanced for r in reports)
    assert [r.final for r in reports] == [False] * (len(reports) - 1) + [True]
    assert sum(b.scheduled for r in reports for b in r.buckets) == scheduled
    assert sum(r.requests for r in reports) == scheduled
    assert sum(t.completed for r in reports for t in r.ticks) == scheduled
    controller.tell(controller.stop(None))
    assert controller.drained(None).totals.scheduled == scheduled
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert controller.hello("w1") is None
