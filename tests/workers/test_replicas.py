"""Is the replica that answered known by its name, from whatever client the answer comes?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contract.report import Tick
from tests.workers.engines import Bench
from workers.clients.answer import Reply
from workers.engine.replicas import name_of, naming

HEAD = b"HTTP/1.1 200 OK\r\nX-Replica-Set: all\r\nX-REPLICA:  pod-7 \r\nContent-Length: 0"
NAMING = """
    from types import SimpleNamespace
    from locust import User, task

    class Asker(User):
        @task
        def ask(self):
            answer = SimpleNamespace(headers={"x-replica": "pod-7"})
            self.environment.events.request.fire(
                request_type="GET", name="x", response_time=1.0, response_length=0,
                exception=None, context={}, response=answer,
            )
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def reply(head: bytes) -> Reply:
    return Reply(200, head, b"", 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (reply(HEAD), "pod-7"),
        (reply(HEAD.replace(b"  pod-7 ", b"")), None),
        (reply(b"HTTP/1.1 200 OK\r\nX-Replica-Set: all"), None),
        (SimpleNamespace(headers={"x-replica": "pod-7"}), "pod-7"),
        (SimpleNamespace(headers={"x-replica": " "}), None),
        (SimpleNamespace(headers={}), None),
        (SimpleNamespace(headers=None), None),
        (None, None),
    ],
)
def test_a_name_is_found_where_there_is_one(answer: Any, name: str | None) -> None:
    assert name_of("x-replica")(answer) == name


def test_nothing_is_looked_for_unless_the_goal_names_a_header() -> None:
    def listener(**_: object) -> None: ...

    assert naming(listener, None) is listener
    assert naming(listener, "x-replica") is not listener


@pytest.mark.parametrize(("header", "names"), [("x-replica", ("pod-7",)), (None, ())])
def test_completions_of_a_locustfile_are_told_apart_by_replica(
    bench: Bench, header: str | None, names: tuple[str, ...]
) -> None:
    bench.load(NAMING, replica_header=header)
    bench.spawn()
    bench.arrive(2)
    report = bench.report()
    assert report.replicas == names
    assert sum(tick.completed for tick in report.ticks) == 2
    assert {tick.replica for tick in report.ticks} == {len(names)}
    assert all(isinstance(tick, Tick) for tick in report.ticks)
