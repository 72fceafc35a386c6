"""Is a worker's own process fit to measure, and does it say what is wrong?"""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator

import gevent
import pytest

from workers.clock import RedisClock
from workers.garbage import Garbage
from workers.health import HealthProbe
from workers.limits import Limits


@pytest.fixture
def probe() -> Iterator[HealthProbe]:
    probe = HealthProbe(RedisClock(), limits=Limits(open_files=4_096))
    gevent.sleep(0)
    yield probe
    probe.close()
    gc.unfreeze()


def test_a_task_that_computes_shows_as_a_blocked_loop(probe: HealthProbe) -> None:
    probe.begin()
    gevent.sleep(0.03)
    until_s = time.perf_counter() + 0.1
    while time.perf_counter() < until_s:
        pass
    gevent.sleep(0.03)
    health = probe.read()
    assert health.loop_lag_s >= 0.05
    assert health.cpu_ratio > 0.0
    assert health.rss_bytes > 1_000_000
    assert health.open_files == 4_096


def test_what_was_before_a_probe_is_not_the_probes(probe: HealthProbe) -> None:
    time.sleep(0.05)
    gevent.sleep(0.03)
    gc.collect()
    probe.sockets.refuse(OSError(24, "before"))
    probe.begin()
    health = probe.read()
    assert (health.gc_s, health.refused, health.loop_lag_s) == (0.0, (), 0.0)


def test_a_collection_that_memory_forces_is_told_with_its_length() -> None:
    used = [100_000_000]
    probe = HealthProbe(RedisClock(), garbage=Garbage(lambda: used[0]))
    try:
        probe.begin()
        used[0] = 400_000_000
        probe.garbage.look()
        health = probe.read()
        assert health.gc_s > 0.0
        assert health.note is not None
        assert "collected garbage in mid-probe" in health.note
    finally:
        probe.close()
        gc.unfreeze()


def test_garbage_is_let_in_when_there_is_no_probe(probe: HealthProbe) -> None:
    probe.begin()
    assert not gc.isenabled()
    probe.rest()
    assert gc.isenabled()
    probe.rest()  # at any time, at no cost


def test_near_the_end_of_its_ports_a_worker_counts_them_by_address() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        host, port = server.getsockname()
        with socket.create_connection((host, port)) as client:
            first = client.getsockname()[1]
            probe = HealthProbe(RedisClock(), limits=Limits(ports=(first, first)))
            try:
                with gevent.Timeout(10):
                    while not (health := probe.read()).busiest:
                        gevent.sleep(0.01)
            finally:
                probe.close()
    assert (health.ports, health.ports_ratio) == (1, 1.0)
    assert health.busiest == f"{host}:{port}"
