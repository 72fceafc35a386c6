"""Does the client speak TLS, keep the connection, and insist on the certificate?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from locust import task

from tests.workers.driving import driving
from tests.workers.servers import DROP, HttpTarget, eventually, response
from workers.clients.inference import InferenceUser
from workers.clients.policy import Connecting
from workers.clients.tls import Tls

# Key and self-signed certificate of localhost, made for these tests and used nowhere else.
PEM = Path(__file__).parent / "tls" / "localhost.pem"


class Asking(InferenceUser):
    @task
    def go(self) -> None:
        self.send(self.prepare("POST", "/", b"x" * 100_000))


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    tls = Tls(ssl.create_default_context(cafile=str(PEM)))
    monkeypatch.setattr(InferenceUser, "tonnage_connecting", Connecting(tls=tls))


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    with HttpTarget(ssl_context=context) as target:
        yield target


def https(target: HttpTarget) -> str:
    return f"https://localhost:{target.port}"


def test_requests_share_one_connection(target: HttpTarget, trusted: None) -> None:
    target.answer = lambda request: [response(request.body)]
    with driving(Asking, https(target)) as driven:
        for _ in range(3):
            driven.run_task()
    assert driven.errors == [None] * 3
    assert driven.events[2]["response"].body == b"x" * 100_000
    assert target.connections == 1


def test_a_connection_that_has_ended_is_replaced(target: HttpTarget, trusted: None) -> None:
    target.answer = lambda _: [response(b"ok"), DROP]
    with driving(Asking, https(target)) as driven:
        driven.run_task()
        eventually(lambda: target.closed == 1)
        driven.run_task()
    assert driven.errors == [None, None]
    assert len(target.requests) == 2


def test_a_dropped_request_is_a_failure(target: HttpTarget, trusted: None) -> None:
    target.answer = lambda _: [DROP]
    with driving(Asking, https(target)) as driven:
        driven.run_task()
    assert len(driven.errors) == 1
    assert driven.errors[0] is not None
    assert len(target.requests) == 1


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(
    target: HttpTarget, capfd: pytest.CaptureFixture[str]
) -> None:
    with driving(Asking, https(target)) as driven:
        driven.run_task()
        said = Asking.check_ready(https(target), 5)
    assert "certificate verify failed" in str(driven.errors)
    assert target.requests == []
    assert said is None  # no path to ask
    capfd.readouterr()  # gevent's server prints the handshake that was broken off
