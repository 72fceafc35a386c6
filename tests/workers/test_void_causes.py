"""Does a probe that a real worker could not send say which worker it was, why, and the cure?"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gevent
import pytest

from contract.messages import Plan
from contract.units import Rate, Seconds
from controller.adapters.merge import Merge
from controller.search.probe import Outcome, Probe, Verdict
from controller.search.trial import conclude, decide, feed
from tests.helpers.builders import a_goal
from tests.search.streams import a_trial
from tests.workers.controlling import Controller, redis_running
from tests.workers.servers import HttpTarget, Received, response

pytestmark = pytest.mark.needs_redis_server

RATE, LENGTH_S = 150.0, 2.0
WITH_64_FILES = ("sh", "-c", 'ulimit -n 64 && exec "$0" "$@"')
HEADER = """
import time
from gevent.monkey import get_original
from locust import FastHttpUser, task

wait_outside_gevent = get_original("time", "sleep")
"""
ASKS = """
class Asker(FastHttpUser):
    @task
    def ask(self):
        self.client.get("/ask")
"""
BLOCKS = """
asked = 0

class Blocker(FastHttpUser):
    @task
    def ask(self):
        global asked
        asked += 1
        if asked % 50 == 0:
            wait_outside_gevent(0.2)
        self.client.get("/ask")
"""
COMPUTES = """
class Computer(FastHttpUser):
    @task
    def ask(self):
        until = time.thread_time() + 0.004
        while time.thread_time() < until:
            pass
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


@contextmanager
def started(argv: Sequence[str], core: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process, on that core alone."""
    environment = os.environ | {"TONNAGE_WORKER_RATE": "3000/s"}
    process = subprocess.Popen(argv, cwd=Path(__file__).parents[2], env=environment)
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        yield process
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def worker(
    controller: Controller, core: int | None = None, *, before: Sequence[str] = ()
) -> Iterator[None]:
    argv = [*before, sys.executable, "-m", "workers", "--id", "w1", "--redis-url", controller.url]
    with started([*argv, "--parent-pid", str(os.getpid())], core):
        with gevent.Timeout(30):
            while controller.hello("w1") is None:
                gevent.sleep(0.05)
        yield


def outcome(controller: Controller, plan: Plan) -> Outcome:
    """What a controller makes of the reports of the probe."""
    controller.drained(plan.probe)
    reports = controller.reports(plan.probe)
    none = Seconds(0.0)
    probe = Probe(plan.probe, "search", plan.rate, none, none, plan.duration_s)
    trial = a_trial(a_goal(strategy="bayes"), probe)
    merge = Merge(plan, {"w1": reports[0].boot}, 0.0)
    for number, report in enumerate(reports, 1):
        merge.take(report, number * plan.cadence_s)
        merged = merge.pop(number * plan.cadence_s)
        assert merged is not None
        trial = feed(trial, merged)
        decided = decide(trial)
        if decided is not None:
            return decided
    return conclude(trial)


def probed(controller: Controller, target: HttpTarget, folder: Path, tasks: str) -> Outcome:
    path = folder / "tasks.py"
    path.write_text(textwrap.dedent(HEADER + tasks))
    controller.start_beating()
    objectives = ("p99 response_time <= 150ms",)
    asked = controller.prepare(target.url, str(path), max_rate=Rate(RATE), objectives=objectives)
    ready = controller.ready(asked)
    assert ready.error is None, ready
    plan = controller.plan(1, rate=RATE, duration_s=LENGTH_S)
    controller.tell(plan)
    found = outcome(controller, plan)
    controller.stop_beating()
    return found


def slowly(_request: Received) -> Iterable[bytes]:
    gevent.sleep(0.6)
    return [response(b"ok")]


def test_a_worker_without_descriptors_is_named_and_the_target_is_not_blamed(
    controller: Controller, target: HttpTarget, tmp_path: Path
) -> None:
    target.answer = slowly
    with worker(controller, before=WITH_64_FILES):
        found = probed(controller, target, tmp_path, ASKS)
    assert found.verdict is Verdict.VOID
    assert "; worker w1 could not open " in found.reason
    assert found.reason.endswith(" connections (EMFILE, limit 64): raise ulimit -n")


def test_a_task_that_blocks_the_loop_is_named(
    controller: Controller, target: HttpTarget, tmp_path: Path
) -> None:
    with worker(controller):
        found = probed(controller, target, tmp_path, BLOCKS)
    assert found.verdict is Verdict.VOID
    assert "; worker w1: its loop was blocked for " in found.reason
    assert found.reason.endswith(" while its CPU was free: a task computes or waits outside gevent")


def test_a_worker_on_a_core_that_others_use_is_named(
    controller: Controller, target: HttpTarget, tmp_path: Path
) -> None:
    core = min(os.sched_getaffinity(0))
    with worker(controller, core), ExitStack() as others:
        for _ in range(2):
            others.enter_context(started([sys.executable, "-c", "while True: pass"], core))
        found = probed(controller, target, tmp_path, COMPUTES)
    assert found.verdict is Verdict.VOID
    assert "; worker w1 waited for " in found.reason
    assert found.reason.endswith(
        " for a core that other processes used: give each worker a core of its own"
    )
