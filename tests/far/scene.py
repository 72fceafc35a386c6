"""Which world do tests of distance have? One Redis, a controller's side, real workers, a target."""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from contract import codec, keys
from contract.arrivals import Law
from contract.messages import Plan
from contract.report import FleetReport
from contract.signing import KEY_VARIABLE, FleetKey
from contract.units import Rate, Seconds
from controller.adapters.control_link import ControlLink
from controller.adapters.redis_fleet import RedisFleet, RedisFleetOf
from controller.adapters.system_clock import SystemClock
from controller.ports import Artefacts
from controller.search.goal import Goal, Workload
from controller.search.probe import Probe
from tests.helpers.builders import a_goal
from tests.helpers.processes import Program, running
from tests.ports.fleets import NoArtefacts

SECRET = "a secret of the fleet, long enough for use"
KEY = FleetKey(SECRET)
ANSWER_AFTER_S = 0.02
THERE_WITHIN_S = 30.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
WHO = "x-worker"


class Target:
    """A server that answers after ANSWER_AFTER_S and knows when each worker's requests came."""

    def __init__(self) -> None:
        self.came_us: defaultdict[str, list[int]] = defaultdict(list)
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                at_us = time.time_ns() // 1_000
                lines = dict(
                    line.lower().split(": ", 1)
                    for line in head.decode().splitlines()
                    if ": " in line
                )
                self.came_us[lines.get(WHO, "")].append(at_us)
                await asyncio.sleep(ANSWER_AFTER_S)
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


class World:
    """A controller's side with its target; `redis_url` is how near ones reach Redis."""

    def __init__(self, redis_url: str, target: Target) -> None:
        self.target = target
        self.clock = SystemClock()
        self.link = ControlLink(redis_url, KEY)
        self._redis_url = redis_url

    def goal(self, **workload: Any) -> Goal:
        return a_goal(
            targets=(self.target.url,),
            headers=((WHO, "${WHO}"),),
            workload=replace(
                Workload("plain_http", law=Law("constant"), timeout_s=Seconds(2.0)), **workload
            ),
        )

    def fleet(
        self, goal: Goal | None = None, fence: int = 1, artefacts: Artefacts | None = None
    ) -> RedisFleet:
        fleet_of = RedisFleetOf(self.link, artefacts or NoArtefacts(), self.clock)
        return fleet_of("r1", goal or self.goal(), fence)

    async def workers_there(self, *names: str) -> None:
        async with asyncio.timeout(THERE_WITHIN_S):
            while not set(names) <= {seen.hello.worker for seen in await self.link.fleet()}:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.1)

    async def latest_plan(self) -> Plan:
        """The last one that was published."""
        async with Redis.from_url(self._redis_url) as client:
            entries: Any = await client.xrevrange(keys.CONTROL, count=10)
        said = (codec.decode(KEY.opened(fields[b"m"])[0]) for _, fields in entries)
        return next(message for message in said if isinstance(message, Plan))


@asynccontextmanager
async def world(redis_url: str) -> AsyncIterator[World]:
    target = Target()
    await target.start()
    made = World(redis_url, target)
    try:
        yield made
    finally:
        target.close()
        await made.link.close()


@contextmanager
def worker(name: str, redis_url: str, folder: Path, **environment: str) -> Iterator[Program]:
    """A real worker process while inside."""
    own = {"TONNAGE_REDIS_URL": redis_url, KEY_VARIABLE: SECRET, "WHO": name} | environment
    argv = ("workers", "--id", name, "--parent-pid", str(os.getpid()))
    with running(name, argv, folder, own) as program:
        yield program


@asynccontextmanager
async def workers(made: World, *programs: Any) -> AsyncIterator[list[Program]]:
    """Workers while inside, all of them heard of."""
    async with AsyncExitStack() as leaving:
        started = [leaving.enter_context(program) for program in programs]
        await made.workers_there(*(program.name for program in started))
        yield started


def a_probe(number: int = 1, *, rate: float = 100.0, measure_s: float = 3.0) -> Probe:
    none, settle_s = Seconds(0.0), Seconds(0.5)
    return Probe(
        number, "search", Rate(rate), none, settle_s, Seconds(measure_s), why="of the distance"
    )


def due_us(plan: Plan, worker_name: str) -> list[int]:
    """When the arrivals of a worker are due on the Redis clock, in order."""
    share = plan.share(plan.workers.index(worker_name))
    return [plan.epoch_us + int(due) // 1_000 for _, dues in share for due in dues]


async def all_reports(fleet: RedisFleet, probe: Probe) -> Sequence[FleetReport]:
    async with fleet.offer(probe) as reports:
        return [report async for report in reports]
