"""Does the ledger of a fleet stay exact for minutes, while workers die, join and stand still?

Real processes and a real Redis. The auditor reads what the workers said from Redis itself, beside
the controller's own merge, and compares the two. Not in the usual suite: `pytest -m soak tests/soak`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contract import keys
from contract.arrivals import Law
from contract.codec import decode
from contract.messages import Drained, Plan
from contract.report import FATES, FleetReport, Report
from contract.units import Rate, Seconds
from controller.adapters.control_link import ControlLink
from controller.adapters.redis_fleet import RedisFleet, RedisFleetOf
from controller.adapters.system_clock import SystemClock
from controller.errors import FleetLost
from controller.search.goal import Workload
from tests.e2e.scene import serving
from tests.helpers.builders import a_goal, a_probe
from tests.helpers.processes import Program, running
from tests.helpers.redis_server import RedisServer
from tests.ports.fleets import NoArtefacts

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.soak,
    pytest.mark.needs_redis_server,
    pytest.mark.timeout(440),
]

SOAK_S = float(os.environ.get("SOAK_S", "300"))
WORKERS, MOST_WORKERS = 3, 4
PAUSE_S = 0.3
RUN = "soak"
THERE_WITHIN_S = 40.0
EVENTS = ("nothing", "pause", "pause", "kill", "join", "kill while paused")


@dataclass
class Auditor:
    """What went over Redis: each plan, and each worker's reports of it."""

    url: str
    plans: dict[int, Plan] = field(default_factory=dict)
    reports: defaultdict[tuple[int, str], dict[int, Report]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    drained: dict[tuple[int, str], Drained] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._last: dict[Any, Any] = {keys.CONTROL: "0-0", keys.replies(RUN): "0-0"}

    async def catch_up(self) -> None:
        """Take in all that has come since."""
        client: Any
        async with Redis.from_url(self.url) as client:
            while found := await client.xread(dict(self._last), count=500):
                for stream, entries in found:
                    for entry, fields in entries:
                        self._last[stream.decode()] = entry
                        self._take(decode(fields[b"m"]))

    def _take(self, message: object) -> None:
        if isinstance(message, Plan):
            self.plans[message.probe] = message
        elif isinstance(message, Report):
            self.reports[message.probe, message.worker][message.sequence] = message
        elif isinstance(message, Drained) and message.probe is not None:
            self.drained[message.probe, message.worker] = message

    def check(self, probe: int, seen: list[FleetReport], killed: set[str]) -> int:
        """The audit of one probe; how many arrivals its workers accounted for."""
        plan = self.plans[probe]
        shares, arrivals = plan.shares(), len(plan.schedule().times())
        through: dict[str, int] = {}
        accounted = 0
        for position, worker in enumerate(plan.workers):
            told = [r for _, r in sorted(self.reports[probe, worker].items())]
            last = told[-1] if told else None
            through[worker] = last.through_index if last else 0
            accounted += _exact(told)
            assert (last.totals.scheduled if last else 0) == shares.owed(
                position, min(through[worker], arrivals)
            ), (probe, worker)
            if worker not in killed:
                assert last is not None, (probe, worker)
                assert last.final, (probe, worker)
                assert last.totals.in_flight == 0
                assert self.drained[probe, worker].totals == last.totals
        self._explain(plan, seen, killed, through)
        return accounted

    def _explain(
        self, plan: Plan, seen: list[FleetReport], killed: set[str], through: dict[str, int]
    ) -> None:
        """Nothing is unaccounted for but by those killed, and of them exactly what they owed.

        That is what was theirs up to an index that some worker had accounted for.
        """
        assert sum(report.unaccounted for report in seen) == 0, plan.probe
        shares = plan.shares()
        told = [r for w in plan.workers for r in self.reports[plan.probe, w].values()]
        for worker, first, count in seen[-1].owed if seen else ():
            assert worker in killed, (plan.probe, worker, seen[-1].notes)
            assert first == through[worker]
            position = plan.workers.index(worker)
            ends = {max(first, report.through_index) for report in told} | {first}
            owed = {shares.owed(position, end) - shares.owed(position, first) for end in ends}
            assert count in owed, (plan.probe, worker, count, owed)


def _exact(told: list[Report]) -> int:
    """One worker's reports: balanced, none missing, increments that sum to the totals."""
    if not told:
        return 0
    first = told[0].sequence
    assert [r.sequence for r in told] == list(range(first, first + len(told)))
    sums: Counter[str] = Counter()
    for report in told:
        assert report.totals.balanced, report
        for bucket in report.buckets:
            sums.update({name: getattr(bucket, name) for name in FATES})
    assert all(sums[name] == getattr(told[-1].totals, name) for name in FATES)
    return told[-1].totals.scheduled


class World:
    """Worker processes, a fleet that drives them, and what happens to them."""

    def __init__(self, folder: Path, url: str, chance: random.Random) -> None:
        self.url = url
        self.workers: dict[str, Program] = {}
        self.killed: set[str] = set()
        self.tally: Counter[str] = Counter()
        self._folder = folder
        self._chance = chance
        self._made = 0
        self._leaving = ExitStack()

    def close(self) -> None:
        self._leaving.close()

    def start(self) -> str:
        self._made += 1
        name = f"w{self._made}"
        argv = ("workers", "--id", name, "--redis-url", self.url)
        self.workers[name] = self._leaving.enter_context(running(name, argv, self._folder))
        return name

    async def until_there(self) -> None:
        """Every worker of ours has said hello."""
        client: Any
        async with Redis.from_url(self.url) as client, asyncio.timeout(THERE_WITHIN_S):
            while True:
                there = {name.decode() for name in await client.hkeys(keys.FLEET_HELLO)}
                if there >= set(self.workers):
                    return
                await asyncio.sleep(0.1)

    async def befall(self) -> None:
        """One random event, at a random time of a probe."""
        event = self._chance.choice(EVENTS)
        await asyncio.sleep(self._chance.uniform(0.2, 4.0))
        self.tally[event] += 1
        name = self._chance.choice(sorted(self.workers))
        if "pause" in event:
            program = self.workers[name]
            program.send(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_S)
            if event == "pause":
                program.send(signal.SIGCONT)
        if "kill" in event:
            self.workers.pop(name).send(signal.SIGKILL)
            self.killed.add(name)
        if event == "join" and len(self.workers) < MOST_WORKERS:
            self.start()


@asynccontextmanager
async def standing(
    program: Path, folder: Path, chance: random.Random
) -> AsyncIterator[tuple[World, RedisFleet]]:
    server = RedisServer(program, folder)
    await asyncio.to_thread(server.start)
    world = World(folder, server.url, chance)
    link = ControlLink(server.url)
    try:
        with serving(folder) as target:
            for _ in range(WORKERS):
                world.start()
            await world.until_there()
            goal = a_goal(
                targets=(target.url,),
                model="toy",
                high=Rate(300.0),
                workload=Workload(law=Law("poisson"), user="kserve_v2", timeout_s=Seconds(2.0)),
            )
            yield world, RedisFleetOf(link, NoArtefacts(), SystemClock())(RUN, goal, 1)
    finally:
        world.close()
        await link.close()
        server.kill()


async def offered(fleet: RedisFleet, world: World, number: int, rate: float) -> list[FleetReport]:
    """One probe to its end, with one event in it; a loss is none unless somebody was killed."""
    seen: list[FleetReport] = []
    before = set(world.killed)
    happening = asyncio.create_task(world.befall())
    try:
        async with fleet.offer(a_probe(number, rate=rate, measure_s=4.0)) as reports:
            async for report in reports:
                seen.append(report)  # noqa: PERF401 - what was seen before an error stays
    except FleetLost:
        assert world.killed - before, "a worker was lost that nobody had killed"
    finally:
        await happening
    return seen


async def test_the_ledger_is_exact_while_workers_die_join_and_pause(
    redis_server_program: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    clock = SystemClock()
    async with standing(redis_server_program, tmp_path, chance) as (world, fleet):
        auditor = Auditor(world.url)
        until = clock.now() + SOAK_S
        number = accounted = 0
        await fleet.prepare()
        while clock.now() < until:
            number += 1
            seen = await offered(fleet, world, number, chance.uniform(20.0, 140.0))
            await auditor.catch_up()
            accounted += auditor.check(number, seen, world.killed)
            while len(world.workers) < WORKERS:
                world.start()
            await world.until_there()
            if set(world.workers) != set(auditor.plans[number].workers):
                await fleet.prepare(ask_target=False)
        await fleet.release()
        print(f"{number} probes, {accounted} arrivals, {dict(world.tally)}")  # noqa: T201
    assert accounted > 0
