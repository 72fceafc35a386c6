"""Can an advisor harm the run, keep it waiting or send it elsewhere? On a loopback socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from contract.units import Rate
from controller.adapters.http_advisor import ANSWER_BYTES, HttpAdvisor
from controller.search.advice import Advice, Consult
from tests.helpers.builders import a_goal

pytestmark = pytest.mark.anyio


@dataclass
class Endpoint:
    """What it answers with, and what it was asked."""

    status: int = 200
    body: bytes = b'{"rate": 123.4}'
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/next"


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            document = json.loads(self.rfile.read(length))
            endpoint.asked.append((self.path, self.headers["Content-Type"], document))
            if endpoint.silent:
                endpoint.released.wait(20)
                return
            self.send_response(endpoint.status)
            for name, value in endpoint.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(endpoint.body)))
            self.end_headers()
            with suppress(OSError):  # whoever asked may have heard enough
                self.wfile.write(endpoint.body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        endpoint.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.released.set()
            server.shutdown()
            thread.join(10)


async def advice_of(endpoint: Endpoint, url: str | None = None, **options: Any) -> Advice:
    consult = Consult(1, url or endpoint.url, Rate(10.0), Rate(1000.0))
    advisor = HttpAdvisor(options.pop("allowed", ()), **options)
    goal = a_goal(strategy="external", advisor=consult.url)
    return await advisor.advise("r1", goal, consult)


async def test_the_advisor_is_sent_the_question_and_its_rate_comes_back() -> None:
    with serving(Endpoint()) as endpoint:
        assert await advice_of(endpoint) == Advice(rate=Rate(123.4))
    ((path, kind, document),) = endpoint.asked
    assert (path, kind) == ("/next", "application/json")
    assert (document["run"], document["goal"], document["last"]) == ("r1", "toy", None)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (Endpoint(status=500, body=b"sk-secret"), "HTTP status 500 with 9 bytes: 200 with"),
        (Endpoint(status=404, body=b""), "HTTP status 404 with nothing"),
        (Endpoint(body=b"sk-secret"), "answered 9 bytes that are no JSON"),
        (Endpoint(body=b""), "answered nothing"),
        (Endpoint(body=b"[" * 60_000), "would be right"),
        (Endpoint(body=b"\xff\xfe"), "would be right"),
        (Endpoint(body=b'{"rate": NaN}'), "would be right"),
        (Endpoint(body=b'{"rate": 5}'), "one from search.from, 10/s, to search.to, 1k/s"),
        (Endpoint(body=b" " * (ANSWER_BYTES + 1)), "answered more than 64 KiB"),
    ],
    ids=["500", "404", "text", "empty", "deep", "bytes", "nan", "range", "large"],
)
async def test_what_is_wrong_is_told_without_the_text_that_came(
    endpoint: Endpoint, said: str
) -> None:
    with serving(endpoint):
        advice = await advice_of(endpoint)
    assert advice.fault is not None
    assert said in advice.fault
    assert "secret" not in advice.fault


async def test_an_answer_that_is_no_http_is_not_quoted_either() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"sk-secret\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        advice = await advice_of(Endpoint(port=port))
    assert advice.fault == "could not be asked (RemoteProtocolError)"


async def test_a_redirect_is_not_followed() -> None:
    with serving(Endpoint()) as other:
        away = Endpoint(status=307, body=b"", headers={"Location": other.url})
        with serving(away):
            advice = await advice_of(away)
    assert advice.fault is not None
    assert "HTTP status 307" in advice.fault
    assert other.asked == []


async def test_silence_ends_after_the_time_out() -> None:
    with serving(Endpoint(silent=True)) as endpoint:
        assert await advice_of(endpoint, timeout_s=0.2) == Advice(
            fault="did not answer within 0.2 s"
        )


async def test_nobody_there_is_told_with_the_error() -> None:
    with serving(Endpoint()) as endpoint:
        pass
    advice = await advice_of(endpoint)
    assert advice.fault is not None
    assert advice.fault.startswith("could not be asked (ConnectError")


async def test_only_loopback_and_listed_hosts_are_asked() -> None:
    refused = await advice_of(Endpoint(), "http://10.0.0.7:9000/next")
    assert (
        refused.fault == "may not be asked: start the controller with --allow-target 10.0.0.7:9000"
    )
    with serving(Endpoint()) as endpoint:
        assert (await advice_of(endpoint, f"http://localhost:{endpoint.port}/x")).rate == 123.4
    assert endpoint.asked[0][0] == "/x"


async def test_no_proxy_of_the_environment_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with serving(Endpoint()) as endpoint:
        assert (await advice_of(endpoint)).rate == 123.4
