"""Does an ordinary locustfile, given by its path, run through the whole stack?"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.scene import Document, Stack, goal, in_short

LOCUSTFILE = '''
"""Shoppers of a small shop."""

from locust import SequentialTaskSet, TaskSet, between, task
from locust.contrib.fasthttp import FastHttpUser


class Browsing(TaskSet):
    @task(3)
    def page(self):
        self.client.get("/page")

    @task
    class Details(TaskSet):
        @task
        def detail(self):
            self.client.get("/detail", name="a detail")
            self.interrupt()

    @task
    def leave(self):
        self.interrupt()


class Buying(SequentialTaskSet):
    @task
    def cart(self):
        self.client.post("/cart", json={"item": 1})

    @task
    def pay(self):
        with self.client.post("/pay", catch_response=True) as answer:
            if answer.status_code != 402:
                answer.failure("paid without money")
            else:
                answer.success()
        self.interrupt()


class Shopper(FastHttpUser):
    wait_time = between(1, 5)
    weight = 3
    tasks = {Browsing: 2, Buying: 1}

    def on_start(self):
        self.client.get("/login")


class Crawler(FastHttpUser):
    weight = 1

    @task
    def robots(self):
        self.client.get("/robots")
'''


class Shop(ThreadingHTTPServer):
    """Counts what it is asked for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), Till)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Till(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shop

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer()

    def answer(self) -> None:
        self.server.asked[self.path] += 1
        self.send_response(402 if self.path == "/pay" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def shop() -> Iterator[Shop]:
    with Shop() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture
def shopping(tmp_path: Path) -> Iterator[tuple[Shop, Document]]:
    """A shop, and a goal that both of its bounds pass."""
    locustfile = tmp_path / "shoppers.py"
    locustfile.write_text(LOCUSTFILE)
    with shop() as server:
        yield (
            server,
            goal(
                server.url,
                model=None,
                workload={"user": str(locustfile)},
                slo=["p90 response_time <= 1s", "a detail:p50 service_time <= 1s"],
                search={"from": "70/s", "to": "90/s"},
            ),
        )


def test_tasks_weights_sets_and_on_start_do_what_they_say(
    stack: Stack, shopping: tuple[Shop, Document]
) -> None:
    server, document = shopping
    run = stack.begin(document)
    view = stack.until_ended(run, 60)
    assert view["status"] == "at_least", stack.program.told(in_short(view))
    asked = server.asked
    assert set(asked) == {"/login", "/page", "/detail", "/cart", "/pay", "/robots"}
    assert abs(asked["/cart"] - asked["/pay"]) <= asked["/login"]  # a user between the two
    assert asked["/page"] > asked["/detail"]
    assert all(p["bad_requests"] == 0 for p in view["probes"]), stack.program.told(in_short(view))
