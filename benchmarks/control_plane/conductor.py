"""What does the controller's side cost while so many workers report? A process of its own.

The real fleet adapter prepares, offers one probe, takes in the merged reports and releases. CPU
time of this process and of Redis is read between two merged reports of the probe. One line of
JSON on standard output; the URL is in TONNAGE_REDIS_URL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.control_plane import filled
from benchmarks.control_plane.proc import Meter, Used
from benchmarks.own_fleet import NoArtefacts
from contract.arrivals import Law
from contract.objectives import parse_objective
from contract.report import FleetReport
from contract.units import Rate, Seconds
from controller.adapters.control_link import ControlLink
from controller.adapters.redis_fleet import RedisFleet, RedisFleetOf
from controller.adapters.system_clock import SystemClock
from controller.errors import FleetError, PreflightFailed
from controller.search.goal import Goal, Workload
from controller.search.probe import Probe

THERE_WITHIN_S = 30.0
STEADY_FROM_S, STEADY_UNTIL_S = 2, 1
"""From so long after the epoch to so long before the end."""


@dataclass(slots=True)
class Told:
    """What the merged reports of the probe told."""

    merged: int = 0
    late: int = 0
    lost: int = 0
    unaccounted: int = 0
    scheduled: int = 0
    requests: int = 0
    used: dict[str, Any] = field(default_factory=dict)
    prepared_s: float = 0.0


def goal(rate: float) -> Goal:
    return Goal(
        name=filled.RUN,
        targets=("http://127.0.0.1:9",),  # nobody sends anything there
        objectives=(parse_objective("p99 response_time <= 500ms"),),
        low=Rate(rate / 2),
        high=Rate(rate * 2),
        workload=Workload(law=Law("constant"), timeout_s=Seconds(2.0)),
    )


def probe(rate: float, seconds: int) -> Probe:
    return Probe(
        number=filled.PROBE,
        purpose="search",
        rate=Rate(rate),
        ramp_s=Seconds(0.0),
        settle_s=Seconds(0.0),
        measure_s=Seconds(seconds),
    )


async def conducted(workers: int, seconds: int, redis_pid: int) -> Told:
    """One probe on `workers` workers."""
    link = ControlLink(os.environ["TONNAGE_REDIS_URL"])
    rate = float(workers * filled.REQUESTS)
    try:
        await _all_there(link, workers)
        fleet = RedisFleetOf(link, NoArtefacts(), SystemClock())(
            filled.RUN, goal(rate), filled.FENCE
        )
        began_s = time.monotonic()
        ready = await fleet.prepare(ask_target=False)
        prepared_s = time.monotonic() - began_s
        if len(ready.workers) != workers:
            raise RuntimeError(f"{len(ready.workers)} of {workers} workers were prepared")
        try:
            told = await _offered(fleet, probe(rate, seconds), redis_pid)
        finally:
            await fleet.release()
    finally:
        await link.close()
    told.prepared_s = prepared_s
    return told


async def _all_there(link: ControlLink, workers: int) -> None:
    give_up_at = time.monotonic() + THERE_WITHIN_S
    while (there := len(await link.fleet())) < workers:
        if time.monotonic() > give_up_at:
            raise RuntimeError(
                f"{there} of {workers} simulated workers came in {THERE_WITHIN_S:.0f} s"
            )
        await asyncio.sleep(0.5)


async def _offered(fleet: RedisFleet, offered: Probe, redis_pid: int) -> Told:
    told = Told()
    meter: Meter | None = None
    used: Used | None = None
    until_s = offered.duration_s - STEADY_UNTIL_S
    async with fleet.offer(offered) as reports:
        async for report in reports:
            _count(told, report)
            through_s = report.through_ns / 1e9
            if meter is None and through_s >= min(STEADY_FROM_S, until_s - 1):
                meter = Meter({"controller": os.getpid(), "redis": redis_pid})
            elif meter is not None and used is None and through_s >= until_s:
                used = meter.used()
    if meter is not None:
        told.used = asdict(used or meter.used())
    return told


def _count(told: Told, report: FleetReport) -> None:
    told.merged += 1
    told.late += len(report.late)
    told.lost = max(told.lost, len(report.lost))
    told.unaccounted += report.unaccounted
    told.scheduled = report.totals.scheduled
    told.requests += report.requests


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--workers", "--seconds", "--redis-pid"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args()
    try:
        told = asyncio.run(conducted(options.workers, options.seconds, options.redis_pid))
    except (FleetError, PreflightFailed, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(told)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
