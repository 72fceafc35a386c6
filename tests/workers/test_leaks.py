"""Does a worker give back what its probes took: files, greenlets, memory?"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import psutil
import pytest

from contract.arrivals import Law
from contract.messages import Plan
from contract.report import Health, Ledger
from contract.units import Rate, Seconds
from tests.workers.engines import Bench
from tests.workers.servers import HttpTarget, eventually
from tests.workers.virtual import judge
from workers.clock import NS_PER_S, monotonic_ns
from workers.probe import Identity, RunningProbe

PROBES, WARM_UP = 20, 5
RATE_PER_S, PROBE_S, USERS = 400.0, 0.2, 20
GROWTH_RATIO, GROWTH_BYTES = 0.02, 2 * 2**20
"""Memory that may come on top: allocators keep some."""

FAST_HTTP = """
    from locust import FastHttpUser, task
    class Asker(FastHttpUser):
        @task
        def ask(self): self.client.get("/ask")
"""
INFERENCE = """
    from locust import task
    from workers.clients.inference import InferenceUser
    class Asker(InferenceUser):
        def on_start(self): self.request = self.prepare("GET", "/ask", b"", [], "ask")
        @task
        def ask(self): self.send(self.request)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds; the threads of gevent's pool, which come and go, aside."""

    files: int
    greenlets: int
    rss_bytes: int

    @classmethod
    def now(cls) -> Held:
        gc.unfreeze()  # a loaded engine freezes what is there, and that is not looked at
        gc.collect()
        return cls(
            sum(1 for _ in Path("/proc/self/fd").iterdir()),
            sum(isinstance(o, gevent.Greenlet) and not o.dead for o in gc.get_objects()),
            psutil.Process().memory_info().rss,
        )


def offer(bench: Bench, number: int) -> Ledger:
    """One short probe on the real clock, to its last report."""
    plan = Plan(
        run="r1",
        fence=1,
        probe=number,
        workers=("w1",),
        epoch_us=0,
        law=Law("poisson"),
        seed=number,
        rate=Rate(RATE_PER_S),
        ramp_s=Seconds(0.0),
        ramp_from=Rate(0.0),
        duration_s=Seconds(PROBE_S),
        in_flight_cap=1000,
        rate_ceiling=Rate(10 * RATE_PER_S),
    )
    probe = RunningProbe(
        plan,
        Identity("w1", "b1"),
        bench.gate,
        judge("p99 response_time <= 10s"),
        epoch_ns=monotonic_ns() + NS_PER_S // 100,
        timeout_s=10.0,
    )
    probe.start()
    with gevent.Timeout(20):
        while not probe.drained:
            gevent.sleep(0.005)
            probe.tick()
            probe.renew(monotonic_ns())
    return probe.last_words(Health())[0].totals


def prepared_and_offered(bench: Bench, target: HttpTarget, text: str, number: int) -> Ledger:
    """A worker loads the user, offers a probe and lets go of the run."""
    bench.load(text, targets=(target.url,))
    bench.spawn(USERS)
    totals = offer(bench, number)
    bench.engine.release()
    eventually(lambda: target.closed == target.connections)
    target.requests.clear()
    gevent.sleep(0)
    return totals


@pytest.mark.slow
@pytest.mark.parametrize("text", [FAST_HTTP, INFERENCE], ids=["FastHttpUser", "InferenceUser"])
def test_twenty_probes_leave_no_file_no_greenlet_and_no_memory_behind(
    bench: Bench, text: str
) -> None:
    sent = 0
    held: list[Held] = []
    with HttpTarget() as target:
        for number in range(1, PROBES + 1):
            totals = prepared_and_offered(bench, target, text, number)
            assert totals.balanced
            assert totals.sent == totals.succeeded  # a slow machine may have shed at the end
            sent += totals.sent
            held.append(Held.now())
    base, end = held[WARM_UP - 1], held[-1]
    assert sent > PROBES
    assert end.files <= base.files
    assert end.greenlets <= base.greenlets
    assert end.rss_bytes <= base.rss_bytes * (1 + GROWTH_RATIO) + GROWTH_BYTES
