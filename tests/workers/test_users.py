"""Are users there when arrivals need them, and gone when they have ended?"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.engines import Bench
from tests.workers.servers import eventually
from workers.permit import SENT, SUCCEEDED

LOGGING_USER = """
    from locust import FastHttpUser, HttpUser, User, task
    from locust.exception import StopUser
    import gevent
    import weakref
    log = []
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_user_that_stops_itself_ends_its_arrival_and_is_replaced(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        def ask(self): raise StopUser
    """
    )
    bench.spawn(2)
    assert [permit.outcome for permit in bench.arrive(6)] == [SUCCEEDED] * 6
    eventually(lambda: bench.engine.users == 2)


@pytest.mark.parametrize("kind", ["User", "HttpUser", "FastHttpUser"])
def test_a_user_that_has_ended_is_freed_without_a_collection(bench: Bench, kind: str) -> None:
    bench.load(
        LOGGING_USER
        + f"""
    class Asker({kind}):
        def on_start(self): log.append(weakref.ref(self))
        @task
        def ask(self): raise StopUser
    """
    )
    bench.spawn()
    first = bench.module().log[0]
    gc.disable()
    try:
        bench.arrive()
        eventually(lambda: first() is None)
    finally:
        gc.enable()


def test_users_are_added_when_arrivals_find_none_idle(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.engine.users.MADE_BEFORE", 2)
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        def ask(self): gevent.sleep(99)
    """
    )
    bench.spawn(5)
    assert bench.engine.users == 2
    permits = bench.release(6)
    eventually(lambda: sum(permit.start == SENT for permit in permits) == 5)
    assert (bench.engine.users, bench.gate.waiting) == (5, 1)  # five are the most


SLOW_AND_QUICK = (
    LOGGING_USER
    + """
    class Slow(User):
        def on_start(self):
            log.append("start")
            gevent.sleep(0.001 if len(log) <= 30 else 99)
        @task
        def ask(self): pass
    class Quick(User):
        @task
        def ask(self): pass
    """
)


def test_users_with_an_on_start_of_their_own_start_before_any_load(bench: Bench) -> None:
    bench.load(SLOW_AND_QUICK)
    assert bench.engine.start_slow(60, 10.0) is None
    assert (bench.module().log, bench.engine.users) == (["start"] * 30, 30)


def test_users_whose_on_start_is_not_over_in_time_are_told(bench: Bench) -> None:
    bench.load(SLOW_AND_QUICK)
    warning = bench.engine.start_slow(80, 1.5)
    assert warning is not None
    assert "for 30 of 40 users" in warning


def test_a_failing_on_start_of_later_users_is_told_at_once(bench: Bench) -> None:
    bench.load(SLOW_AND_QUICK.replace("gevent.sleep(", "1 / int(len(log) <= 30) and ("))
    warning = bench.engine.start_slow(80, 30.0)
    assert warning is not None
    assert warning.endswith(
        "beside the load: on_start of Slow: ZeroDivisionError: division by zero"
    )
