"""What does one Tonnage worker, driven over a real Redis, report of the stalling server?"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stalling_target import Case, reset
from benchmarks.stock_run import LOCUSTFILE, Told
from contract.latency import Histogram
from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.adapters.control_link import ControlLink
from controller.adapters.redis_fleet import RedisFleet, RedisFleetOf
from controller.adapters.system_clock import SystemClock
from controller.search.goal import Goal, Workload
from controller.search.probe import Probe
from tonnage import redis_server
from tonnage.child import Child

REDIS_WITHIN_S = 10.0
OBJECTIVE = "p99 response_time <= 2s"


class NoArtefacts:
    """The workload needs none."""

    async def put_artefact(self, sha256: str, data: bytes) -> None:
        raise RuntimeError(f"{len(data)} bytes under {sha256}: nothing is kept here")

    async def artefact(self, sha256: str) -> bytes | None:
        del sha256
        return None


@contextmanager
def one_worker(folder: Path) -> Iterator[str]:
    """URL of a Redis of our own, with one worker process on it."""
    server = redis_server.configure(folder)
    redis = Child("redis", server.argv, folder / "redis.log")
    argv = [sys.executable, "-m", "workers", "--id", "w1", "--parent-pid", str(os.getpid())]
    worker = Child("worker", argv, folder / "worker.log", {"TONNAGE_REDIS_URL": server.url})
    try:
        redis.start()
        deadline = time.monotonic() + REDIS_WITHIN_S
        while not redis_server.answers(server.port):
            if not redis.alive or time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start; it said:\n{redis.log_tail()}")
            time.sleep(0.02)
        worker.start()
        yield server.url
    finally:
        for child in (worker, redis):
            child.terminate()
            child.wait()


def run(case: Case, kind: str, url: str, folder: Path) -> Told:
    """Open loop at the case's rate, with the locustfile that stock Locust runs."""
    with one_worker(folder) as redis_url:
        return asyncio.run(_measured(case, kind, url, redis_url))


async def _measured(case: Case, kind: str, url: str, redis_url: str) -> Told:
    link = ControlLink(redis_url)
    try:
        fleet = RedisFleetOf(link, NoArtefacts(), SystemClock())(
            "open-loop", goal(case, kind, url), 1
        )
        await fleet.prepare()
        try:
            await asyncio.to_thread(reset, url)  # preflight has sent a request
            return await _offered(case, fleet)
        finally:
            await fleet.release()
    finally:
        await link.close()


async def _offered(case: Case, fleet: RedisFleet) -> Told:
    response, lag, requests, scheduled = Histogram(), Histogram(), 0, 0
    async with fleet.offer(probe(case)) as reports:
        async for report in reports:
            for bucket in report.buckets:
                response.merge(bucket.response_time)
            lag.merge(report.send_lag)
            requests += report.requests
            scheduled = report.totals.scheduled
    p50, p95, p99 = (1000 * response.quantile(q) for q in (0.5, 0.95, 0.99))
    return Told(requests, (p50, p95, p99), scheduled, 1000 * lag.quantile(0.99))


def goal(case: Case, kind: str, url: str) -> Goal:
    """Nothing is searched: what the fleet needs to know of the target."""
    return Goal(
        name="open-loop",
        targets=(url,),
        objectives=(parse_objective(OBJECTIVE),),
        low=Rate(case.rate / 2),
        high=Rate(case.rate * 2),
        workload=Workload(user=str(LOCUSTFILE), law=case.law(kind)),
    )


def probe(case: Case) -> Probe:
    """The case's rate from the first instant to the last."""
    return Probe(
        number=1,
        purpose="search",
        rate=Rate(case.rate),
        ramp_s=Seconds(0.0),
        settle_s=Seconds(0.0),
        measure_s=Seconds(case.seconds),
    )
