"""Do users of HTTP clients reach the target as the goal says, and are failures told?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.engines import Bench
from tests.workers.servers import HttpTarget, response
from workers.permit import FAILED, SUCCEEDED

SLEEPER = """
    import gevent
    from locust import User, task
    class Asker(User):
        @task
        def ask(self): gevent.sleep(99)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


HTTP_USERS = """
    from locust import FastHttpUser, HttpUser, task
    class {name}({base}):
        @task
        def ask(self):
            with self.client.get("/ask", catch_response=True) as response:
                if response.status_code == 418:
                    response.failure("a teapot")
"""


@pytest.mark.parametrize("base", ["HttpUser", "FastHttpUser"])
def test_headers_and_errors_of_both_http_users(bench: Bench, base: str) -> None:
    statuses = iter(["200 OK", "500 Oops", "418 Teapot"])
    with HttpTarget(lambda _: [response(b"", next(statuses))]) as target:
        bench.load(
            HTTP_USERS.format(name="Asker", base=base),
            targets=(target.url,),
            headers={"X-Token": "abc"},
        )
        bench.spawn()
        outcomes = [permit.outcome for permit in bench.arrive(3)]
        bench.engine.release()
    assert outcomes == [SUCCEEDED, FAILED, FAILED]
    assert [request.header("x-token") for request in target.requests] == ["abc"] * 3
    assert sorted(bench.report().errors) == [("HTTP 418", 1), ("HTTP 500", 1)]


def test_users_are_spread_over_the_targets(bench: Bench) -> None:
    with HttpTarget() as one, HttpTarget() as other:
        bench.load(
            HTTP_USERS.format(name="Asker", base="FastHttpUser"), targets=(one.url, other.url)
        )
        bench.spawn(4)
        users = [greenlet.args[0] for greenlet in bench.engine._runner.user_greenlets]  # type: ignore[union-attr]
        assert Counter(user.host for user in users) == {one.url: 2, other.url: 2}
        bench.arrive(60)
        assert min(len(one.requests), len(other.requests)) > 10
        bench.engine.release()


def test_a_refused_connection_fails_the_arrival(bench: Bench) -> None:
    bench.load(HTTP_USERS.format(name="Asker", base="FastHttpUser"))
    bench.spawn()
    assert bench.arrive()[0].outcome == FAILED
    assert bench.report().errors == (("ConnectionRefusedError", 1),)


def test_one_request_checks_the_target_and_its_failure_is_told(bench: Bench) -> None:
    with HttpTarget() as target:
        bench.load(HTTP_USERS.format(name="Asker", base="FastHttpUser"), targets=(target.url,))
        bench.spawn(2)
        assert bench.engine.check(5.0) is None
        assert len(target.requests) == 1
        target.answer = lambda _: [response(b"", "503 Unavailable")]
        error = bench.engine.check(5.0)
        bench.engine.release()
    assert error is not None
    assert "/ask" in error
    assert "503" in error


def test_a_check_tells_when_the_target_does_not_answer(bench: Bench) -> None:
    bench.load(SLEEPER)
    bench.spawn()
    assert "not ended after 0.05 s" in str(bench.engine.check(0.05))


def test_the_ready_check_of_a_user_class_comes_first(bench: Bench) -> None:
    bench.load(
        """
    from locust import User, task
    log = []
    class Asker(User):
        @classmethod
        def check_ready(cls, host, timeout_s):
            log.append((host, timeout_s))
            return "the model is not loaded"
        @task
        def ask(self): log.append("ask")
    """
    )
    bench.spawn()
    assert bench.engine.check(5.0) == "the model is not loaded"
    assert bench.module().log == [("http://127.0.0.1:1", 5.0)]
