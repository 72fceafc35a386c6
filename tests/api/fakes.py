"""What do the API's tests stand on? Fakes of its collaborators, and goals and runs to show."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI

from contract.messages import Hello
from contract.report import Connected, Health, Ledger
from contract.units import Rate, Seconds
from controller import settings
from controller.adapters.control_link import Seen
from controller.app import create_app
from controller.errors import Conflict, FleetLost, NotFound
from controller.ports import Member, RunRecord
from controller.run.demand import Demand, Limits
from controller.run.live import LiveRun, Update
from controller.run.placement import Wish
from controller.run.staffing import StaffingOffice
from controller.search.answer import Capacity
from controller.search.goal import Goal
from controller.search.journal import (
    Event,
    Measured,
    PreflightPassed,
    PreflightStarted,
    ProbeDecided,
    ProbeStarted,
    RunCreated,
    RunEnded,
)
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Verdict
from controller.search.view import RunView

URL = "http://127.0.0.1:8411"


def goal_document(**changes: Any) -> dict[str, Any]:
    """A goal that is right, but for `changes`."""
    document = {
        "name": "ranker-v12",
        "target": "http://127.0.0.1:9100",
        "model": "toy",
        "headers": {"Authorization": "${TOKEN}"},
        "workload": {"user": "/users/ranker.py", "arrivals": "poisson", "timeout": "10s"},
        "slo": ["p99 response_time <= 150ms", "error_ratio <= 0.1%"],
        "search": {"from": "10/s", "to": "2000/s", "precision": "8%", "budget": "10min"},
        "require": "200/s",
    }
    return document | changes


class MemoryJournal:
    """The Journal port in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, list[tuple[int, Event]]] = {}

    async def append(self, run: str, event: Event) -> int:
        events = self.kept.setdefault(run, [])
        events.append((len(events) + 1, event))
        return len(events)

    async def read(self, run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        return tuple(item for item in self.kept.get(run, []) if item[0] > after)


class FakeRuns:
    """Runs that do what the test appends to them."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.live: dict[str, LiveRun] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.broken: Exception | None = None

    async def create(self, document: str, goal: Goal, key: str | None = None) -> str:
        if self.broken is not None:
            raise self.broken
        known = self.keys.get(key or "")
        if known is not None:
            if known[1] != document:
                raise Conflict(f"the idempotency key {key!r} was used for another goal")
            return known[0]
        run = f"run-{len(self.live) + 1}"
        self.live[run] = LiveRun(run, self.journal, ManualClock())
        await self.append(run, RunCreated(float(len(self.live)), goal, document))
        if key:
            self.keys[key] = (run, document)
        return run

    async def append(self, run: str, *events: Event) -> None:
        for event in events:
            await self.live[run].append(run, event)

    async def runs(self, *, ended: bool | None = None, limit: int = 200) -> tuple[RunRecord, ...]:
        return tuple(_record(live.view) for live in reversed(self.live.values()))[:limit]

    async def view(self, run: str) -> RunView:
        return self._live(run).view

    async def watch(self, run: str, after: int = 0) -> AsyncIterator[Update]:
        async for update in self._live(run).watch(after):
            yield update

    def ahead(self, run: str) -> int | None:
        return None

    async def abort(self, run: str, reason: str) -> None:
        if self._live(run).view.state == "ended":
            raise Conflict(f"run {run!r} has ended")
        await self.append(run, RunEnded(9.0, Capacity("aborted", reason)))

    def _live(self, run: str) -> LiveRun:
        if run not in self.live:
            raise NotFound(f"there is no run {run!r}")
        return self.live[run]


def _record(view: RunView) -> RunRecord:
    created_at = view.created_at or 0.0
    status = view.capacity.status if view.capacity else None
    return RunRecord(view.run, view.name, created_at, created_at, view.ended_at, status)


class FakeStore:
    """Artefacts in a dict; `down` makes the database refuse."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.down = False

    async def put_artefact(self, sha256: str, data: bytes) -> None:
        self.kept[sha256] = data

    async def artefact(self, sha256: str) -> bytes | None:
        return self.kept.get(sha256)

    async def ready(self) -> None:
        if self.down:
            raise OSError("no database")


class FakeFleet:
    """Workers as the test wants them; `down` means that Redis is gone."""

    def __init__(self) -> None:
        self.heard: tuple[Seen, ...] = ()
        self.down = False
        self.wishes: tuple[Wish, ...] = ()

    async def fleet(self) -> tuple[Seen, ...]:
        if self.down:
            raise FleetLost("Redis does not answer")
        return self.heard

    async def demand(self, *, steady: bool = False) -> Demand:
        office = StaffingOffice(self, ManualClock(), Limits(8, 4), within_s=60.0)
        office.wishes = lambda: self.wishes
        return await office.demand(steady=steady)

    async def members(self) -> tuple[Member, ...]:
        hellos = [seen.hello for seen in await self.fleet()]
        return tuple(Member(h.worker, h.host, float(h.rate_per_s), h.run) for h in hellos)


class ManualClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = 0

    def now(self) -> Seconds:
        return Seconds(self._now)

    def wall(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, self._count, woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, and everybody react."""
        await settle()
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(50):
        await asyncio.sleep(0)


class Api:
    """The application over fakes, and a client of it."""

    def __init__(self, **given: Any) -> None:
        self.runs, self.store, self.fleet = FakeRuns(), FakeStore(), FakeFleet()
        self.clock = ManualClock()
        self.app: FastAPI = create_app(
            settings.read(**given),
            self.runs,
            self.store,
            self.fleet,
            self.fleet.demand,
            self.clock,
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=URL)

    async def create(self, **changes: Any) -> str:
        answer = await self.http.post("/api/v1/runs", json=goal_document(**changes))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def faults(self, document: Any) -> list[dict[str, str]]:
        """What is wrong with a goal, said by the quote route."""
        answer = await self.http.post("/api/v1/quote", content=json.dumps(document))
        assert answer.status_code == 422, answer.text
        faults: list[dict[str, str]] = answer.json()["errors"]
        return faults


def heard(worker: str, **changes: Any) -> Seen:
    hello = Hello(
        worker=worker,
        boot="b1",
        host="here",
        pid=7,
        version="0.1.0",
        rate_per_s=Rate(1500.0),
        health=Health(cpu_ratio=0.25, clock_offset_us=120),
        **changes,
    )
    return Seen(hello, 0.5)


def probe(number: int = 1, rate: float = 100.0) -> Probe:
    ramp_s, settle_s, measure_s = Seconds(1.0), Seconds(1.0), Seconds(8.0)
    return Probe(number, "search", Rate(rate), ramp_s, settle_s, measure_s, why="to see")


def outcome(number: int, rate: float, verdict: Verdict) -> Outcome:
    return Outcome(
        probe=probe(number, rate),
        verdict=verdict,
        rule="R5",
        reason=f"=p99 at {rate:g}/s <b>",
        evidence=Evidence(Rate(rate), (800,), (3,), (1.0,)),
        response_time=Quantiles(0.020, 0.050, 0.120),
        service_time=Quantiles(float("nan"), float("nan"), float("nan")),
        sent_per_s=Rate(rate),
        achieved_per_s=Rate(rate - 1),
        requests=800,
        bad_requests=3,
        ledger=Ledger(scheduled=800, sent=800, succeeded=800, extra_sends=2),
        send_lag_p99_s=Seconds(0.001),
        seconds=Seconds(12.0),
        phases=(("connect", Quantiles(0.001, 0.002, 0.004)),),
        connections=(Connected("10.0.0.5:80", 40, 60, 10, number),),
    )


def measured(at: float) -> Measured:
    rate = Rate(100.0)
    return Measured(at, 1, Seconds(at), rate, rate, rate, 0.0, 0.02, 0.05, float("nan"), 3, 0.001)


def beginning() -> tuple[Event, ...]:
    return (
        PreflightStarted(2.0),
        PreflightPassed(3.0, ("w1", "w2"), 3000.0, ("two workers share a core",)),
        ProbeStarted(4.0, probe()),
    )


def decided(number: int, rate: float, verdict: Verdict) -> ProbeDecided:
    result = outcome(number, rate, verdict)
    return ProbeDecided(10.0 + number, result, Rate(240.0), Rate(230.0), Rate(251.0))


def ending(capacity: Capacity) -> tuple[Event, ...]:
    return (
        decided(1, 100.0, Verdict.PASS),
        decided(2, 400.0, Verdict.FAIL),
        decided(3, 200.0, Verdict.VOID),
        RunEnded(40.0, capacity),
    )


ANSWERED = Capacity(
    status="answered",
    reason="p99 response_time <= 150ms holds up to 240/s",
    estimate=Rate(240.0),
    low=Rate(230.0),
    high=Rate(251.0),
    strict=Rate(240.0),
    safe=Rate(232.0),
    binding_objective="p99 response_time <= 150ms",
)
