"""Does the client read event streams as they are written, and problems as people need them?"""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tonnage.client import Controller, Refused, Unreachable, _parse_events
from tonnage.errors import FAILED, REJECTED

Answer = Callable[[httpx.Request], httpx.Response]


def controller(answer: Answer, token: str | None = None) -> Controller:
    """A client whose requests are answered by a function instead of the network."""
    client = Controller("http://127.0.0.1:1/", token)
    client._http = httpx.Client(
        base_url=client.url, headers=client._http.headers, transport=httpx.MockTransport(answer)
    )
    return client


def parsed(text: str) -> list[tuple[str, str, dict[str, object]]]:
    return list(_parse_events(iter(text.split("\n"))))


def test_an_event_has_position_kind_and_data() -> None:
    assert parsed('id: 7\nevent: view\ndata: {"a": 1}\n\n') == [("7", "view", {"a": 1})]


def test_data_over_several_lines_is_one_document() -> None:
    assert parsed('id: 1\nevent: view\ndata: {"a":\ndata: 1}\n\n') == [("1", "view", {"a": 1})]


def test_pings_and_unknown_fields_are_passed_over() -> None:
    text = ": ping\n\nretry: 500\n\nid: 2\nevent: end\ndata: {}\n\n: ping\n\n"
    assert parsed(text) == [("2", "end", {})]


def test_the_kind_does_not_carry_over_but_the_position_does() -> None:
    text = "id: 3\nevent: view\ndata: {}\n\ndata: {}\n\n"
    assert parsed(text) == [("3", "view", {}), ("3", "message", {})]


def test_only_one_space_after_the_colon_belongs_to_the_format() -> None:
    assert parsed("id:4\nevent:view\ndata:{}\n\n") == [("4", "view", {})]
    assert parsed("id:  5\ndata: {}\n\n") == [(" 5", "message", {})]


def test_an_event_cut_off_by_the_end_of_the_stream_is_not_told() -> None:
    assert parsed('id: 6\nevent: view\ndata: {"a": 1}') == []


def test_events_are_asked_for_behind_the_last_position() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("last-event-id"))
        return httpx.Response(200, text="id: 9\nevent: end\ndata: {}\n\n")

    client = controller(answer)
    assert list(client.events("r", None)) == [("9", "end", {})]
    assert list(client.events("r", "9")) == [("9", "end", {})]
    assert seen == [None, "9"]


def test_the_token_goes_along_and_stays_out_of_messages() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Unreachable) as caught:
        controller(answer, token="a-very-secret-token").runs()
    assert seen == ["Bearer a-very-secret-token"]
    assert "secret" not in str(caught.value)
    assert "http://127.0.0.1:1" in str(caught.value)
    assert caught.value.status == FAILED


def test_every_fault_of_a_goal_is_told_with_field_value_and_fix() -> None:
    problem = {
        "title": "The goal is wrong",
        "detail": "2 fields are wrong.",
        "errors": [
            {"field": "search.from", "value": "0/s", "fix": "must be above zero"},
            {"field": "slo.0", "value": "p101", "fix": "write p99"},
        ],
    }
    with pytest.raises(Refused) as caught:
        controller(lambda _: httpx.Response(422, json=problem)).create({}, "key")
    assert str(caught.value).splitlines() == [
        "search.from: 0/s: must be above zero",
        "slo.0: p101: write p99",
    ]
    assert caught.value.status == REJECTED


@pytest.mark.parametrize(
    ("status", "exit_status"), [(400, REJECTED), (404, REJECTED), (500, FAILED), (503, FAILED)]
)
def test_an_answer_that_is_no_problem_document_still_has_a_sentence(
    status: int, exit_status: int
) -> None:
    for body in ("<html>", '["a"]', '{"errors": []}'):
        with pytest.raises(Refused) as caught:
            controller(lambda _, text=body: httpx.Response(status, text=text)).view("r")  # type: ignore[misc]
        assert str(status) in str(caught.value)
        assert caught.value.status == exit_status


def test_creating_a_run_sends_goal_and_key() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert request.url.path == "/api/v1/runs"
        assert request.headers["idempotency-key"] == "key"
        assert json.loads(request.content) == {"name": "a"}
        return httpx.Response(201, json={"id": "r1"})

    assert controller(answer).create({"name": "a"}, "key") == "r1"


def test_an_upload_sends_the_bytes_under_their_hash(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(b"\x00bytes")
    sent: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path, request.content))
        return httpx.Response(204)

    controller(answer).upload(path.read_bytes(), "ab" * 32)
    assert sent == [(f"/api/v1/artefacts/{'ab' * 32}", b"\x00bytes")]


@pytest.mark.parametrize("status", [202, 409])
def test_aborting_a_run_that_has_ended_is_no_error(status: int) -> None:
    controller(lambda _: httpx.Response(status, json={})).abort("r")


def test_aborting_a_run_that_is_not_there_is_one() -> None:
    with pytest.raises(Refused, match="no such run"):
        controller(lambda _: httpx.Response(404, json={"detail": "no such run"})).abort("r")
