"""Do the locustfiles that ship send what their options say, and does stock Locust run them?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from gevent.subprocess import Popen

import locustfiles
from locustfiles.kserve_v2 import KServeV2User
from locustfiles.plain_http import PlainHttpUser
from tests.workers.driving import driving
from tests.workers.servers import HttpTarget, Received, eventually, response
from workers.clients.inference import CannotBeSent, InferenceUser
from workers.clients.options import OptionError

FOLDER = Path(str(locustfiles.__file__)).parent
FILES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def kind_of(base: type[InferenceUser], options: dict[str, Any], **filled: Any) -> Any:
    return type(base.__name__, (base,), {"tonnage_options": options, "model": "toy", **filled})


def sent(base: type[InferenceUser], options: dict[str, Any], count: int = 1) -> list[Received]:
    with HttpTarget() as target, driving(kind_of(base, options), target.url) as driven:
        driven.user.on_start()
        for _ in range(count):
            driven.run_task()
    return target.requests


def test_plain_http_gets_the_root() -> None:
    (request,) = sent(PlainHttpUser, {})
    assert (request.line, request.body) == ("GET / HTTP/1.1", b"")


def test_plain_http_sends_what_the_options_say() -> None:
    options = {"path": "/a?b=1", "body": {"x": 1}, "headers": {"X-A": "1"}, "method": "put"}
    (request,) = sent(PlainHttpUser, options)
    assert (request.line, json.loads(request.body)) == ("PUT /a?b=1 HTTP/1.1", {"x": 1})
    assert (request.header("X-A"), request.header("Content-Type")) == ("1", "application/json")


def test_plain_http_posts_a_body_and_leaves_text_as_it_is() -> None:
    (request,) = sent(PlainHttpUser, {"body": "a=1", "headers": {"content-type": "text/x"}})
    assert (request.line.split()[0], request.body) == ("POST", b"a=1")
    assert request.header("Content-Type") == "text/x"


def test_plain_http_goes_by_its_name() -> None:
    kind = kind_of(PlainHttpUser, {"name": "rank"})
    with HttpTarget() as target, driving(kind, target.url) as driven:
        driven.user.on_start()
        driven.run_task()
    assert driven.events[0]["name"] == "rank"


def test_kserve_asks_for_inference_on_small_random_tensors() -> None:
    requests = sent(KServeV2User, {}, count=100)
    assert {request.line for request in requests} == {"POST /v2/models/toy/infer HTTP/1.1"}
    bodies = {request.body for request in requests}
    assert 30 < len(bodies) <= 64
    for body in bodies:
        (tensor,) = json.loads(body)["inputs"]
        assert (tensor["name"], tensor["shape"], tensor["datatype"]) == ("x", [1, 4], "FP32")
        assert len(tensor["data"]) == 4
        assert all(isinstance(number, float) for number in tensor["data"])


def test_kserve_makes_tensors_of_the_shape_and_type_asked_for() -> None:
    options = {"input": "ids", "shape": [2, 3], "datatype": "INT64", "bodies": 1}
    (first, second) = sent(KServeV2User, options, count=2)
    (tensor,) = json.loads(first.body)["inputs"]
    assert (tensor["name"], tensor["shape"], len(tensor["data"])) == ("ids", [2, 3], 6)
    assert all(isinstance(number, int) for number in tensor["data"])
    assert first.body == second.body


def test_kserve_sends_given_inputs_as_they_are() -> None:
    inputs = [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hello"]}]
    (request,) = sent(KServeV2User, {"inputs": inputs})
    assert json.loads(request.body) == {"inputs": inputs}


def test_the_same_seed_makes_the_same_tensors() -> None:
    made = []
    for seed in (1, 1, 2):
        kind = kind_of(KServeV2User, {"bodies": 1}, tonnage_seed=seed)
        with HttpTarget() as target, driving(kind, target.url) as driven:
            driven.user.on_start()
            driven.run_task()
        made.append(target.requests[0].body)
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error": "unexpected shape"}', "error in the answer"),
        (b'"error" <html>', "not JSON"),
        (b'{"outputs": [], "error": null}', None),
        (b'{"outputs": [{"name": "error", "data": [1]}]}', None),
    ],
)
def test_kserve_finds_an_error_in_an_answer_of_status_200(body: bytes, kind: str | None) -> None:
    with (
        HttpTarget(lambda _: [response(body)]) as target,
        driving(kind_of(KServeV2User, {}), target.url) as driven,
    ):
        driven.user.on_start()
        driven.run_task()
    assert getattr(driven.events[0]["exception"], "kind", None) == kind


@pytest.mark.parametrize(
    ("base", "options", "said"),
    [
        (PlainHttpUser, {"pth": "/"}, "option 'pth' is unknown: did you mean 'path'"),
        (PlainHttpUser, {"zzz": 1}, "known are method, path, body, headers, name"),
        (PlainHttpUser, {"path": 1}, "option 'path' cannot be 1"),
        (PlainHttpUser, {"headers": ["X"]}, "option 'headers' cannot be"),
        (PlainHttpUser, {"method": ""}, "option 'method' cannot be ''"),
        (KServeV2User, {"shape": [1, 0]}, "option 'shape' cannot be"),
        (KServeV2User, {"shape": "1x4"}, "option 'shape' cannot be"),
        (KServeV2User, {"shape": []}, "option 'shape' cannot be"),
        (KServeV2User, {"datatype": "FP16"}, "known are BOOL, INT8"),
        (KServeV2User, {"datatype": ["FP32"]}, "option 'datatype' cannot be"),
        (KServeV2User, {"bodies": True}, "option 'bodies' cannot be True"),
        (KServeV2User, {"inputs": {}}, "option 'inputs' cannot be {}"),
        (KServeV2User, {"input": 5}, "option 'input' cannot be 5"),
    ],
)
def test_a_wrong_option_is_named_with_the_fix(
    base: type[InferenceUser], options: dict[str, Any], said: str
) -> None:
    kind = kind_of(base, options)
    with driving(kind, "http://127.0.0.1:1") as driven, pytest.raises(OptionError) as caught:
        driven.start_and_run_task()
    assert said in str(caught.value)


def test_a_path_that_cannot_be_sent_is_refused() -> None:
    kind = kind_of(PlainHttpUser, {"path": "a b"})
    with driving(kind, "http://127.0.0.1:1") as driven, pytest.raises(CannotBeSent, match="path"):
        driven.start_and_run_task()


def test_large_tensors_are_made_in_fewer_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locustfiles.kserve_v2.NUMBERS_KEPT", 11)
    assert len({request.body for request in sent(KServeV2User, {}, count=24)}) == 2
    assert len({request.body for request in sent(KServeV2User, {"shape": [12]}, count=3)}) == 1


def test_the_models_readiness_is_asked_for() -> None:
    kind = kind_of(KServeV2User, {})
    with HttpTarget() as target:
        assert kind.check_ready(target.url, 5) is None
    paths = [request.line.split()[1] for request in target.requests]
    assert paths == ["/v2/health/ready", "/v2/models/toy/ready"]


@pytest.mark.parametrize("name", FILES)
def test_stock_locust_runs_it(name: str) -> None:
    def answer(_request: Received) -> Iterable[bytes]:
        return [response(b'{"outputs": []}')]

    with HttpTarget(answer) as target:
        command = [
            *(sys.executable, "-m", "locust", "-f", str(FOLDER / f"{name}.py"), "--headless"),
            *("--host", target.url, "--users", "2", "--run-time", "60s", "--json"),
        ]
        environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
        # gevent's Popen: the target answers while this waits.
        process = Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            eventually(lambda: len(target.requests) >= 10 or process.poll() is not None, 45.0)
            process.terminate()  # Locust ends in order, and says what it counted
            output, log = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 0, log.decode()
    (row,) = json.loads(output)
    assert (row["num_requests"] > 0, row["num_failures"]) == (True, 0)
    # Requests in flight when the run ends are on the wire and in no statistics.
    assert 0 <= len(target.requests) - row["num_requests"] <= 2
