"""Does a real worker process hold a rate, and lose nothing, over a real Redis?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from contract import keys
from contract.arrivals import Law
from contract.messages import Plan
from contract.report import Ledger, Report
from tests.workers.controlling import Controller, redis_running
from tests.workers.servers import HttpTarget, Received, response
from workers.__main__ import read_options

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
    with running(controller) as process:
        yield process


@contextmanager
def running(
    controller: Controller, *more: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "workers", "--id", "w1", "--parent-pid", str(os.getpid()), *more]
    own = {"TONNAGE_REDIS_URL": controller.url, "TONNAGE_WORKER_RATE": "3000/s"} | environment
    process = subprocess.Popen(argv, env=os.environ | own, cwd=Path(__file__).parents[2])
    try:
        with gevent.Timeout(30):
            while controller.hello("w1") is None:
                gevent.sleep(0.05)
        yield process
    finally:
        controller.stop_beating()
        if process.poll() is None:
            process.kill()
        process.wait(10)


@pytest.fixture
def locustfile(tmp_path: Path) -> str:
    path = tmp_path / "asker.py"
    path.write_text(LOCUSTFILE)
    return str(path)


def wait_for(event: Event) -> Iterable[bytes]:
    event.wait()
    return [response(b"late")]


def everything_accounted_for(controller: Controller, plan: Plan, totals: Ledger) -> None:
    """Ledger, increments and the share of the schedule say the same."""
    reports = controller.reports(plan.probe)
    final = reports[-1]
    assert final.final
    assert totals == final.totals
    assert all(report.totals.balanced for report in reports)
    assert totals.scheduled == min(final.through_index, len(plan.schedule().times()))
    for name in ("scheduled", "sent", "shed", "missed", "cancelled", "succeeded", "failed"):
        summed = sum(getattr(bucket, name) for report in reports for bucket in report.buckets)
        assert summed == getattr(totals, name), name


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


def test_through_a_stall_of_the_target_every_scheduled_arrival_is_sent(
    controller: Controller,
    worker: subprocess.Popen[bytes],
    target: HttpTarget,
    locustfile: str,
) -> None:
    stalled = Event()

    def answer(_request: Received) -> Iterable[bytes]:
        stalled.wait()
        return [response(b"ok")]

    stalled.set()
    target.answer = answer
    controller.start_beating()
    assert controller.ready(controller.prepare(target.url, locustfile)).error is None
    plan = controller.plan(1, rate=100, duration_s=3, law=Law("constant"))
    controller.tell(plan)
    controller.wait_for(Report, lambda report: report.totals.sent >= 50)
    before = len(target.requests)
    stalled.clear()
    during = controller.wait_for(
        Report, lambda report: report.totals.in_flight >= 100
    )  # a closed loop would have stopped asking
    stalled.set()
    drained = controller.drained(1)
    assert drained.totals == Ledger(scheduled=300, sent=300, succeeded=300)
    everything_accounted_for(controller, plan, drained.totals)
    assert len(target.requests) >= before + 100
    assert sum(entry.over_limit[0] for entry in during.in_flight) > 50
    buckets = [bucket for report in controller.reports(1) for bucket in report.buckets]
    assert max(bucket.response_time.max_s for bucket in buckets if bucket.succeeded) > 0.9
    assert sum(bucket.bad[0] for bucket in buckets) >= 85  # 100 ms of grace for each of them


def test_a_stop_drains_the_probe_and_the_next_one_starts_afresh(
    controller: Controller,
    worker: subprocess.Popen[bytes],
    target: HttpTarget,
    locustfile: str,
) -> None:
    controller.start_beating()
    assert controller.ready(controller.prepare(target.url, locustfile)).error is None
    first = controller.plan(1, rate=100, duration_s=60)
    controller.tell(first)
    controller.wait_for(Report, lambda report: report.totals.sent >= 50)
    controller.tell(controller.stop(1))
    drained = controller.drained(1)
    assert drained.reason == "enough"
    everything_accounted_for(controller, first, drained.totals)
    second = controller.plan(2, rate=50, duration_s=1)
    controller.tell(second)
    totals = controller.drained(2).totals
    everything_accounted_for(controller, second, totals)
    assert totals.succeeded == len(second.schedule().times())
    sequences = [m.sequence for m in controller.heard if isinstance(m, Report)]
    assert sequences == list(range(1, len(sequences) + 1))


def test_without_beats_the_worker_stops_the_load_by_itself(
    controller: Controller,
    worker: subprocess.Popen[bytes],
    target: HttpTarget,
    locustfile: str,
) -> None:
    controller.beat()
    assert controller.ready(controller.prepare(target.url, locustfile)).error is None
    plan = controller.plan(1, rate=50, duration_s=60)
    controller.tell(plan)
    drained = controller.drained(1)
    assert "no beat" in drained.reason
    everything_accounted_for(controller, plan, drained.totals)
    assert drained.totals.sent <= 50 * 4  # three seconds, and what Poisson makes of them
    assert controller.drained(None).reason == drained.reason


def test_sigterm_in_mid_run_ends_the_load_and_says_so(
    controller: Controller,
    worker: subprocess.Popen[bytes],
    target: HttpTarget,
    locustfile: str,
) -> None:
    hanging = Event()
    controller.start_beating()
    assert controller.ready(controller.prepare(target.url, locustfile)).error is None
    target.answer = lambda _: wait_for(hanging)
    controller.tell(controller.plan(1, rate=50, duration_s=60))
    controller.wait_for(Report, lambda report: report.totals.in_flight >= 5)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    hanging.set()
    totals = controller.drained(1).totals
    assert totals.balanced
    assert (totals.failed, totals.in_flight) == (totals.sent, 0)


def test_a_worker_that_has_time_to_leave_finishes_its_probe_and_no_other(
    controller: Controller, target: HttpTarget, locustfile: str
) -> None:
    controller.start_beating()
    with running(controller, "--leave-within", "20") as worker:
        assert controller.ready(controller.prepare(target.url, locustfile)).error is None
        plan = controller.plan(1, rate=50, duration_s=2)
        controller.tell(plan)
        controller.wait_for(Report, lambda report: report.totals.sent >= 20)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
        scheduled = len(plan.schedule().times())
        assert controller.drained(1).totals == Ledger(scheduled, scheduled, succeeded=scheduled)
        assert controller.hello("w1") is None


def test_a_worker_measures_its_host_once_and_says_what_the_locustfiles_client_can_send(
    controller: Controller, target: HttpTarget, locustfile: str, tmp_path: Path
) -> None:
    cache = {"TONNAGE_WORKER_RATE": "", "XDG_CACHE_HOME": str(tmp_path)}
    controller.start_beating()
    told = []
    for _ in range(2):
        with running(controller, **cache):
            hello = controller.hello("w1")
            assert hello is not None
            told.append(hello)
            controller.fence += 1
            ready = controller.ready(controller.prepare(target.url, locustfile))
            assert ready.error is None
            assert ready.rate_per_s == dict(hello.kinds)["FastHttpUser"]
        controller.redis.delete(keys.FLEET_HELLO)
        controller.start_beating()
    assert told[0].kinds == told[1].kinds
    assert told[0].rate_per_s == dict(told[0].kinds)["InferenceUser"] > 0
    assert (tmp_path / "tonnage" / "self-test.json").is_file()


def test_what_is_wrong_with_a_locustfile_comes_back_in_one_sentence(
    controller: Controller,
    worker: subprocess.Popen[bytes],
    target: HttpTarget,
    tmp_path: Path,
) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import absent_module\n")
    ready = controller.ready(controller.prepare(target.url, str(path)))
    assert ready.error == (f"{path}:1: ModuleNotFoundError: No module named 'absent_module'")
    hello = controller.hello("w1")
    assert hello is not None
    assert hello.run is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--id", "w1"], "set TONNAGE_REDIS_URL"),
        (["--id", "w1", "--redis-url", "localhost:6379"], "must begin with redis://"),
        (
            ["--id", "w1", "--redis-url", "redis://127.0.0.1:1", "--allow", "example.org"],
            "write HOST:PORT",
        ),
        (["--json"], "--json goes with --self-test"),
    ],
)
def test_wrong_arguments_are_told_and_end_with_status_2(arguments: list[str], says: str) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TONNAGE_")}
    done = subprocess.run(
        [sys.executable, "-m", "workers", *arguments],
        env=clean,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_that_are_not_named_get_names_of_their_own() -> None:
    names = {read_options(["--redis-url", "redis://127.0.0.1:1"]).worker for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith(f"{socket.gethostname()}-{os.getpid()}-") for name in names)


@pytest.mark.parametrize(
    ("url", "key", "fix"),
    [
        ("redis://10.0.0.5/0", "k" * 32, "rediss://USER:PASSWORD@HOST:PORT/0"),
        ("rediss://worker:hunter2@10.0.0.5/0", "", "set TONNAGE_FLEET_KEY"),
        ("redis://127.0.0.1:1", "hunter2", "at least 32 characters"),
        ("redis://127.0.0.1:many", "", "cannot be read"),
    ],
)
def test_a_redis_that_others_reach_is_refused_with_the_fix(
    url: str,
    key: str,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TONNAGE_FLEET_KEY", key)
    with pytest.raises(SystemExit) as ended:
        read_options(["--redis-url", url])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert fix in said
    assert "hunter2" not in said
