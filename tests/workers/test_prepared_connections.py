"""Does a worker put the goal's policy of connections in force, and say what keeps it from that?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.connections import Connections
from contract.units import Seconds
from tests.workers.agents import Scene
from tests.workers.engines import Bench
from tests.workers.servers import HttpTarget
from tests.workers.test_dial import AUTHORITY, FILES

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
    made = Scene(**FILES)
    made.bus.artefacts[SHA256] = AUTHORITY
    yield made
    made.agent.shut_down("test over")


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
