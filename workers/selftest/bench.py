"""How is a client put to a load in this very process, with the engine that runs put probes to use?

The parts are a worker's own: engine, gate, pacer, recorder. Only the server is another process, on
another core where there is one.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import gevent

from contract.arrivals import Law
from contract.latency import Histogram
from contract.messages import Plan
from contract.report import Health, Report
from contract.units import Rate, Seconds
from workers.clients.kinds import FAST, INFERENCE, STOCK
from workers.clock import NS_PER_S, monotonic_ns
from workers.engine import Engine
from workers.garbage import Garbage
from workers.gate import Gate
from workers.guard import Guard
from workers.judge import Judge
from workers.kernel import PROC, KernelFile, waited_ns
from workers.order import Order
from workers.probe import Identity, RunningProbe
from workers.selftest import server
from workers.selftest.stairs import LAG_QUANTILE, LAG_S
from workers.waiting import at_most

BODIES = "64 kB bodies"
TASKS = {INFERENCE: "inference", BODIES: "bodies", FAST: "fast", STOCK: "stock"}
"""The locustfile of each kind."""
USERS = 64
LEAD_S = 0.02
"""From a plan to its first arrival."""
TICK_S = 0.02
DRAIN_S = 2.0
SPAWN_S = 5.0
STARTS_S = 5.0
OVER = "the self-test is over"
_FOREVER_NS = 3_600 * NS_PER_S
_WHO = Identity("self-test", "0")


class SelfTestFailed(RuntimeError):
    """Nothing can be said of this host; the text says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """A load that was put; `cpu_s` of this process, `waited_ratio` of the time for a core."""

    rate_per_s: float
    sent: int
    ended: int
    lost: int
    send_lag: Histogram
    cpu_s: float
    seconds: float
    waited_ratio: float

    @property
    def lag_s(self) -> float:
        """Send lag p99."""
        return self.send_lag.quantile(LAG_QUANTILE) if self.send_lag.count else 0.0

    @property
    def held(self) -> bool:
        """Whether every arrival was sent, and on time."""
        return self.lost == 0 and self.lag_s <= LAG_S

    @property
    def cost_s(self) -> float:
        """CPU that an arrival took."""
        return self.cpu_s / max(1, self.ended)


class Parts(NamedTuple):
    """What a worker has."""

    gate: Gate
    engine: Engine
    guard: Guard
    garbage: Garbage


class Bench:
    """A server and what loads it; one client at a time is `loaded`."""

    def __init__(self, parts: Parts, ports: tuple[int, int]) -> None:
        self._gate, self._engine, self._guard, self._garbage = parts
        self._ports = ports
        self._schedstat = KernelFile(PROC / "self" / "schedstat")
        self._probes = 0

    @contextmanager
    def loaded(self, kind: str) -> Iterator[None]:
        """Users of that client while inside.

        Raises:
            SelfTestFailed: they could not be made.
        """
        port = self._ports[1] if kind == BODIES else self._ports[0]
        order = Order(
            user=str(Path(__file__).parent / "tasks" / f"{TASKS[kind]}.py"),
            targets=(f"http://127.0.0.1:{port}",),
            model=None,
            headers={},
            options="{}",
            requests=None,
            seed=1,
            position=0,
            workers=1,
            worker=_WHO.worker,
        )
        try:
            self._guard.update((f"127.0.0.1:{port}",))
            self._engine.load(order)
            error = self._engine.spawn(USERS, SPAWN_S)
            if error is not None:
                raise SelfTestFailed(f"{kind}: {error}")
            self._engine.settled()
            self._garbage.keep_out()
            yield
        finally:
            self._garbage.let_in()
            self._engine.release()
            self._guard.reset()

    def closed(self, seconds: float, streams: int = USERS) -> Step:
        """As many arrivals as `streams` at once can carry: what one of them costs."""
        return self._put(Law("constant"), 1e6, seconds, streams)

    def open(self, rate_per_s: float, seconds: float) -> Step:
        """Arrivals of a Poisson process."""
        return self._put(Law("poisson"), rate_per_s, seconds, 0)

    def _put(self, law: Law, rate_per_s: float, seconds: float, streams: int) -> Step:
        self._probes += 1
        plan = Plan(
            run="self-test",
            fence=0,
            probe=self._probes,
            workers=(_WHO.worker,),
            epoch_us=0,
            law=law,
            seed=1,
            rate=Rate(rate_per_s),
            ramp_s=Seconds(0.0),
            ramp_from=Rate(0.0),
            duration_s=Seconds(seconds),
            in_flight_cap=100_000,
            rate_ceiling=Rate(rate_per_s),
            streams=streams,
        )
        epoch_ns = monotonic_ns() + round(LEAD_S * NS_PER_S)
        probe = RunningProbe(
            plan, _WHO, self._gate, Judge(()), epoch_ns=epoch_ns, timeout_s=DRAIN_S
        )
        probe.start()
        probe.renew(epoch_ns + _FOREVER_NS)
        begun_s, cpu_s, waited = time.perf_counter(), time.process_time(), self._waited_ns()
        reports = list(self._reports(probe, seconds + DRAIN_S))
        cpu_s, seconds = time.process_time() - cpu_s, time.perf_counter() - begun_s
        waited = self._waited_ns() - waited
        return _step(rate_per_s, reports, cpu_s, seconds, waited / NS_PER_S / seconds)

    def _reports(self, probe: RunningProbe, most_s: float) -> Iterator[Report]:
        with at_most(most_s):
            while not probe.drained:
                gevent.sleep(TICK_S)
                probe.tick()
                if probe.report_due and not probe.drained:
                    yield probe.report(Health())
        probe.stop(OVER)
        self._gate.abandon(OVER)
        yield probe.last_words(Health())[0]

    def _waited_ns(self) -> int:
        return waited_ns(self._schedstat.read())


@contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """The ports of a self-test's server while inside, which has a core of its own if it can.

    Raises:
        SelfTestFailed: it did not start.
    """
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", server.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        ports: list[int] = []
        assert process.stdout is not None
        with at_most(STARTS_S):
            ports = [int(word) for word in process.stdout.readline().split()]
        if len(ports) != 2:
            raise SelfTestFailed("the server of the self-test did not start")
        with _apart(process.pid, own):
            yield ports[0], ports[1]
    finally:
        process.kill()
        process.wait(5)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def _apart(pid: int, own: set[int]) -> Iterator[None]:
    """That process on the last core of `own`, and this one on the others."""
    if len(own) < 2:
        yield
        return
    core = max(own)
    try:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, {core})
            os.sched_setaffinity(0, own - {core})
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, own)


def _step(
    rate_per_s: float, reports: list[Report], cpu_s: float, seconds: float, waited_ratio: float
) -> Step:
    totals = reports[-1].totals
    return Step(
        rate_per_s=rate_per_s,
        sent=totals.sent,
        ended=totals.succeeded,
        lost=totals.missed + totals.shed + totals.failed + totals.timed_out,
        send_lag=Histogram.summed(report.send_lag for report in reports),
        cpu_s=cpu_s,
        seconds=seconds,
        waited_ratio=waited_ratio,
    )
