"""Is a recording read as written, and is a line that cannot be sent named with its fix?"""

import base64
import json

import pytest

from contract.recording import RecordedRequest, RecordingError, parse_recording


def lines(*documents: object) -> bytes:
    return "\n".join(json.dumps(document) for document in documents).encode()


def test_a_line_is_one_whole_request() -> None:
    document = {
        "method": "post",
        "path": "/v2/models/toy/infer?x=1",
        "headers": {"X-Tier": "gold"},
        "body": "hello",
        "name": "infer",
    }
    assert parse_recording(lines(document)) == (
        RecordedRequest(
            body=b"hello",
            headers=(("X-Tier", "gold"),),
            method="POST",
            path="/v2/models/toy/infer?x=1",
            name="infer",
        ),
    )


def test_what_a_line_leaves_out_is_left_to_the_user_class() -> None:
    assert parse_recording(b"{}") == (RecordedRequest(),)


def test_order_and_repetition_are_kept_and_blank_lines_are_not_requests() -> None:
    data = b'\xef\xbb\xbf{"body": "a"}\n\n  \r\n{"body": "b"}\r\n{"body": "a"}\n'
    assert [request.body for request in parse_recording(data)] == [b"a", b"b", b"a"]


def test_bytes_come_through_base64() -> None:
    raw = bytes(range(256))
    data = lines({"body": {"base64": base64.b64encode(raw).decode()}})
    assert parse_recording(data) == (RecordedRequest(body=raw),)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"inputs": [1, 2.5]}, b'{"inputs":[1,2.5]}'),
        ([], b"[]"),
        (7, b"7"),
        (False, b"false"),
        ({"text": "Größe"}, '{"text":"Größe"}'.encode()),
        ({"base64": "QQ==", "more": 1}, b'{"base64":"QQ==","more":1}'),
    ],
)
def test_a_json_body_is_sent_as_json_and_says_so(value: object, sent: bytes) -> None:
    assert parse_recording(lines({"body": value})) == (
        RecordedRequest(body=sent, headers=(("Content-Type", "application/json"),)),
    )


def test_a_recorded_content_type_stands() -> None:
    recorded = {"body": {"a": 1}, "headers": {"content-type": "application/x-model"}}
    assert parse_recording(lines(recorded))[0].headers == (("content-type", "application/x-model"),)


def test_headers_of_the_recorded_connection_are_not_sent_again() -> None:
    headers = {"Host": "old", "CONTENT-LENGTH": "3", "Transfer-Encoding": "chunked", "X-A": "1"}
    assert parse_recording(lines({"headers": headers}))[0].headers == (("X-A", "1"),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not JSON at column 2"),
        (b"[1]", "a list instead of an object"),
        (b"\xff", "not UTF-8 at byte 1"),
        (b'{"boddy": 1}', "unknown key 'boddy': did you mean 'body'?"),
        (b'{"x": 1}', "unknown key 'x': known are method, path"),
        (b'{"method": "PO ST"}', "method 'PO ST'"),
        (b'{"method": 1}', "method 1"),
        (b'{"path": "v2/x"}', "path 'v2/x' cannot be sent"),
        (b'{"path": "/a b"}', "path '/a b' cannot be sent"),
        (b'{"path": "/a\\r\\nX: 1"}', "cannot be sent"),
        (b'{"headers": [1]}', "headers are a list"),
        (b'{"headers": {"X Y": "1"}}', "header 'X Y' cannot be sent"),
        (b'{"headers": {"X": 1}}', "header 'X' has no value to send"),
        (b'{"headers": {"X": "1\\r\\nY: 2"}}', "header 'X' has no value to send"),
        ('{"headers": {"X": "€"}}'.encode(), "header 'X' has no value to send"),
        (b'{"body": {"base64": "?"}}', "body.base64 is not base64"),
        (b'{"body": {"base64": 1}}', "body.base64 is a number instead of text"),
        (b'{"body": "\\ud800"}', "half a surrogate pair"),
        (b'{"body": ["\\ud800"]}', "half a surrogate pair"),
        (b'{"name": ""}', "name '' is not text"),
        (b'{"body": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deep"),
    ],
)
def test_a_line_that_cannot_be_sent_is_named(line: bytes, said: str) -> None:
    with pytest.raises(RecordingError) as caught:
        parse_recording(b'{"body": "fine"}\n\n' + line)
    assert str(caught.value).startswith("line 3: ")
    assert said in str(caught.value)


def test_a_header_value_stays_out_of_the_message() -> None:
    with pytest.raises(RecordingError) as caught:
        parse_recording(lines({"headers": {"Authorization": "secret\n"}}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_an_empty_recording_is_refused(data: bytes) -> None:
    with pytest.raises(RecordingError, match="empty"):
        parse_recording(data)
