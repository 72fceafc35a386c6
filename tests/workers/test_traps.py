"""Do the clients' silent habits falsify a measurement, and do the fixes end that?

Each claim about a fix stands beside one that shows the habit with the fixes off.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import gevent
import pytest
from gevent.event import Event
from locust import FastHttpUser, HttpUser, User, task

from tests.workers.clients import Fast, Http
from tests.workers.driving import driving
from tests.workers.servers import (
    DROP,
    HttpTarget,
    Received,
    eventually,
    response,
)

ABOVE_SELECT = 1024
"""File descriptors from here on are too high for select()."""


# Keep-alive with many sockets open


@pytest.fixture
def many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ABOVE_SELECT + 400
    if hard != resource.RLIM_INFINITY:
        assert hard >= wanted, "this test opens more than 1,024 files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    null = os.open(os.devnull, os.O_RDONLY)
    copies = [os.dup(null) for _ in range(ABOVE_SELECT + 16)]
    yield
    for descriptor in [null, *copies]:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connections_for_five_requests() -> int:
    with HttpTarget() as target, driving(Fast, target.url) as driven:
        for _ in range(5):
            driven.run_task()
    assert driven.errors == [None] * 5
    return target.connections


def test_stock_loses_keep_alive_above_1024_descriptors(stock: None, many_open_files: None) -> None:
    assert connections_for_five_requests() == 5


def test_keep_alive_lasts_above_1024_descriptors(fixed: None, many_open_files: None) -> None:
    assert connections_for_five_requests() == 1


def test_an_idle_connection_that_was_closed_is_replaced_before_the_request(fixed: None) -> None:
    closing = HttpTarget(lambda _: [response(b"ok"), DROP])
    with closing as target, driving(Fast, target.url) as driven:
        for count in range(1, 4):
            driven.run_task()
            eventually(partial(lambda n: target.closed == n, count))
    assert driven.errors == [None] * 3
    assert (target.connections, len(target.requests)) == (3, 3)


# Lines of a stream


class Tokens(FastHttpUser):
    def first_line(self) -> str:
        lines = self.client.iter_lines("/")
        try:
            return next(lines)
        finally:
            lines.close()

    def all_lines(self) -> list[str]:
        return list(self.client.iter_lines("/"))


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


STREAM = response().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


def test_stock_hands_out_no_line_before_a_block_is_full(stock: None) -> None:
    rest = Event()

    def answer(_request: Received) -> Iterable[bytes]:
        yield STREAM + chunk(b"data: 1\n")
        rest.wait()

    with HttpTarget(answer) as target, driving(Tokens, target.url) as driven:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.2):
            driven.user.first_line()
        rest.set()


def test_a_line_is_handed_out_while_the_stream_goes_on(fixed: None) -> None:
    rest = Event()

    def answer(_request: Received) -> Iterable[bytes]:
        yield STREAM + chunk(b"data: 1\nda")
        rest.wait()

    with HttpTarget(answer) as target, driving(Tokens, target.url) as driven:
        with gevent.Timeout(10):
            assert driven.user.first_line() == "data: 1"
        rest.set()
    assert driven.errors == [None]


def test_the_request_of_a_stream_ends_with_its_last_line(fixed: None) -> None:
    ended: list[str] = []

    def answer(_request: Received) -> Iterable[bytes]:
        yield STREAM + chunk("data: Grö".encode()[:-1])
        yield chunk("ö".encode()[-1:] + b"sse\n\nlast")
        ended.append("stream")
        yield b"0\r\n\r\n"

    with HttpTarget(answer) as target, driving(Tokens, target.url) as driven:
        driven.user.environment.events.request.add_listener(lambda **_: ended.append("request"))
        assert driven.user.all_lines() == ["data: Größe"[:9] + "sse", "", "last"]
    assert ended == ["stream", "request"]
    assert driven.events[0]["response_length"] == len("data: Grösse\n\nlast".encode())


def test_a_stream_cut_short_is_a_failed_request(fixed: None) -> None:
    cutting = HttpTarget(lambda _: [STREAM + chunk(b"data: 1\n"), DROP])
    with (
        cutting as target,
        driving(Tokens, target.url) as driven,
        pytest.raises(Exception, match="Incomplete"),
    ):
        driven.user.all_lines()
    assert [error and "Incomplete" in error for error in driven.errors] == [True]


def test_a_stream_refused_is_one_failed_request(fixed: None) -> None:
    busy = HttpTarget(lambda _: [response(b"no", "503 Busy")])
    with (
        busy as target,
        driving(Tokens, target.url) as driven,
        pytest.raises(Exception, match="503"),
    ):
        driven.user.all_lines()
    assert len(driven.errors) == 1
    assert "503" in str(driven.errors[0])


# Requests sent again


def drops_second(request: Received) -> Iterable[bytes]:
    """Answers the first request of a connection, and takes the second one to its grave."""
    seen = answered.setdefault(request.connection, 0)
    answered[request.connection] = seen + 1
    return [response(b"ok")] if seen == 0 else [DROP]


answered: dict[int, int] = {}


@pytest.fixture(autouse=True)
def _forget() -> None:
    answered.clear()


def test_stock_sends_a_dropped_request_again_in_silence(stock: None) -> None:
    with HttpTarget(drops_second) as target, driving(Fast, target.url) as driven:
        driven.run_task()
        driven.run_task()
    assert driven.errors == [None, None]
    assert len(target.requests) == 3


@pytest.mark.parametrize("kind", [Fast, Http])
def test_a_dropped_request_fails_and_is_not_sent_again(
    kind: type[User], fixed: None, extra: Any
) -> None:
    with HttpTarget(drops_second) as target, driving(kind, target.url) as driven:
        driven.run_task()
        driven.run_task()
    assert driven.errors[0] is None
    assert driven.errors[1] is not None
    assert (len(target.requests), extra.extra_sends) == (2, 0)


class Expecting(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.post("/", data="body", headers={"Expect": "100-continue"})


def never_continues(_request: Received) -> Iterable[bytes]:
    return [DROP]


def heads_sent(kind: type[User]) -> int:
    deaf = HttpTarget(never_continues, reads_bodies=False)
    with deaf as target, driving(kind, target.url) as driven:
        driven.run_task()
        assert len(driven.errors) == 1
        assert driven.errors[0] is not None
    return target.connections


def test_stock_sends_the_head_again_that_waits_for_leave(stock: None) -> None:
    assert heads_sent(Expecting) > 1


def test_a_head_that_waits_for_leave_is_sent_once(fixed: None) -> None:
    assert heads_sent(Expecting) == 1


class Retrying(FastHttpUser):
    max_retries = 2
    network_timeout = 0.05

    @task
    def go(self) -> None:
        self.client.get("/")


def test_retries_the_locustfile_asks_for_are_made_and_counted(fixed: None, extra: Any) -> None:
    def answer(_request: Received) -> Iterable[bytes]:
        if len(target.requests) == 3:
            return [response(b"ok")]
        forever.wait()
        return [DROP]

    forever = Event()
    with HttpTarget(answer) as target, driving(Retrying, target.url) as driven:
        driven.run_task()
        forever.set()
    assert driven.errors == [None]
    assert (len(target.requests), extra.extra_sends) == (3, 2)


class RetryingHttp(HttpUser):
    @task
    def go(self) -> None:
        adapters: Any = self.client.adapters.values()
        for adapter in adapters:
            adapter.max_retries = adapter.max_retries.new(total=2, read=2)
        self.client.get("/")


def test_retries_of_requests_are_counted_too(fixed: None, extra: Any) -> None:
    def answer(_request: Received) -> Iterable[bytes]:
        return [response(b"ok")] if len(target.requests) == 3 else [DROP]

    with HttpTarget(answer) as target, driving(RetryingHttp, target.url) as driven:
        driven.run_task()
    assert driven.errors == [None]
    assert (len(target.requests), extra.extra_sends) == (3, 2)
