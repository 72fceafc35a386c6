"""Do the stock clients keep what they can of a policy of connections, and is the rest told?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from locust import FastHttpUser, HttpUser, User, task

from contract.connections import Connections
from tests.workers.clients import Fast, Http
from tests.workers.driving import driving
from tests.workers.servers import HttpTarget, eventually
from tests.workers.test_dial import AUTHORITY, FILES, NAMED, TLS, pair, served
from workers.clients.inference import InferenceUser
from workers.clients.resolve import Names
from workers.clients.stock import IN_FORCE, unheard
from workers.clients.tls import tls_of
from workers.guard import install

BOTH = pytest.mark.parametrize("kind", [Fast, Http])
pytestmark = pytest.mark.usefixtures("fixed", "ended")


@pytest.fixture
def ended() -> Iterator[None]:
    yield
    IN_FORCE.end()


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    with HttpTarget() as target:
        yield target


def begin(policy: Connections, names: Names | None = None) -> None:
    authority = AUTHORITY if policy.ca_sha256 else None
    IN_FORCE.begin(policy, names or Names(), tls_of(policy, authority, FILES))


@BOTH
@pytest.mark.parametrize(("requests", "connections"), [(None, 1), (1, 4)])
def test_one_request_a_connection_opens_as_many_as_there_are_requests(
    kind: type[User], requests: int | None, connections: int, target: HttpTarget
) -> None:
    begin(Connections(requests=requests))
    with driving(kind, target.url) as driven:
        for _ in range(4):
            driven.run_task()
        assert driven.errors == [None] * 4
        assert target.connections == connections
        eventually(lambda: target.closed == connections - (requests is None))


@BOTH
def test_once_the_run_is_over_connections_are_kept_again(
    kind: type[User], target: HttpTarget
) -> None:
    begin(Connections(requests=1))
    IN_FORCE.end()
    with driving(kind, target.url) as driven:
        driven.run_task()
        driven.run_task()
    assert target.connections == 1


@BOTH
def test_the_target_is_asked_for_by_name_and_gets_the_clients_certificate(kind: type[User]) -> None:
    asked: list[str | None] = []
    context = served(
        verify_mode=ssl.CERT_REQUIRED, sni_callback=lambda _sock, name, _context: asked.append(name)
    )
    context.load_verify_locations(TLS / "authority.pem")
    begin(replace(NAMED, certificate="${CERT}", key="${KEY}"))
    with (
        HttpTarget(ssl_context=context) as target,
        driving(kind, f"https://{target.address}") as driven,
    ):
        driven.run_task()
        driven.run_task()
    assert driven.errors == [None, None]
    assert (asked, target.connections) == (["ranker.internal"], 1)


@BOTH
@pytest.mark.parametrize(
    "policy",
    [
        Connections(server_name="ranker.internal", verify=True),
        replace(NAMED, server_name="other.internal"),
    ],
)
def test_an_authority_or_a_name_that_is_not_the_targets_is_refused(
    kind: type[User], policy: Connections, capfd: pytest.CaptureFixture[str]
) -> None:
    begin(policy)
    with (
        HttpTarget(ssl_context=served()) as target,
        driving(kind, f"https://{target.address}") as driven,
    ):
        driven.run_task()
        assert "certificate verify failed" in str(driven.errors)
        assert target.requests == []
        eventually(lambda: target.connections == 0)
    capfd.readouterr()  # gevent's server prints the handshake that was broken off


@BOTH
def test_without_verification_any_certificate_will_do(kind: type[User]) -> None:
    begin(Connections(verify=False))
    with (
        HttpTarget(ssl_context=served()) as target,
        driving(kind, f"https://{target.address}") as driven,
    ):
        driven.run_task()
    assert driven.errors == [None]


@BOTH
def test_new_connections_go_to_all_addresses_that_are_allowed(
    kind: type[User], target: HttpTarget
) -> None:
    guard = install([f"ranker:{target.port}"], pair())
    begin(Connections(requests=1), guard.names)
    try:
        with (
            HttpTarget(host="127.0.0.2", port=target.port) as other,
            driving(kind, f"http://ranker:{target.port}") as driven,
        ):
            for _ in range(100):
                driven.run_task()
    finally:
        guard.lift()
    assert driven.errors == [None] * 100
    square = sum((len(t.requests) - 50) ** 2 / 50 for t in (target, other))
    assert square < 6.63  # 1 % of chi-square with one degree of freedom


@BOTH
def test_a_connection_to_an_address_that_has_gone_is_not_used_again(
    kind: type[User], target: HttpTarget
) -> None:
    addresses = ["127.0.0.1"]
    guard = install([f"ranker:{target.port}"], Names(lambda _: tuple(addresses)))
    begin(Connections(), guard.names)
    try:
        with (
            HttpTarget(host="127.0.0.2", port=target.port) as other,
            driving(kind, f"http://ranker:{target.port}") as driven,
        ):
            driven.run_task()
            addresses[:] = ["127.0.0.2"]
            guard.names.refresh()
            driven.run_task()
            driven.run_task()
    finally:
        guard.lift()
    assert driven.errors == [None] * 3
    assert (len(target.requests), len(other.requests), other.connections) == (1, 2, 1)


class Plain(User):
    """Whatever it does, it does by itself."""


class Pooled(FastHttpUser):
    client_pool: Any = object()


class Asking(InferenceUser):
    @task
    def go(self) -> None:
        self.send(self.prepare("GET", "/"))


def told(policy: Connections, *kinds: type[User]) -> list[str]:
    return list(unheard(policy, kinds))


def test_what_a_client_cannot_be_told_is_a_warning_with_the_fix() -> None:
    policy = Connections(most=4, requests=100)
    begun, fix = "workload.connections: most, requests have no effect on", "from InferenceUser"
    assert told(policy, Asking, Fast, Http) == [
        f"{begun} Fast, a FastHttpUser: derive it {fix}",
        f"{begun} Http, an HttpUser: derive it {fix}",
    ]
    assert "TLS has no effect on Plain, whose client is not known" in told(NAMED, Plain)[0]
    assert "TLS has no effect on Pooled, which has a pool of its own" in told(NAMED, Pooled)[0]


@pytest.mark.parametrize(
    "policy", [Connections(), Connections(requests=1), Connections("user"), NAMED]
)
def test_what_the_stock_clients_keep_is_no_warning(policy: Connections) -> None:
    assert told(policy, FastHttpUser, HttpUser, Asking) == []
