"""What do 10,000 requests in flight weigh, and how fast do large bodies come in?"""

from __future__ import annotations

from benchmarks.generator import ours
from benchmarks.generator.bench import Bench
from benchmarks.generator.ours import Found
from benchmarks.generator.probed import Ask, Probed
from benchmarks.generator.servers import BODIES, nginx, stamping
from benchmarks.generator.speed import PLAIN
from benchmarks.generator.table import Bound, Measured, Row, middle
from benchmarks.machine import Machine

IN_FLIGHT = 10_000
HOLD_S = 4.0
MEMORY_PER_S = 2_700.0
MEMORY_S = 6.0
MEMORY_USERS = 11_500
MEMORY = Bound("memory", 500.0, "MB", at_most=True)
MOST_OF_BYTES = Bound("of hey's bytes/s", 0.8, "×")
BODY_START_PER_S = {"4k": 6_000.0, "64k": 3_000.0, "1m": 300.0}
BODY_PROBE_S = 1.5
BODY_USERS = 100


def memory(bench: Bench) -> list[Row]:
    """A server that holds each answer for seconds."""
    machine, probes = Machine(), list[Probed]()
    ask = Ask(MEMORY_PER_S, MEMORY_S, cap=2 * MEMORY_USERS, timeout_s=4 * HOLD_S)
    for number in range(min(bench.rounds, 2)):
        options = ("--hold", f"{HOLD_S:g}")
        with (
            stamping(bench.folder, bench.cores, options) as server,
            ours.client(PLAIN, server.url, bench.pin, bench.folder, users=MEMORY_USERS) as client,
        ):
            probes.append(client.ask(ask))
        last = probes[-1]
        bench.tell(
            f"round {number + 1}: {last.rss_mb:.0f} MB, {last.in_flight_most:,} in flight, "
            f"{last.users:,} users {last.fault}"
        )
    facts = (
        (f"{IN_FLIGHT:,} in flight", all(p.in_flight_most >= IN_FLIGHT for p in probes)),
        ("every arrival sent and answered", all(p.is_whole for p in probes)),
    )
    most = middle([p.in_flight_most for p in probes])
    users = middle([p.users for p in probes])
    lag = middle([p.lag_ms[1] for p in probes])
    reason = (
        f"most resident memory; {most:,.0f} in flight, {users:,.0f} users, lag p99 {lag:.1f} ms"
    )
    faults = sorted({p.fault for p in probes if not p.is_whole})
    reason += f"; {faults[0]}" if faults else ""
    measured = (Measured(MEMORY, tuple(p.rss_mb for p in probes)),)
    what = "memory with 10,000 in flight"
    return [Row("memory", what, measured, reason, machine.busy_ratio(), facts)]


def bodies(bench: Bench) -> list[Row]:
    """Files of three sizes, beside hey, probe by probe."""
    return [_bodies(bench, name) for name in BODIES]


def _bodies(bench: Bench, name: str) -> Row:
    machine, found, size = Machine(), list[Found](), BODIES[name]
    path = f"/bodies/{name}"
    options = {"path": path}
    with (
        nginx(bench.folder, bench.cores) as server,
        ours.client(
            PLAIN, server.url, bench.pin, bench.folder, users=BODY_USERS, options=options
        ) as client,
    ):
        url = server.url + path
        about = ours.coarse(client.run, BODY_START_PER_S[name])
        for number in range(bench.rounds):
            found.append(
                ours.highest_clean(
                    client.run,
                    about,
                    lambda: (bench.hey(url).bytes_per_s or 0.0) / size,
                    seconds=BODY_PROBE_S,
                )
            )
            best, about = found[-1], found[-1].probed.rate
            bench.tell(
                f"round {number + 1}: {name} {best.probed.rate:,.0f}/s, hey "
                f"{best.beside_per_s:,.0f}/s, {best.ratio:.2f} × ({best.stopped_by})"
            )
    mb = middle([best.probed.rate for best in found]) * size / 1e6
    system = middle([best.probed.system_us for best in found])
    user = middle([best.probed.user_us for best in found])
    reason = f"{mb:,.0f} MB/s clean; {user:.0f} us of CPU a request of our own, {system:.0f} in the kernel"
    measured = (Measured(MOST_OF_BYTES, tuple(best.ratio for best in found)),)
    what = f"bodies of {name[:-1]} {name[-1:].upper()}B"
    return Row("bodies", what, measured, reason, machine.busy_ratio())
