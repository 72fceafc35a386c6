"""Does the demo server read HTTP/1.1 as it is written, and refuse what it does not serve?"""

import asyncio

import pytest

from deploy.demo.http1 import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Connection,
    Refused,
    Request,
    Response,
    read_request,
)

POST = b"POST /infer HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
GET = b"GET /metrics?a=b HTTP/1.1\r\nHost: a\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def connected(handled: list[Request], *, answers: bool = True) -> tuple[Connection, Wire]:
    def handle(connection: Connection, request: Request) -> None:
        handled.append(request)
        if answers:
            connection.respond(Response(200, b"ok"))

    def refuse(refused: Refused) -> Response:
        return Response(refused.status, str(refused).encode())

    connection = Connection(handle, refuse, lambda _: None, lambda: 0.0)
    wire = Wire()
    connection.connection_made(wire)
    return connection, wire


def test_a_whole_request_is_taken_off_the_buffer() -> None:
    buffer = bytearray(POST + b"POST")
    assert read_request(buffer) == Request("POST", "/infer", "", b"hi", keep_alive=True)
    assert buffer == b"POST"


def test_the_query_is_no_part_of_the_path() -> None:
    request = read_request(bytearray(GET))
    assert request is not None
    assert (request.path, request.query) == ("/metrics", "a=b")


@pytest.mark.parametrize("length", range(len(POST)))
def test_a_request_cut_anywhere_is_waited_for(length: int) -> None:
    assert read_request(bytearray(POST[:length])) is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"x" * (MAX_HEAD_BYTES + 1), 431),
    ],
)
def test_what_is_not_served_is_refused(text: bytes, status: int) -> None:
    with pytest.raises(Refused) as caught:
        read_request(bytearray(text))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("version", "wish", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_the_client_says_whether_the_connection_is_kept(
    version: bytes, wish: bytes, kept: bool
) -> None:
    handled: list[Request] = []
    connection, wire = connected(handled)
    connection.data_received(b"GET / HTTP/" + version + b"\r\n" + wish + b"\r\n")
    assert handled[0].keep_alive is kept
    assert wire.closed is not kept
    assert (b"connection: close" in wire.written) is not kept


def test_a_second_request_waits_for_the_answer_to_the_first() -> None:
    handled: list[Request] = []
    connection, wire = connected(handled, answers=False)
    connection.data_received(POST + GET)
    assert [request.method for request in handled] == ["POST"]
    connection.respond(Response(200, b"one"))
    assert [request.method for request in handled] == ["POST", "GET"]
    connection.respond(Response(200, b"two"))
    assert wire.written.endswith(b"two")
    assert wire.written.index(b"one") < wire.written.index(b"two")


def test_many_requests_in_one_piece_are_all_answered() -> None:
    handled: list[Request] = []
    connection, wire = connected(handled)
    connection.data_received(GET * 5_000)
    assert len(handled) == 5_000
    assert wire.written.count(b"HTTP/1.1 200 OK") == 5_000


def test_a_refused_connection_is_told_why_and_closed() -> None:
    handled: list[Request] = []
    connection, wire = connected(handled)
    connection.data_received(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + GET)
    assert wire.written.startswith(b"HTTP/1.1 411 ")
    assert wire.closed
    assert handled == []


def test_an_answer_to_a_client_that_left_is_dropped() -> None:
    connection, wire = connected([], answers=False)
    connection.data_received(GET)
    connection.connection_lost(None)
    connection.respond(Response(200, b"late"))
    assert wire.written == b""
