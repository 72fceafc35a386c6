"""Are recorded requests sent whole, drawn in the order their seed gives?"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from contract.recording import RecordingError
from locustfiles.kserve_v2 import KServeV2User
from locustfiles.plain_http import PlainHttpUser
from tests.workers.driving import driving
from tests.workers.servers import HttpTarget
from workers.clients.inference import InferenceUser

LINES = [{"body": {"n": n}, "headers": {"X-N": str(n)}} for n in range(8)]


def jsonl(*lines: object) -> bytes:
    return "\n".join(json.dumps(line) for line in lines).encode()


def kind_of(base: type[InferenceUser], requests: bytes, seed: int = 1) -> Any:
    """A class as the worker makes one: fresh for each run, its attributes filled in."""
    return type(
        base.__name__,
        (base,),
        {"tonnage_requests": requests, "tonnage_seed": seed, "model": "toy"},
    )


def sent(kind: Any, count: int, users: int = 1) -> list[Any]:
    with HttpTarget() as target:
        for _ in range(users):
            with driving(kind, target.url) as driven:
                driven.user.on_start()
                for _ in range(count):
                    driven.run_task()
            assert driven.errors == [None] * count
    return target.requests


def numbers(requests: list[Any]) -> list[int]:
    return [json.loads(request.body)["n"] for request in requests]


def test_a_line_is_sent_whole() -> None:
    requests = sent(kind_of(PlainHttpUser, jsonl(*LINES)), 50)
    assert all(json.loads(r.body)["n"] == int(r.header("X-N")) for r in requests)
    assert {r.header("Content-Type") for r in requests} == {"application/json"}


def test_lines_are_drawn_with_replacement_each_as_likely_as_any_other() -> None:
    counts = Counter(numbers(sent(kind_of(PlainHttpUser, jsonl(*LINES)), 800)))
    assert len(counts) == 8
    # 800 draws of 8: mean 100, sd 9.4
    assert all(60 < count < 140 for count in counts.values())


def test_the_same_seed_draws_the_same_lines_again() -> None:
    draws = [numbers(sent(kind_of(PlainHttpUser, jsonl(*LINES), seed), 40)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_each_user_draws_in_an_order_of_its_own() -> None:
    drawn = numbers(sent(kind_of(PlainHttpUser, jsonl(*LINES)), 40, users=2))
    assert drawn[:40] != drawn[40:]


def test_what_a_line_is_silent_on_is_the_user_classs() -> None:
    line: dict[str, Any] = {"body": {"inputs": []}}
    (request,) = sent(kind_of(KServeV2User, jsonl(line)), 1)
    assert request.line == "POST /v2/models/toy/infer HTTP/1.1"


def test_what_a_line_says_stands() -> None:
    lines = [{"method": "GET", "path": "/v2/models/other", "name": "other"}]
    kind = kind_of(KServeV2User, jsonl(*lines))
    with HttpTarget() as target, driving(kind, target.url) as driven:
        driven.user.on_start()
        driven.run_task()
    assert target.requests[0].line == "GET /v2/models/other HTTP/1.1"
    assert driven.events[0]["name"] == "other"


def test_a_wrong_line_is_named_before_anything_is_sent() -> None:
    kind = kind_of(PlainHttpUser, jsonl({"body": "fine"}, {"bdy": 1}))
    with (
        HttpTarget() as target,
        driving(kind, target.url) as driven,
        pytest.raises(RecordingError, match="line 2: unknown key 'bdy'"),
    ):
        driven.start_and_run_task()
    assert target.connections == 0


def test_a_recording_is_read_before_the_first_arrival() -> None:
    kind = kind_of(PlainHttpUser, b"{")
    with driving(kind, "http://127.0.0.1:1") as driven, pytest.raises(RecordingError):
        driven.user.on_start()


def test_requests_are_made_once_for_all_users_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = kind_of(PlainHttpUser, jsonl(*LINES))
    made: list[object] = []
    make = kind._made

    def note(user: object) -> object:
        made.append(user)
        return make(user)

    monkeypatch.setattr(kind, "_made", note)
    sent(kind, 1)
    with HttpTarget() as target:
        for _ in range(2):
            with driving(kind, target.url) as driven:
                driven.user.on_start()
    assert len(made) == 2  # one for each target
