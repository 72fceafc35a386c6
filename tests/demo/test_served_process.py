"""Does the demo server serve as a process of its own: routes, batches, bounds, a clean end?"""

import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.batching import CATCH_UP_S

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 20.0
BODY = json.dumps(
    {
        "id": "a",
        "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}],
    }
).encode()
INFER = (
    b"POST /v2/models/toy/infer HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    + BODY
)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        for line in self.ask("GET", "/metrics")[1].decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_TIMEOUT_S)


@contextmanager
def running(*flags: str) -> Iterator[Server]:
    with subprocess.Popen(
        (sys.executable, "-m", "deploy.demo.served_model", *flags),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], START_TIMEOUT_S)[0]
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            yield Server(process, int(line.rpartition(":")[2]))
        finally:
            process.kill()


def eventually(holds: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + ANSWER_TIMEOUT_S
    while not (held := holds()) and time.monotonic() < until_s:
        time.sleep(0.01)
    return held


@pytest.fixture(scope="module")
def quick() -> Iterator[Server]:
    with running("--base", "20ms", "--per-item", "1ms", "--max-batch", "8") as server:
        yield server


@pytest.fixture
def slow() -> Iterator[Server]:
    """One request at a time, a minute each, and two may wait."""
    with running("--base", "1min", "--max-batch", "1", "--queue-bound", "2") as server:
        yield server


def test_health_and_metadata_are_answered(quick: Server) -> None:
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/toy/ready"):
        assert quick.ask("GET", path)[0] == 200
    metadata = json.loads(quick.ask("GET", "/v2/models/toy")[1])
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [1, 4]}]


def test_an_inference_is_answered_and_measured(quick: Server) -> None:
    status, body = quick.ask("POST", "/v2/models/toy/infer", BODY)
    answer = json.loads(body)
    assert (status, answer["model_name"], answer["id"]) == (200, "toy", "a")
    assert answer["outputs"][0]["shape"] == [1, 2]
    durations: dict[str, Any] = json.loads(quick.ask("GET", "/durations")[1])
    assert durations["settings"]["base_s"] == 0.020
    assert durations["by_size"]["1"]["count"] >= 1
    shortest_s = min(durations["by_size"]["1"]["samples_us"]) / 1e6
    assert shortest_s >= 0.021 - CATCH_UP_S
    assert durations["delivery"]["count"] >= 1
    assert quick.metric('served_model_requests_total{status="200"}') >= 1


def test_a_named_replica_says_its_name_in_every_answer() -> None:
    with running("--base", "1ms", "--name", "b-7") as server, server.connect() as wire:
        for request, status in ((INFER, b"200"), (INFER.replace(b"inputs", b"outputs"), b"400")):
            wire.sendall(request)
            answer = wire.recv(65_536)
            assert status in answer.split(b"\r\n")[0]
            assert b"\r\nx-replica: b-7\r\n" in answer


def test_requests_in_one_piece_are_answered_one_after_the_other(quick: Server) -> None:
    with quick.connect() as client:
        client.sendall(INFER * 20)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 20 or not received.endswith(b"}"):
            piece = client.recv(65536)
            assert piece
            received += piece
    assert received.count(b"x-served-batch: 1\r\n") == 20


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v2/models/other/infer", BODY, 404),
        ("GET", "/v2/models/other", None, 404),
        ("GET", "/elsewhere", None, 404),
        ("GET", "/v2/models/toy/infer", None, 405),
        ("POST", "/v2/health/ready", b"", 405),
        ("POST", "/v2/models/toy/infer", b"{}", 400),
    ],
)
def test_what_is_wrong_is_answered_with_its_status_and_an_error(
    quick: Server, method: str, path: str, body: bytes | None, status: int
) -> None:
    answered, answer = quick.ask(method, path, body)
    assert answered == status
    assert json.loads(answer)["error"]


def test_requests_beyond_the_queue_bound_get_503(slow: Server) -> None:
    clients = [slow.connect() for _ in range(5)]
    try:
        for client in clients:
            client.sendall(INFER)
        refused: list[socket.socket] = []
        while len(refused) < 2:
            waiting = [client for client in clients if client not in refused]
            readable = select.select(waiting, [], [], ANSWER_TIMEOUT_S)[0]
            assert readable
            refused += readable
        answers = [client.recv(65536) for client in refused]
        assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
        assert all(b'{"error": "queue is full"}' in answer for answer in answers)
        assert slow.metric("served_model_queue_length") == 2
        assert slow.metric("served_model_in_flight") == 3
    finally:
        for client in clients:
            client.close()


def test_a_client_that_leaves_gives_its_place_in_the_queue_back(slow: Server) -> None:
    with slow.connect() as running_one, slow.connect() as queued:
        running_one.sendall(INFER)
        assert eventually(lambda: slow.metric("served_model_in_flight") == 1)
        queued.sendall(INFER)
        assert eventually(lambda: slow.metric("served_model_queue_length") == 1)
        queued.close()
        assert eventually(lambda: slow.metric("served_model_queue_length") == 0)
        assert slow.metric("served_model_requests_withdrawn_total") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_with_requests_in_flight(
    slow: Server, number: signal.Signals
) -> None:
    with slow.connect() as client:
        client.sendall(INFER)
        assert eventually(lambda: slow.metric("served_model_in_flight") == 1)
        slow.process.send_signal(number)
        assert slow.process.wait(ANSWER_TIMEOUT_S) == 0


def test_the_port_is_written_to_the_file_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "port"
    with running("--print-port-to", str(path)) as server:
        assert int(path.read_text()) == server.port


def test_a_port_in_use_is_named_without_a_traceback(quick: Server) -> None:
    ended = subprocess.run(
        (sys.executable, "-m", "deploy.demo.served_model", "--port", str(quick.port)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 2
    assert str(quick.port) in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_truth_of_a_running_server_is_told_as_json(quick: Server) -> None:
    assert quick.ask("POST", "/v2/models/toy/infer", BODY)[0] == 200
    ended = subprocess.run(
        (
            *(sys.executable, "-m", "deploy.demo.served_model", "--json", "--arrivals", "constant"),
            *("--truth", "p50 response_time <= 1s", "--of", f"http://127.0.0.1:{quick.port}"),
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    answer = json.loads(ended.stdout)
    assert answer["objective"] == "p50 response_time <= 1s"
    assert answer["nominal"]["estimate"] == pytest.approx(8 / 0.028, rel=1e-3)
    assert answer["measured"]["batches"] >= 1
