"""One worker's engine, gate and probe in a process of its own, without Redis.

    python -m benchmarks.generator.client --user FILE --host URL [--users 300] [--options JSON]

Reads asks as lines of JSON (`probed.Ask`) and prints a `probed.Probed` for each; between two of
them it is idle. What a worker does beside the load is done: ticks, reports encoded, health read,
garbage kept out.
"""

from gevent import monkey

monkey.patch_all()  # before anything below imports a socket

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from dataclasses import asdict  # noqa: E402
from time import perf_counter  # noqa: E402

import gevent  # noqa: E402

from benchmarks.generator.probed import Ask, Probed  # noqa: E402
from contract.arrivals import Law  # noqa: E402
from contract.codec import encode  # noqa: E402
from contract.latency import Histogram  # noqa: E402
from contract.messages import Plan  # noqa: E402
from contract.objectives import parse_objective  # noqa: E402
from contract.report import Report  # noqa: E402
from contract.units import Rate, Seconds  # noqa: E402
from workers import health  # noqa: E402
from workers.clock import RedisClock, monotonic_ns  # noqa: E402
from workers.engine import Engine  # noqa: E402
from workers.gate import Gate  # noqa: E402
from workers.judge import Judge  # noqa: E402
from workers.order import Order  # noqa: E402
from workers.probe import Identity, RunningProbe  # noqa: E402

RAMP_S = 0.25
AHEAD_NS = 50_000_000
TICK_S = 0.02
SPAWN_S = 60.0
SLOW_S = 0.5
OBJECTIVE = "p99 response_time <= 150ms"
QUANTILES = (0.5, 0.99, 0.999)


class Noted(RunningProbe):
    """Keeps the due time of every arrival that it releases."""

    def __init__(self, *args: object, **named: object) -> None:
        self.seen: list[tuple[int, int]] = []
        super().__init__(*args, **named)  # type: ignore[arg-type]

    def release(self, index: int, due_ns: int) -> None:
        self.seen.append((index, due_ns))
        super().release(index, due_ns)

    def retimed(self) -> int:
        """How many were not released in order, each with the due time of the schedule."""
        wanted: list[tuple[int, int]] = []
        for indices, due_ns in self.plan.share(0):
            if len(wanted) >= len(self.seen):
                break
            wanted += zip(indices.tolist(), due_ns.tolist(), strict=True)
        pairs = zip(self.seen, wanted, strict=False)
        return sum(seen != due for seen, due in pairs) + max(0, len(self.seen) - len(wanted))


class Spent:
    """CPU and switches of this process from here on."""

    def __init__(self) -> None:
        self._before = resource.getrusage(resource.RUSAGE_SELF)
        self._begun_s = perf_counter()

    def told(self, sent: int) -> dict[str, float]:
        now, before = resource.getrusage(resource.RUSAGE_SELF), self._before
        user_s, system_s = now.ru_utime - before.ru_utime, now.ru_stime - before.ru_stime
        switches = now.ru_nvcsw + now.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw
        per = max(sent, 1)
        return {
            "cpu_ratio": (user_s + system_s) / (perf_counter() - self._begun_s),
            "user_us": user_s / per * 1e6,
            "system_us": system_s / per * 1e6,
            "switches": switches / per,
            "rss_mb": now.ru_maxrss / 1024,
        }


class Client:
    """A loaded locustfile whose users are ready."""

    def __init__(self, user: str, host: str, users: int, options: str) -> None:
        self._gate = Gate()
        self._engine = Engine(self._gate)
        self._health = health.watching(RedisClock(), lambda: self._engine.users, not_to=())
        self._engine.load(
            Order(
                user=user,
                targets=(host,),
                model=None,
                headers={},
                options=options,
                requests=None,
                seed=1,
                position=0,
                workers=1,
                worker="w1",
            )
        )
        fault = self._engine.spawn(users, SPAWN_S)
        if fault is not None:
            raise SystemExit(fault)
        self._engine.settled()
        self._probes = 0

    def run(self, ask: Ask) -> Probed:
        """One probe, to its last answer."""
        self._probes += 1
        self._health.begin()
        plan = _plan(ask, self._probes)
        make: Callable[..., RunningProbe] = Noted if ask.check else RunningProbe
        judge, epoch_ns = Judge([parse_objective(OBJECTIVE)]), monotonic_ns() + AHEAD_NS
        probe = make(
            plan,
            Identity("w1", "boot"),
            self._gate,
            judge,
            epoch_ns=epoch_ns,
            timeout_s=ask.timeout_s,
        )
        spent, most, reports = Spent(), 0, list[Report]()
        probe.start()
        while not probe.drained:
            probe.renew(monotonic_ns())
            probe.tick()
            most = max(most, self._gate.in_flight)
            if probe.report_due:
                reports.append(probe.report(self._health.read()))
                encode(reports[-1])
            gevent.sleep(TICK_S)
        last, _ = probe.last_words(self._health.read())
        cost = spent.told(last.totals.sent)
        self._health.rest()
        retimed = probe.retimed() if isinstance(probe, Noted) else None
        return _told(ask.rate, [*reports, last], cost, (most, self._engine.users, retimed))

    def close(self) -> None:
        self._engine.release()
        self._health.close()


def _plan(ask: Ask, number: int) -> Plan:
    return Plan(
        run="benchmark",
        fence=1,
        probe=number,
        workers=("w1",),
        epoch_us=0,
        law=Law("poisson"),
        seed=1,
        rate=Rate(ask.rate),
        ramp_s=Seconds(RAMP_S),
        ramp_from=Rate(0.0),
        duration_s=Seconds(ask.seconds),
        in_flight_cap=ask.cap,
        rate_ceiling=Rate(1e9),
        streams=ask.streams,
    )


def _told(
    rate: float,
    reports: Sequence[Report],
    cost: dict[str, float],
    seen: tuple[int, int, int | None],
) -> Probed:
    lag = Histogram.summed(report.send_lag for report in reports)
    times = Histogram.summed(b.response_time for report in reports for b in report.buckets)
    totals = reports[-1].totals
    kinds = sorted({kind for report in reports for kind, _ in report.errors})
    return Probed(
        rate=rate,
        scheduled=totals.scheduled - totals.cancelled,
        sent=totals.sent,
        shed=totals.shed,
        missed=totals.missed,
        failed=totals.failed,
        timed_out=totals.timed_out,
        lag_ms=_quantiles_ms(lag),
        response_ms=_quantiles_ms(times),
        cpu_ratio=cost["cpu_ratio"],
        user_us=cost["user_us"],
        system_us=cost["system_us"],
        switches=cost["switches"],
        rss_mb=cost["rss_mb"],
        in_flight_most=seen[0],
        users=seen[1],
        slow=round(times.count * (1 - _share_within(times, SLOW_S))),
        retimed=seen[2],
        errors=tuple((k, sum(dict(r.errors).get(k, 0) for r in reports)) for k in kinds),
    )


def _quantiles_ms(times: Histogram) -> tuple[float, float, float]:
    if not times.count:
        return (0.0, 0.0, 0.0)
    p50, p99, p999 = (times.quantile(q) * 1e3 for q in QUANTILES)
    return (p50, p99, p999)


def _share_within(times: Histogram, limit_s: float) -> float:
    """Share of the times within the limit, found by halving the quantiles."""
    low, high = 0.0, 1.0
    if not times.count or times.max_s <= limit_s:
        return 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if times.quantile(middle) <= limit_s else (low, middle)
    return low


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--user", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--options", default="{}")
    given = parser.parse_args()
    client = Client(given.user, given.host, given.users, given.options)
    print("ready", flush=True)
    # Read without the loop: nothing of it turns while another tool is measured.
    with os.fdopen(os.dup(0), "rb", buffering=0) as asks:
        for line in iter(asks.readline, b""):
            print(json.dumps(asdict(client.run(Ask.read(line.decode())))), flush=True)
    client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
