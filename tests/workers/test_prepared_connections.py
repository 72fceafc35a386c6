"""Does a worker put the goal's policy of connections in force, and say what keeps it from that?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from contract.connections import Connections
from contract.report import Connected, Report
from contract.units import Seconds
from tests.workers.agents import Scene
from tests.workers.engines import Bench
from tests.workers.servers import HttpTarget, Received, response
from tests.workers.test_dial import AUTHORITY, FILES, NAMED, served
from workers.clients.tls import tls_of

SHA256 = hashlib.sha256(AUTHORITY).hexdigest()
ASKER = """
    from locust import task
    from workers.clients.inference import InferenceUser

    class Asking(InferenceUser):
        @task
        def go(self):
            self.send(self.prepare("GET", "/"))
    """


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(None, **FILES)
    made.bus.artefacts[SHA256] = AUTHORITY
    yield made
    made.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_names_are_resolved_as_often_as_the_goal_says(scene: Scene) -> None:
    assert scene.prepared(connections=Connections(resolve_s=Seconds(7.0))).error is None
    assert scene.guard.resolve_s == 7.0


def test_certificates_are_loaded_before_the_user_is(scene: Scene) -> None:
    policy = Connections(ca_sha256=SHA256, certificate="${CERT}", key="${KEY}")
    assert scene.prepared(connections=policy).error is None


BAD: list[tuple[Connections, str]] = [
    (Connections(ca_sha256="0" * 64), "certificates of workload.connections.ca 0000"),
    (Connections(certificate="${OTHER}"), "${OTHER}: the variable is not set in this worker's"),
    (Connections(certificate="${CERT}"), "the files hold no certificate and key"),
]


@pytest.mark.parametrize(("policy", "why"), BAD)
def test_certificates_that_cannot_be_used_keep_a_worker_out_and_it_says_why(
    scene: Scene, policy: Connections, why: str
) -> None:
    assert why in str(scene.prepared(connections=policy).error)


def test_users_of_a_run_take_their_connections_by_its_policy(bench: Bench) -> None:
    with HttpTarget() as target:
        loaded = bench.load(
            ASKER, targets=(target.url,), connections=Connections(requests=2, most=1)
        )
        bench.spawn(3)
        bench.arrive(5)
        assert target.connections == 3
        bench.engine.release()
    assert loaded.warnings == ()


def test_what_a_user_cannot_be_told_is_a_warning_of_the_worker(bench: Bench) -> None:
    text = ASKER.replace("workers.clients.inference", "locust").replace("InferenceUser", "HttpUser")
    policy: Any = Connections(most=3)
    (warning,) = bench.load(text, connections=policy).warnings
    assert warning.startswith("workload.connections: most has no effect on Asking, an HttpUser")


def phases(report: Report) -> dict[str, int]:
    """How many of each were told."""
    return {name: times.count for name, times in report.phases}


def test_a_report_tells_the_phases_of_its_arrivals_requests_and_of_no_others(bench: Bench) -> None:
    text = f"{ASKER}\n        def on_start(self):\n            self.go()\n"
    with HttpTarget() as target:
        bench.load(text, targets=(target.url,), connections=Connections(requests=2))
        bench.spawn(1)
        bench.arrive(4)
        first, second = bench.report(), bench.report()
        assert len(target.requests) == 5
        bench.engine.release()
    assert phases(first) == {"connect": 2, "first_byte": 4}
    assert phases(second) == {}


def slowly(_request: Received) -> list[bytes]:
    gevent.sleep(0.01)
    return [response(b"ok")]


def test_the_wait_for_a_connection_is_a_phase_of_those_that_waited(bench: Bench) -> None:
    with HttpTarget() as target:
        target.answer = slowly
        bench.load(ASKER, targets=(target.url,), connections=Connections(most=1))
        bench.spawn(3)
        bench.finish(bench.release(3))
        report = bench.report()
        bench.engine.release()
    assert phases(report) == {"connect": 1, "first_byte": 3, "pool_wait": 2}
    assert dict(report.phases)["pool_wait"].max_s >= 0.01


def test_a_server_that_delays_its_accept_is_seen_in_the_handshake_not_in_connecting(
    bench: Bench,
) -> None:
    tls = tls_of(NAMED, AUTHORITY, FILES)
    with HttpTarget(ssl_context=served()) as target:
        bench.load(ASKER, targets=(f"https://{target.address}",), connections=NAMED, tls=tls)
        bench.spawn(1)
        target.pause()
        permits = bench.release()
        gevent.sleep(0.05)
        target.resume()
        bench.finish(permits)
        report = bench.report()
        bench.engine.release()
    assert phases(report) == {"connect": 1, "first_byte": 1, "tls": 1}
    times = dict(report.phases)
    assert times["tls"].max_s > times["connect"].max_s


def test_reports_tell_connections_by_address(bench: Bench) -> None:
    with HttpTarget() as target:
        bench.load(ASKER, targets=(target.url,), connections=Connections(requests=2))
        bench.spawn(1)
        bench.arrive(5)
        assert bench.engine.connections() == (Connected(target.address, 1, 3, 2, 0),)
        assert bench.engine.connections() == (Connected(target.address, 1, 0, 0, 0),)
        bench.engine.release()


def test_every_report_of_a_worker_has_the_connections_of_its_engine(scene: Scene) -> None:
    scene.prepared()
    scene.agent.obey(scene.plan(duration_s=Seconds(1.0)))
    scene.pass_time(2.0)
    reports = scene.bus.of(Report)
    assert reports[-1].final
    assert {report.connections for report in reports} == {scene.engine.connections()}
