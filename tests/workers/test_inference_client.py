"""Does the built-in client put each request on the wire once, time it, and report it once?"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from types import MappingProxyType, SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import getcurrent
from gevent.event import Event
from locust import task

from tests.workers.driving import driving
from tests.workers.servers import (
    DROP,
    HttpTarget,
    Received,
    eventually,
    ok,
    redirect_to,
    response,
)
from workers.clients.answer import Reply
from workers.clients.inference import CannotBeSent, InferenceUser
from workers.clients.wire import NotAnAddress
from workers.permit import PERMIT_KEY, ArrivalTimedOut


class Asking(InferenceUser):
    method = "POST"
    body = b"{}"

    @task
    def go(self) -> None:
        self.ask()

    def ask(self) -> Reply | None:
        return self.send(self.prepare(self.method, "/infer?x=1", self.body))


class Getting(Asking):
    method = "GET"
    body = b""


class Checking(InferenceUser):
    @task
    def go(self) -> None:
        request = self.prepare("GET", "/")
        self.send(request, check=lambda reply: "no luck" if b"error" in reply.body else None)


@pytest.fixture
def permit() -> Iterator[None]:
    """The running greenlet works for an arrival, which somebody else ends in time."""
    here: Any = getcurrent()
    before = getattr(here, "spawn_tree_locals", None)
    untold = SimpleNamespace(phase=lambda *_: None, first_byte=lambda _: None)
    here.spawn_tree_locals = {PERMIT_KEY: SimpleNamespace(recorder=untold)}
    yield
    here.spawn_tree_locals = before


def test_requests_of_a_user_share_one_connection_and_are_reported_once_each() -> None:
    with HttpTarget() as target, driving(Asking, target.url) as driven:
        for _ in range(3):
            driven.run_task()
    assert (target.connections, len(target.requests)) == (1, 3)
    assert driven.errors == [None] * 3
    (event, *_) = driven.events
    assert (event["request_type"], event["name"]) == ("POST", "/infer?x=1")
    assert event["response_length"] == len(b"ok")
    assert 0 < event["response_time"] < 60_000
    assert abs(event["start_time"] - time.time()) < 60
    assert event["response"].body == b"ok"


def test_the_request_is_what_was_prepared() -> None:
    class Prepared(InferenceUser):
        tonnage_headers = MappingProxyType({"Authorization": "secret", "X-Tier": "common"})

        @task
        def go(self) -> None:
            self.send(self.prepare("PUT", "/a%20b", b"body", [("x-tier", "gold")], "a name"))

    with HttpTarget() as target, driving(Prepared, f"{target.url}/base/") as driven:
        driven.run_task()
    (request,) = target.requests
    assert request.line == "PUT /base/a%20b HTTP/1.1"
    assert request.body == b"body"
    assert request.header("Host") == target.address
    assert request.header("Authorization") == "secret"
    assert request.head.lower().count("x-tier") == 1
    assert request.header("X-Tier") == "gold"
    assert driven.events[0]["name"] == "a name"


def test_only_a_request_that_may_have_a_body_says_how_long_it_is() -> None:
    with HttpTarget() as target:
        for kind in (Asking, Getting):
            with driving(kind, target.url) as driven:
                driven.run_task()
    assert [r.header("Content-Length") for r in target.requests] == ["2", None]


def test_the_phases_of_a_request_are_timed() -> None:
    with HttpTarget() as target, driving(Asking, target.url) as driven:
        first = driven.user.ask()
        second = driven.user.ask()
    assert 0 < first.connect_s < first.connect_s + first.first_byte_s <= first.total_s
    assert second.connect_s == 0
    assert 0 < second.first_byte_s <= second.total_s


def test_a_connection_that_has_ended_is_replaced_before_the_request_is_sent() -> None:
    with (
        HttpTarget(lambda _: [response(b"ok"), DROP]) as target,
        driving(Asking, target.url) as driven,
    ):
        for closed in (1, 2, 3):
            driven.run_task()
            _await_closed(target, closed)
    assert driven.errors == [None] * 3
    assert (target.connections, len(target.requests)) == (3, 3)


def _await_closed(target: HttpTarget, count: int) -> None:
    eventually(lambda: target.closed == count)


@pytest.mark.parametrize("kind", [Asking, Getting])
@pytest.mark.parametrize("sent", [[], [response(b"whole")[:10]], [response(b"whole")[:-1]]])
def test_a_connection_dropped_after_the_request_is_one_failure_and_never_sent_again(
    kind: type[Asking], sent: list[bytes]
) -> None:
    with (
        HttpTarget(lambda _: [*sent, DROP]) as target,
        driving(kind, target.url) as driven,
    ):
        driven.run_task()
    assert len(target.requests) == 1
    assert [str(error).split(":")[0] for error in driven.errors] == ["ConnectionDropped"]
    assert driven.events[0]["response"] is None


def test_after_a_failure_the_next_request_has_a_connection_of_its_own() -> None:
    def answer(request: Received) -> Iterable[bytes]:
        return [DROP] if request.connection == 1 else ok(request)

    with HttpTarget(answer) as target, driving(Asking, target.url) as driven:
        driven.run_task()
        driven.run_task()
    assert [error is None for error in driven.errors] == [False, True]


def test_nobody_listening_is_a_failure_and_no_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with driving(Asking, f"http://127.0.0.1:{unused.getsockname()[1]}") as driven:
            assert driven.user.ask() is None
    assert "ConnectionRefusedError" in str(driven.errors)


@pytest.mark.parametrize(
    ("status", "kind"), [("503 Busy", "HTTP 503"), ("404 X", "HTTP 404"), ("500 X", "HTTP 500")]
)
def test_an_error_status_is_a_failure_with_what_the_server_says(status: str, kind: str) -> None:
    busy = HttpTarget(lambda _: [response(b'{"error":\n"queue full"}' + b"." * 999, status)])
    with busy as target, driving(Asking, target.url) as driven:
        driven.run_task()
        driven.run_task()
    error = driven.events[0]["exception"]
    assert error.kind == kind
    assert "queue full" in str(error)
    assert len(str(error)) < 200
    assert "\n" not in str(error)
    assert target.connections == 1


def test_a_redirect_is_a_failure_and_not_followed() -> None:
    with (
        HttpTarget(lambda _: [redirect_to("/b")]) as target,
        driving(Asking, target.url) as driven,
    ):
        driven.run_task()
    assert driven.events[0]["exception"].kind == "HTTP 302"
    assert len(target.requests) == 1


def test_a_check_finds_the_error_in_an_answer_that_claims_success() -> None:
    bodies = [b"fine", b'{"error": "shape"}']
    with (
        HttpTarget(lambda _: [response(bodies.pop(0))]) as target,
        driving(Checking, target.url) as driven,
    ):
        driven.run_task()
        driven.run_task()
    assert driven.events[0]["exception"] is None
    assert driven.events[1]["exception"].kind == "no luck"


def test_a_task_interrupted_in_the_midst_of_an_answer_leaves_nothing_for_the_next_request(
    permit: None,
) -> None:
    rest = Event()

    def answer(request: Received) -> Iterable[bytes]:
        if request.connection > 1:
            yield response(b"new")
            return
        yield response(b"old")[:-1]
        rest.wait()
        yield b"d"

    with HttpTarget(answer) as target, driving(Asking, target.url) as driven:
        here: Any = getcurrent()
        waiting = gevent.spawn(interrupt_once_asked, target, here)
        with pytest.raises(ArrivalTimedOut):
            driven.user.ask()
        waiting.join()
        rest.set()
        assert driven.user.ask().body == b"new"
    assert driven.errors == [None]  # the gate reports the arrival it has interrupted


def interrupt_once_asked(target: HttpTarget, greenlet: Any) -> None:
    eventually(lambda: bool(target.requests))
    gevent.sleep(0.01)  # the beginning of the answer arrives
    gevent.get_hub().loop.run_callback(greenlet.throw, ArrivalTimedOut())


class Impatient(Asking):
    network_timeout_s = 0.05


def test_outside_of_arrivals_a_request_ends_after_the_network_time_out() -> None:
    silence = Event()

    def answer(_request: Received) -> Iterable[bytes]:
        silence.wait()
        return [DROP]

    with HttpTarget(answer) as target, driving(Impatient, target.url) as driven:
        driven.run_task()
        silence.set()
    assert driven.errors == ["NoAnswer: no answer within 0.05 s"]


def test_the_time_out_of_an_arrival_is_not_the_clients_business(permit: None) -> None:
    def answer(request: Received) -> Iterable[bytes]:
        gevent.sleep(0.2)
        return ok(request)

    with HttpTarget(answer) as target, driving(Impatient, target.url) as driven:
        driven.run_task()
    assert driven.errors == [None]


def test_a_large_body_goes_out_whole_and_a_large_answer_comes_back() -> None:
    class Large(Asking):
        body = bytes(range(256)) * 40_000  # more than a socket's buffer takes at once

    with (
        HttpTarget(lambda request: [response(request.body)]) as target,
        driving(Large, target.url) as driven,
    ):
        assert driven.user.ask().body == Large.body
        assert driven.user.ask().body == Large.body
    assert target.connections == 1


def test_a_server_that_answers_and_closes_costs_a_connection_a_request() -> None:
    closing = HttpTarget(lambda _: [response(b"ok", "200 OK", "Connection: close"), DROP])
    with closing as target, driving(Asking, target.url) as driven:
        driven.run_task()
        driven.run_task()
    assert driven.errors == [None, None]
    assert target.connections == 2


def test_a_name_is_resolved() -> None:
    with HttpTarget() as target, driving(Asking, f"http://localhost:{target.port}") as driven:
        driven.run_task()
    assert driven.errors == [None]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": "G ET"}, "method 'G ET'"),
        ({"path": "infer"}, "path 'infer'"),
        ({"path": "/a b"}, "path '/a b'"),
        ({"path": "/a\r\nX: 1"}, "path"),
        ({"headers": [("X Y", "1")]}, "header 'X Y'"),
        ({"headers": [("Content-Length", "1")]}, "header 'Content-Length'"),
        ({"headers": [("X", "s3cret\r\nY: 1")]}, "header 'X' has no value"),
        ({"headers": [("X", "s3cret€")]}, "header 'X' has no value"),
        ({"headers": [("X", 1)]}, "header 'X' has no value"),
    ],
)
def test_what_would_be_no_request_or_another_one_is_refused(
    wrong: dict[str, Any], said: str
) -> None:
    with driving(Asking, "http://127.0.0.1:1") as driven, pytest.raises(CannotBeSent) as caught:
        driven.user.prepare(**{"method": "GET", "path": "/"} | wrong)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("host", ["", "127.0.0.1:80", "ftp://h", "http://", "http://h:99999"])
def test_a_host_that_is_no_url_of_a_target_is_refused(host: str) -> None:
    with pytest.raises(NotAnAddress), driving(Asking, host):
        pass
