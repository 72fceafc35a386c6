"""Is an answer read the same whether it comes in one piece or in a hundred, and refused otherwise?"""

from __future__ import annotations

import pytest
from geventhttpclient._parser import HTTPParseError

from tests.workers.servers import response
from workers.clients.answer import Answer, Assembly, Reply, whole


def assembled(*pieces: bytes, head: bool = False) -> Answer:
    assembly = Assembly(head=head)
    for piece in pieces:
        assert not assembly.is_complete
        assembly.add(piece)
    assert assembly.is_complete
    return assembly.answer()


def headers(answer: Answer) -> dict[str, str]:
    return Reply(answer.status, answer.head, answer.body, 0, 0, 0).headers


PLAIN = response(b'{"a":1}', "200 OK", "Content-Type: application/json", "X-A: 1", "x-a: 2")


def test_an_answer_in_its_plainest_form_is_read_at_once() -> None:
    answer = whole(PLAIN)
    assert answer is not None
    assert (answer.status, answer.body, answer.keeps) == (200, b'{"a":1}', True)
    assert headers(answer) == {
        "content-length": "7",
        "content-type": "application/json",
        "x-a": "1, 2",
    }


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        response(b"", "503 Service Unavailable"),
        response(b"x", "200 OK", "Connection: close"),
        response(b"x", "200 OK", "CONNECTION: Keep-Alive"),
        response(b"x" * 300, "404 Not Found", "Connection: close, te"),
    ],
)
def test_both_ways_of_reading_agree(data: bytes) -> None:
    answer = whole(data)
    assert answer is not None
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        other = assembled(*pieces)
        assert (other.status, other.body, other.keeps) == (
            answer.status,
            answer.body,
            answer.keeps,
        )
        assert headers(other) == headers(answer)


@pytest.mark.parametrize(
    "data",
    [
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN[:20],
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        response(b"x", "200 OK", "Content-Length: 1"),
        response(b"x", "200 OK", "Transfer-Encoding: chunked"),
        response(b"x").replace(b"Length: 1", b"Length: +1"),
        response(b"").replace(b"Content-Length: 0\r\n", b"X: content-length: 0\r\n"),
        response(b"", "204 No Content"),
        response(b"", "304 Not Modified"),
        response(b"", "100 Continue"),
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_any_other_form_is_left_to_the_parser(data: bytes) -> None:
    assert whole(data) is None


def test_chunks_are_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = assembled(head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")
    assert (answer.body, answer.keeps) == (b"abcde", True)


def test_an_answer_without_length_ends_with_its_connection() -> None:
    answer = assembled(b"HTTP/1.1 200 OK\r\n\r\nab", b"c", b"")
    assert (answer.body, answer.keeps) == (b"abc", False)


def test_interim_answers_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
    answer = assembled(b"HTTP/1.1 100 Continue\r\n\r\n", early + response(b"x", "201 Created"))
    assert (answer.status, answer.body) == (201, b"x")
    assert "x-early" not in headers(answer)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_statuses_have_no_body(status: str) -> None:
    answer = assembled(f"HTTP/1.1 {status}\r\nX: 1\r\n\r\n".encode())
    assert (answer.status, answer.body, answer.keeps) == (int(status[:3]), b"", True)


def test_the_answer_to_head_announces_a_body_that_does_not_come() -> None:
    data = response(b"hello")[: -len(b"hello")]
    assert (assembled(data, head=True).body, assembled(data, head=True).keeps) == (b"", True)


@pytest.mark.parametrize(("data", "head"), [(response(b"a"), True), (response(b"a") * 2, False)])
def test_after_more_than_was_asked_for_the_connection_is_not_kept(data: bytes, head: bool) -> None:
    answer = assembled(data, head=head)
    assert (answer.status, answer.keeps) == (200, False)
    assert answer.body == (b"" if head else b"a")


def test_an_old_server_keeps_no_connection() -> None:
    assert not assembled(response(b"a").replace(b"HTTP/1.1", b"HTTP/1.0")).keeps


@pytest.mark.parametrize(
    "data", [b"SSH-2.0\r\n", b"HTTP/1.1 abc\r\n\r\n", response(b"x", "200 OK", "Content-Length: 2")]
)
def test_what_is_no_http_is_refused(data: bytes) -> None:
    with pytest.raises(HTTPParseError):
        Assembly(head=False).add(data)


@pytest.mark.parametrize("cut", [1, 20, len(PLAIN) - 1])
def test_an_answer_cut_short_is_refused(cut: int) -> None:
    assembly = Assembly(head=False)
    assembly.add(PLAIN[:cut])
    with pytest.raises(HTTPParseError):
        assembly.add(b"")
