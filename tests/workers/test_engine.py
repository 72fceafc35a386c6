"""Does an ordinary locustfile keep its meaning when its tasks start by permit?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from locust import TaskSet
from locust.user.task import DefaultTaskSet

from contract.report import Ledger
from tests.workers.engines import Bench
from workers.engine import patches
from workers.permit import FAILED, SUCCEEDED, TIMED_OUT

LOGGING_USER = """
    from locust import SequentialTaskSet, TaskSet, User, task, tag, between
    import gevent
    log = []
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_the_places_in_locust_that_are_patched_are_still_there(bench: Bench) -> None:
    assert patches.TASKSET_EXECUTE.__name__ == "execute_task"
    assert patches.DEFAULT_EXECUTE.__name__ == "execute_task"
    assert patches.TASKSET_WAIT.__name__ == "wait"
    assert TaskSet.execute_task is not patches.TASKSET_EXECUTE
    assert DefaultTaskSet.execute_task is not patches.DEFAULT_EXECUTE


def test_no_task_starts_without_a_permit_and_each_permit_starts_one(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        wait_time = between(100, 200)
        @task(3)
        def often(self): log.append("often")
        @task(1)
        def seldom(self): log.append("seldom")
    """
    )
    bench.spawn(5)
    log = bench.module().log
    assert log == []
    bench.arrive(200)
    counts = Counter(log)
    assert counts["often"] + counts["seldom"] == 200
    assert 110 < counts["often"] < 190
    assert bench.report().totals == Ledger(scheduled=200, sent=200, succeeded=200)


def test_entering_and_leaving_a_nested_taskset_takes_no_permit(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        class Forum(TaskSet):
            def on_start(self): log.append("in")
            def on_stop(self): log.append("out")
            @task
            def read(self):
                log.append("read")
                if log.count("read") % 3 == 0:
                    self.interrupt()
            @task(0)
            class Deeper(SequentialTaskSet):
                @task
                def never(self): log.append("never")
    """
    )
    bench.spawn()
    permits = bench.arrive(7)
    assert [permit.outcome for permit in permits] == [SUCCEEDED] * 7
    assert bench.module().log == ["in", *["read"] * 3, "out"] * 2 + ["in", "read"]


def test_a_sequential_taskset_keeps_its_order_over_permits(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        class Session(SequentialTaskSet):
            @task
            def first(self): log.append("first")
            @task
            def second(self): log.append("second")
            @task
            def third(self): self.interrupt(reschedule=False)
    """
    )
    bench.spawn()
    bench.arrive(5)
    assert bench.module().log == ["first", "second", "first", "second"]
    assert bench.report().totals.succeeded == 5


def test_on_start_runs_before_any_arrival_and_on_stop_at_the_release(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        def on_start(self):
            self.environment.events.request.fire(
                request_type="GET", name="/login", response_time=5, response_length=0,
                exception=None, context={})
            log.append("start")
        def on_stop(self): log.append("stop")
        @task
        def ask(self): log.append("ask")
    """
    )
    bench.spawn(3)
    log = bench.module().log
    assert log == ["start"] * 3
    bench.arrive(2)
    assert bench.report().requests == 2  # the two tasks; on_start belongs to no arrival
    bench.engine.release()
    assert log == ["start"] * 3 + ["ask"] * 2 + ["stop"] * 3


def test_a_task_that_raises_fails_its_arrival_and_its_user_goes_on(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    from locust import events
    @events.user_error.add_listener
    def on_error(user_instance, exception, tb, **_): log.append(repr(exception))
    class Asker(User):
        @task
        def ask(self):
            raise ValueError("no")
    """
    )
    bench.spawn()
    permits = bench.arrive(3)
    assert [permit.outcome for permit in permits] == [FAILED] * 3
    assert bench.module().log == ["ValueError('no')"] * 3
    assert bench.report().errors == (("ValueError", 3),)
    assert bench.engine.users == 1


def test_a_task_past_its_time_out_is_interrupted_and_the_user_takes_the_next(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        def ask(self):
            log.append("ask")
            if len(log) == 1:
                try:
                    gevent.sleep(1000)
                except Exception:
                    log.append("swallowed")
    """
    )
    bench.spawn()
    bench.open(timeout_s=0.05)
    (hanging,) = bench.release()
    with gevent.Timeout(10):
        while not hanging.outcome:
            bench.gate.sweep()
            gevent.sleep(0.005)
    assert hanging.outcome == TIMED_OUT
    bench.open()
    (after,) = bench.arrive()
    assert after.outcome == SUCCEEDED
    assert bench.module().log == ["ask", "ask"]


def test_waiting_within_a_task_waits_and_between_tasks_does_not(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        def wait_time(self):
            log.append("waited")
            return 0.001
        @task
        def ask(self): self.wait()
    """
    )
    bench.spawn()
    bench.arrive(3)
    assert bench.module().log == ["waited"] * 3


def test_a_nested_taskset_that_cannot_start_does_not_spin(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        class Broken(TaskSet):
            def on_start(self):
                log.append("try")
                raise ValueError("no")
            @task
            def ask(self): pass
    """
    )
    assert bench.engine.spawn(1, 10.0) is None
    for _ in range(20):
        gevent.sleep(0)
    assert len(bench.module().log) == 1


def test_requests_of_greenlets_that_a_task_spawns_belong_to_its_arrival(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        def ask(self):
            gevent.joinall([gevent.spawn(self.fire, name) for name in ("a", "b")])
        def fire(self, name):
            self.environment.events.request.fire(
                request_type="GET", name=name, response_time=5, response_length=0,
                exception=None, context={})
    """
    )
    bench.spawn(2)
    assert [permit.requests for permit in bench.arrive(2)] == [2, 2]


def test_the_locustfiles_own_listeners_hear_every_request_and_are_gone_afterwards(
    bench: Bench,
) -> None:
    text = (
        LOGGING_USER
        + """
    from locust import events
    @events.request.add_listener
    def on_request(name, **_): log.append(name)
    @events.test_start.add_listener
    def on_start(environment, **_): log.append(type(environment.runner).__name__)
    @events.test_stop.add_listener
    def on_stop(**_): log.append("stop")
    class Asker(User):
        @task
        def ask(self):
            self.environment.events.request.fire(
                request_type="GET", name="x", response_time=5, response_length=0,
                exception=None, context={})
    """
    )
    for _ in range(2):
        bench.load(text)
        bench.spawn()
        log = bench.module().log
        bench.arrive(2)
        bench.engine.release()
        assert log == ["OpenLoopRunner", "x", "x", "stop"]


def test_classes_are_told_the_run_they_are_in(bench: Bench) -> None:
    bench.load(
        LOGGING_USER + "    class Asker(User):\n        @task\n        def ask(self): pass\n",
        model="toy",
        headers={"A": "b"},
        options='{"rows": 3}',
        requests=b"{}",
    )
    asker = bench.module().Asker
    assert (asker.host, asker.model) == ("http://127.0.0.1:1", "toy")
    assert (asker.tonnage_headers, asker.tonnage_options) == ({"A": "b"}, {"rows": 3})
    assert (asker.tonnage_requests, asker.tonnage_seed) == (b"{}", 7)


def test_a_failing_on_start_is_told(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        def on_start(self): raise RuntimeError("login refused")
        @task
        def ask(self): pass
    """
    )
    assert bench.engine.spawn(2, 10.0) == "on_start of Asker: RuntimeError: login refused"


def test_a_locustfile_cannot_end_the_run(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    class Asker(User):
        @task
        def ask(self): self.environment.runner.quit()
    """
    )
    bench.spawn()
    assert [permit.outcome for permit in bench.arrive(3)] == [SUCCEEDED] * 3


def test_extra_sends_are_counted_for_arrivals_alone(bench: Bench) -> None:
    bench.load(
        LOGGING_USER
        + """
    from workers.extra_sends import count_extra_send
    class Asker(User):
        def on_start(self): count_extra_send()
        @task
        def ask(self): count_extra_send()
    """
    )
    bench.spawn()
    bench.arrive(3)
    assert bench.report().totals == Ledger(scheduled=3, sent=3, succeeded=3, extra_sends=3)
