"""How late does an arrival go out, with the target well and stalled, and how true are its times?"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.generator import ours
from benchmarks.generator.bench import Bench
from benchmarks.generator.probed import Ask, Probed
from benchmarks.generator.servers import nginx, stamping
from benchmarks.generator.speed import PLAIN, START_PER_S
from benchmarks.generator.stock import FOLDER
from benchmarks.generator.table import Bound, Measured, Row, middle
from benchmarks.machine import Machine

LAG_S = 5.0
LAG_BOUNDS = (
    Bound("p50", 0.1, "ms", at_most=True),
    Bound("p99", 0.5, "ms", at_most=True),
    Bound("p99.9", 2.0, "ms", at_most=True),
)
STALL_PER_S = 5_000.0
STALL_AT_S = 2.0
STALL_S = 1.0
STALL_PROBE_S = 5.0
STALL_USERS = 6_000
STALL_LAG = Bound("lag p99.9", 5.0, "ms", at_most=True)
TRUTH_PER_S = 2_000.0
TRUTH_S = 5.0
TRUTH_BOUNDS = (
    Bound("p50", 0.2, "ms", at_most=True),
    Bound("p99", 0.5, "ms", at_most=True),
)
_FLOOR = (
    "import time\nlate=[]\nend=time.monotonic()+2\n"
    "while (now:=time.monotonic_ns()) < end*1e9:\n"
    " time.sleep(0.001); late.append(time.monotonic_ns()-now-1000000)\n"
    "late.sort(); print(*(late[int(len(late)*q)]/1e6 for q in (.5,.99,.999)))"
)
Rows = NDArray[np.int64]


def lag(bench: Bench) -> list[Row]:
    """Send lag at half of the rate that InferenceUser carries."""
    machine, probes, floors = Machine(), list[Probed](), list[tuple[float, ...]]()
    with (
        nginx(bench.folder, bench.cores) as server,
        ours.client(PLAIN, server.url, bench.pin, bench.folder) as client,
    ):
        rate = bench.rate
        if rate is None:
            about = ours.coarse(client.run, START_PER_S)
            rate = ours.highest_clean(client.run, about, lambda: 1.0).probed.rate
        client.run(rate / 2, ours.OPENING_S)
        for number in range(bench.rounds):
            floors.append(floor(bench.pin))
            probes.append(client.run(rate / 2, LAG_S))
            bench.tell(f"round {number + 1}: {rate / 2:,.0f}/s, lag {probes[-1].lag_ms} ms")
    measured = tuple(
        Measured(bound, tuple(probe.lag_ms[place] for probe in probes))
        for place, bound in enumerate(LAG_BOUNDS)
    )
    facts = (("ledger clean", all(probe.is_clean for probe in probes)),)
    still = " / ".join(f"{middle([f[place] for f in floors]):.2f}" for place in range(3))
    reason = (
        f"at {rate / 2:,.0f}/s, {middle([p.cpu_ratio for p in probes]):.0%} of the core; a process "
        f"that only sleeps wakes up {still} ms late on the same core (p50 / p99 / p99.9)"
    )
    what = "send lag at half of InferenceUser's rate"
    detail = {"floor_ms": floors, "per_s": rate / 2}
    return [Row("lag", what, measured, reason, machine.busy_ratio(), facts, detail)]


def floor(pin: tuple[str, ...]) -> tuple[float, ...]:
    """How late a process that only sleeps wakes up on the client's core: p50, p99, p99.9 in ms."""
    argv = [*pin, sys.executable, "-c", _FLOOR]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout
    return tuple(float(word) for word in said.split())


def stall(bench: Bench) -> list[Row]:
    """The server is stopped for a second in mid-probe; due times are compared one by one."""
    machine, probes = Machine(), list[Probed]()
    ask = Ask(STALL_PER_S, STALL_PROBE_S, cap=3 * STALL_USERS, check=True)
    for number in range(bench.rounds):
        with (
            nginx(bench.folder, bench.cores) as server,
            ours.client(PLAIN, server.url, bench.pin, bench.folder, users=STALL_USERS) as client,
        ):
            client.run(STALL_PER_S, ours.OPENING_S)
            stalling = threading.Timer(STALL_AT_S, server.stall, (STALL_S,))
            stalling.start()
            probes.append(client.ask(ask))
            stalling.join()
        last = probes[-1]
        bench.tell(
            f"round {number + 1}: sent {last.sent:,} of {last.scheduled:,}, retimed {last.retimed}, "
            f"{last.slow:,} over 0.5 s, {last.in_flight_most:,} in flight, lag {last.lag_ms} ms"
        )
    facts = (
        ("every arrival sent", all(probe.is_whole for probe in probes)),
        ("none re-timed", all(probe.retimed == 0 for probe in probes)),
    )
    measured = (Measured(STALL_LAG, tuple(probe.lag_ms[2] for probe in probes)),)
    reason = (
        f"{middle([p.in_flight_most for p in probes]):,.0f} in flight at the most, "
        f"{middle([p.slow for p in probes]):,.0f} responses over 0.5 s from their due time "
        f"(2,500 were due in the stall's first half); lag p99 "
        f"{middle([p.lag_ms[1] for p in probes]):.2f} ms"
    )
    faults = sorted({probe.fault for probe in probes if not probe.is_whole})
    reason += f"; {faults[0]}" if faults else ""
    what = "1 s stall of the server at 5,000/s"
    return [Row("stall", what, measured, reason, machine.busy_ratio(), facts)]


def truth(bench: Bench) -> list[Row]:
    """Service times of the worker beside the server's own, request by request."""
    machine, both, after, ours_ms = (
        Machine(),
        list[tuple[float, float]](),
        list[float](),
        list[float](),
    )
    kernels = 0.0
    for number in range(bench.rounds):
        stamps, pairs = bench.folder / "stamps", bench.folder / "pairs"
        user, options = str(FOLDER / "stamped.py"), {"pairs": str(pairs)}
        with (
            stamping(bench.folder, bench.cores, ("--stamps", str(stamps))) as server,
            ours.client(user, server.url, bench.pin, bench.folder, options=options) as client,
        ):
            client.run(TRUTH_PER_S, ours.OPENING_S)
            client.run(TRUTH_PER_S, TRUTH_S)
            client.leave()
        sent, seen = joined(_last(_rows(pairs), TRUTH_S), _rows(stamps))
        service, server_ns = sent[:, 2] - sent[:, 1], seen[:, 2] - seen[:, 1]
        difference = np.abs(service - server_ns)
        p50, p99 = np.quantile(difference, (0.5, 0.99)) / 1e6
        both.append((float(p50), float(p99)))
        after.append(float(np.quantile(sent[:, 2] - seen[:, 2], 0.5)) / 1e6)
        ours_ms.append(float(np.quantile(service, 0.5)) / 1e6)
        kernels = float(seen[:, 3].mean())
        bench.tell(f"round {number + 1}: {len(sent):,} requests, off by {both[-1]} ms")
    measured = tuple(
        Measured(bound, tuple(off[place] for off in both))
        for place, bound in enumerate(TRUTH_BOUNDS)
    )
    reason = (
        f"at {TRUTH_PER_S:,.0f}/s; of a service time of {middle(ours_ms):.2f} ms (p50) "
        f"{middle(after):.3f} ms lie after the server's send; receipt stamped by the kernel for "
        f"{kernels:.0%}"
    )
    what = "response time less send lag, off the server's receipt to send, by request"
    return [Row("truth", what, measured, reason, machine.busy_ratio())]


def joined(sent: Rows, seen: Rows) -> tuple[Rows, Rows]:
    """Rows of both sides with the same key, in its order.

    Raises:
        RuntimeError: a request that the worker counted is not in what the server saw.
    """
    sent, seen = sent[np.argsort(sent[:, 0])], seen[np.argsort(seen[:, 0])]
    places = np.searchsorted(seen[:, 0], sent[:, 0]).clip(max=max(0, len(seen) - 1))
    if not len(sent) or not len(seen) or not np.array_equal(seen[places, 0], sent[:, 0]):
        raise RuntimeError("the server did not see every request that the worker counted")
    return sent, seen[places]


def _last(rows: Rows, seconds: float) -> Rows:
    """Those due in the last so many seconds: what was before has opened the connections."""
    recent: Rows = rows[rows[:, 0] > rows[:, 0].max(initial=0) - round(seconds * 1e9)]
    return recent


def _rows(path: Path) -> Rows:
    rows: Rows = np.frombuffer(path.read_bytes(), dtype=np.int64).reshape(-1, 4)
    return rows
