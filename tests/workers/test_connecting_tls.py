"""Is a person told in one sentence which certificate was refused, and what would be right?"""

from __future__ import annotations

import ssl

import pytest
from locust import task

from contract.connections import Connections
from tests.workers.driving import driving
from tests.workers.servers import HttpTarget
from tests.workers.test_dial import AUTHORITY, FILES, NAMED, TLS, served
from workers.clients.inference import InferenceUser
from workers.clients.policy import Connecting
from workers.clients.tls import CertificateRefused, tls_of


class Asking(InferenceUser):
    ready_paths = ("/ready",)

    @task
    def go(self) -> None:
        self.send(self.prepare("GET", "/"))


def under(monkeypatch: pytest.MonkeyPatch, policy: Connections) -> None:
    authority = AUTHORITY if policy.ca_sha256 else None
    connecting = Connecting(policy, tls=tls_of(policy, authority, FILES))
    monkeypatch.setattr(Asking, "tonnage_connecting", connecting)


def test_an_authority_that_is_not_known_is_named_before_any_load(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    under(monkeypatch, Connections(server_name="ranker.internal"))
    with HttpTarget(ssl_context=served()) as target:
        said = Asking.check_ready(f"https://{target.address}", 5)
        capfd.readouterr()  # gevent's server prints the handshake that was broken off
    assert said == (
        f"cannot connect to {target.address}: certificate verify failed: that of ranker.internal: "
        "unable to get local issuer certificate: name its authority in workload.connections.ca, or "
        "write verify: off"
    )


def test_a_target_that_wants_a_certificate_and_gets_none_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    context = served(verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(TLS / "authority.pem")
    under(monkeypatch, NAMED)
    with (
        HttpTarget(ssl_context=context) as target,
        driving(Asking, f"https://{target.address}") as driven,
    ):
        driven.run_task()
        (event,) = driven.events
        capfd.readouterr()  # gevent's server prints the handshake that was broken off
    refused = event["exception"]
    assert isinstance(refused, CertificateRefused)
    assert (refused.kind, target.requests) == ("certificate refused", [])
    assert "asks for a certificate of the client's: name a file with one in" in str(refused)


def test_with_the_authority_and_the_name_the_target_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    under(monkeypatch, NAMED)
    with HttpTarget(ssl_context=served()) as target:
        assert Asking.check_ready(f"https://{target.address}", 5) is None
    assert target.requests[0].line == "GET /ready HTTP/1.1"
