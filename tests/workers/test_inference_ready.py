"""Does the ready check say in one sentence what stands between the load and the target?"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from types import MappingProxyType

import pytest
from gevent.event import Event

from tests.workers.servers import DROP, HttpTarget, Received, ok, response
from workers.clients.inference import InferenceUser


class Model(InferenceUser):
    model = "toy"
    ready_paths = ("/v2/health/ready", "/v2/models/{model}/ready")
    tonnage_headers = MappingProxyType({"Authorization": "secret"})


def test_a_target_that_serves_the_model_is_ready() -> None:
    with HttpTarget() as target:
        assert Model.check_ready(target.url, 5) is None
    assert [request.line.split()[1] for request in target.requests] == [
        "/v2/health/ready",
        "/v2/models/toy/ready",
    ]
    assert {request.header("Authorization") for request in target.requests} == {"secret"}


def answering(path: str, status: str) -> HttpTarget:
    def answer(request: Received) -> Iterable[bytes]:
        return [response(b"", status)] if request.line.split()[1] == path else ok(request)

    return HttpTarget(answer)


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (
            "/v2/models/toy/ready",
            "404 Not Found",
            "GET /v2/models/toy/ready answered 404: the target does not serve model 'toy'",
        ),
        (
            "/v2/health/ready",
            "503 Busy",
            "GET /v2/health/ready answered 503: the target is not ready",
        ),
        (
            "/v2/health/ready",
            "302 Found",
            "GET /v2/health/ready answered 302: the target is not ready",
        ),
    ],
)
def test_what_it_answers_instead_is_said(path: str, status: str, sentence: str) -> None:
    with answering(path, status) as target:
        assert Model.check_ready(target.url, 5) == sentence


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        said = Model.check_ready(f"http://{address}", 5)
    assert str(said).lower() == f"cannot connect to {address}: connection refused"


def test_no_answer() -> None:
    silence = Event()

    def answer(_request: Received) -> Iterable[bytes]:
        silence.wait()
        return [DROP]

    with HttpTarget(answer) as target:
        said = Model.check_ready(target.url, 0.05)
        silence.set()
    assert said == f"GET /v2/health/ready got no answer from {target.address} within 0.05 s"


@pytest.mark.parametrize(
    ("sent", "said"),
    [(DROP, "closed the connection"), (b"SSH-2.0\r\n", "is not HTTP")],
)
def test_no_http(sent: bytes, said: str) -> None:
    with HttpTarget(lambda _: [sent, DROP]) as target:
        assert said in str(Model.check_ready(target.url, 5))


def test_no_url() -> None:
    assert "write http://HOST:PORT" in str(Model.check_ready("toy", 5))


def test_a_secret_that_cannot_be_a_header_is_named_but_not_shown() -> None:
    class Wrong(Model):
        tonnage_headers = MappingProxyType({"Authorization": "secret\n"})

    said = str(Wrong.check_ready("http://127.0.0.1:1", 5))
    assert "header 'Authorization'" in said
    assert "secret" not in said
