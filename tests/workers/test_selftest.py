"""What does a self-test say of a client, of a busy machine, and of a host?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from contract.latency import Histogram
from tests.workers.virtual import Clock
from workers.clients import traps
from workers.engine import Engine, patches
from workers.garbage import Garbage
from workers.gate import Gate
from workers.guard import Guard
from workers.kernel import Quota
from workers.selftest.bench import BODIES, TASKS, Bench, Parts, Step, serving
from workers.selftest.command import host, table
from workers.selftest.measure import KIND_S, STEP_S, Measured, climbed, within_quota
from workers.selftest.stairs import expected_per_s

Put = Callable[[float, float], Step]
COST_S = 50e-6


def a_step(
    rate_per_s: float = 1_000.0, *, lag_s: float = 2e-4, lost: int = 0, waited_ratio: float = 0.0
) -> Step:
    lag = Histogram.of(np.full(100, lag_s))
    return Step(rate_per_s, 100, 100, lost, lag, 100 * COST_S, STEP_S, waited_ratio)


def holding(can_per_s: float, clock: Clock, asked: list[float]) -> Put:
    """A client that sends on time up to `can_per_s`, on a clock that the steps move."""

    def put(rate_per_s: float, seconds: float) -> Step:
        asked.append(rate_per_s)
        clock.advance(round(seconds * 1e9))
        return a_step(rate_per_s, lag_s=2e-4 if rate_per_s <= can_per_s else 2e-3)

    return put


def measured(put: Put, clock: Clock) -> Measured:
    return climbed("InferenceUser", a_step(), put, now=lambda: clock.ns / 1e9)


def test_a_step_is_held_when_nothing_is_lost_and_a_millisecond_is_kept() -> None:
    assert a_step().held
    assert not a_step(lost=1).held
    assert not a_step(lag_s=0.0011).held
    assert a_step().cost_s == pytest.approx(COST_S)


def test_the_rate_is_the_highest_that_was_held() -> None:
    clock, asked = Clock(), list[float]()
    found = measured(holding(12_000.0, clock, asked), clock)
    assert 12_000.0 / 1.3 <= found.rate_per_s <= 12_000.0
    assert found.lag_s < 0.001
    assert not found.disturbed


def test_a_step_that_was_not_held_is_repeated_once() -> None:
    clock, asked = Clock(), list[float]()
    measured(holding(7_000.0, clock, asked), clock)
    assert [rate for rate in asked if rate > 7_000.0][:2] == [pytest.approx(9_000.0)] * 2
    assert all(asked.count(rate) == 1 for rate in asked if rate <= 7_000.0)


def test_a_self_test_ends_in_time_whatever_it_sees() -> None:
    clock, asked = Clock(), list[float]()
    began_ns = clock.ns
    measured(holding(0.0, clock, asked), clock)
    assert (clock.ns - began_ns) / 1e9 <= KIND_S + STEP_S


def test_where_no_rate_is_held_the_cpu_has_the_word() -> None:
    clock, asked = Clock(), list[float]()
    assert measured(holding(0.0, clock, asked), clock).rate_per_s == expected_per_s(COST_S)


def test_a_busy_machine_does_not_make_the_rate_low() -> None:
    clock = Clock()

    def put(rate_per_s: float, seconds: float) -> Step:
        clock.advance(round(seconds * 1e9))
        return a_step(rate_per_s, lag_s=2e-4 if rate_per_s < 500 else 0.05, waited_ratio=0.4)

    found = measured(put, clock)
    assert found.disturbed
    assert found.rate_per_s == expected_per_s(COST_S)


@pytest.mark.parametrize(("cores", "times"), [(None, 1.0), (2.0, 1.0), (0.5, 2.0), (0.25, 4.0)])
def test_under_a_quota_below_one_core_an_arrival_costs_more_of_it(
    cores: float | None, times: float
) -> None:
    assert within_quota(a_step(), cores).cost_s == pytest.approx(times * COST_S)


@pytest.fixture
def bench() -> Iterator[Bench]:
    gate, guard, garbage = Gate(), Guard(), Garbage()
    engine = Engine(gate, guard.names)
    with serving() as ports:
        yield Bench(Parts(gate, engine, guard, garbage), ports)
    garbage.close()
    traps.remove()
    patches.remove()


def test_every_client_is_put_to_a_load_and_loses_nothing(bench: Bench) -> None:
    for kind in TASKS:
        with bench.loaded(kind):
            closed, opened = bench.closed(0.1), bench.open(100.0, 0.3)
        assert closed.ended == closed.sent > 0, kind
        assert closed.lost == opened.lost == 0, kind
        assert opened.ended == opened.sent > 5, kind
        assert closed.cost_s > 0.0
        assert opened.send_lag.count == opened.sent


def test_the_table_names_every_client_with_its_rate() -> None:
    found = [
        Measured("InferenceUser", 12_345.0, 0.0004, 60e-6, 0.0),
        Measured(BODIES, 4_000.0, 0.0008, 100e-6, 0.3),
    ]
    text = table(found, "a host").splitlines()
    assert text[0] == "What one worker can send on this host: a host"
    assert text[3].split() == ["InferenceUser", "12.3k/s", "0.40", "ms", "60", "us"]
    assert text[4].split() == [
        "64",
        "kB",
        "bodies",
        "4k/s",
        "0.80",
        "ms",
        "100",
        "us",
        "262",
        "MB/s",
        "*",
    ]
    assert "other processes had this core for up to 30% of the time" in text[-1]
    assert f"{os.cpu_count()} cores" in host(Quota()) or os.cpu_count() == 1


COMMAND = """
from gevent import monkey
monkey.patch_all()
import workers.selftest.measure as measure
measure.KIND_S = 0.2
from workers.__main__ import main
raise SystemExit(main(["--self-test", "--json"]))
"""


def test_the_command_needs_no_redis_and_prints_json(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TONNAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND],
        env=environment | {"XDG_CACHE_HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [client["client"] for client in document["clients"]] == list(TASKS)
    assert all(client["rate_per_s"] > 0 for client in document["clients"])
    assert document["schema_version"] == 1
