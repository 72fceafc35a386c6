"""Do InferenceUsers keep to the policy of connections?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from locust import task

from contract.connections import Connections
from contract.report import Connected
from tests.workers.driving import Driven, driving
from tests.workers.servers import HttpTarget, Received, eventually, response
from workers.clients.inference import InferenceUser
from workers.clients.policy import Connecting
from workers.clients.resolve import Names


class Asking(InferenceUser):
    @task
    def go(self) -> None:
        self.send(self.prepare("GET", "/"))


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    with HttpTarget() as target:
        yield target


@contextmanager
def under(
    policy: Connections, target: HttpTarget, host: str | None = None, **more: Any
) -> Iterator[tuple[Connecting, Driven]]:
    connecting = Asking.tonnage_connecting = Connecting(policy, **more)
    try:
        with driving(Asking, host or target.url) as driven:
            yield connecting, driven
    finally:
        connecting.close()
        Asking.tonnage_connecting = None


def another(driven: Driven) -> Any:
    """One more user of the same class and environment."""
    return type(driven.user)(driven.user.environment)


@pytest.mark.parametrize(("requests", "sent", "opened"), [(1, 7, 7), (3, 7, 3), (100, 7, 1)])
def test_a_connection_carries_as_many_requests_as_it_may(
    target: HttpTarget, requests: int, sent: int, opened: int
) -> None:
    with under(Connections(requests=requests), target) as (connecting, driven):
        for _ in range(sent):
            driven.run_task()
        assert driven.errors == [None] * sent
        assert target.connections == opened
        eventually(lambda: target.closed == sent // requests)
        (told,) = connecting.counts.drain()
        closed = sent // requests
        assert told == Connected(target.address, opened - closed, opened, closed, 0)


def test_users_share_connections_unless_each_is_to_keep_its_own(target: HttpTarget) -> None:
    for policy, connections in ((Connections(), 1), (Connections(reuse="user"), 3)):
        before = target.connections
        with under(policy, target) as (_, driven):
            users = [driven.user, another(driven), another(driven)]
            for _ in range(4):
                for user in users:
                    user.tasks[0](user)
            for user in users[1:]:
                user.close()
        assert target.connections - before == connections


def test_idle_connections_are_used_alike(target: HttpTarget) -> None:
    waiting = gevent.event.Event()

    def answer(request: Received) -> list[bytes]:
        waiting.wait()
        return [response(b"ok")]

    target.answer = answer
    with under(Connections(), target, seed=3) as (_, driven):
        users = [driven.user, *(another(driven) for _ in range(4))]
        tasks = [gevent.spawn(user.tasks[0], user) for user in users]
        eventually(lambda: len(target.requests) == 5)
        waiting.set()
        gevent.joinall(tasks, timeout=5, raise_error=True)
        target.requests.clear()
        for _ in range(1000):
            driven.run_task()
    by_connection = Counter(request.connection for request in target.requests)
    assert len(by_connection) == 5
    square = sum((count - 200) ** 2 / 200 for count in by_connection.values())
    assert square < 13.3  # 1 % of chi-square with 4 degrees of freedom


def test_beyond_the_cap_requests_wait_for_a_connection(target: HttpTarget) -> None:
    waiting = gevent.event.Event()

    def answer(request: Received) -> list[bytes]:
        waiting.wait()
        return [response(b"ok")]

    target.answer = answer
    with under(Connections(most=2), target) as (_, driven):
        users = [driven.user, *(another(driven) for _ in range(4))]
        tasks = [gevent.spawn(user.tasks[0], user) for user in users]
        eventually(lambda: len(target.requests) == 2)
        gevent.sleep(0.01)
        assert len(target.requests) == 2
        waiting.set()
        gevent.joinall(tasks, timeout=5, raise_error=True)
        assert driven.errors == [None] * 5
        assert target.connections == 2


def test_a_connection_to_an_address_that_has_gone_ends_its_request_and_is_not_used_again(
    target: HttpTarget,
) -> None:
    addresses = ["127.0.0.1"]
    names = Names(lambda _: tuple(addresses))
    names.keep(["ranker"])
    waiting = gevent.event.Event()

    def answer(request: Received) -> list[bytes]:
        waiting.wait()
        return [response(b"ok")]

    target.answer = answer
    host = f"http://ranker:{target.port}"
    with (
        HttpTarget(host="127.0.0.2", port=target.port) as other,
        under(Connections(), target, host, names=names) as (connecting, driven),
    ):
        user = another(driven)
        tasks = [gevent.spawn(one.tasks[0], one) for one in (driven.user, user)]
        eventually(lambda: len(target.requests) == 2)
        tasks[1].kill()  # its connection is closed, the other one is busy
        addresses[:] = ["127.0.0.2"]
        names.refresh()
        assert len(connecting.counts.drain()) == 1
        waiting.set()
        tasks[0].join(timeout=5)
        eventually(lambda: target.closed == 2)
        driven.run_task()
    assert driven.errors == [None, None]
    assert (len(target.requests), len(other.requests)) == (2, 1)


def test_an_idle_connection_to_an_address_that_has_gone_is_closed(target: HttpTarget) -> None:
    addresses = ["127.0.0.1"]
    names = Names(lambda _: tuple(addresses))
    names.keep(["ranker"])
    with under(Connections(), target, f"http://ranker:{target.port}", names=names) as (_, driven):
        driven.run_task()
        addresses[:] = ["127.0.0.2"]
        names.refresh()
        eventually(lambda: target.closed == 1)
    assert driven.errors == [None]


def test_new_connections_go_to_all_addresses_of_a_name(target: HttpTarget) -> None:
    names = Names(lambda _: ("127.0.0.1", "127.0.0.2"))
    names.keep(["ranker"])
    host = f"http://ranker:{target.port}"
    with (
        HttpTarget(host="127.0.0.2", port=target.port) as other,
        under(Connections(requests=1), target, host, names=names) as (_, driven),
    ):
        for _ in range(200):
            driven.run_task()
    assert driven.errors == [None] * 200
    square = sum((len(t.requests) - 100) ** 2 / 100 for t in (target, other))
    assert square < 6.63  # 1 % of chi-square with one degree of freedom
    assert target.requests[0].header("host") == f"ranker:{target.port}"
