"""What stands in for the world: a store in memory, a fleet that does as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from contract.latency import Histogram
from contract.report import BUCKET_NS, DueBucket, FleetReport, Ledger
from controller.errors import Conflict, FleetLost, NotFound, PreflightFailed
from controller.ports import Burden, Clock, IdempotencyKey, Readiness, RunRecord
from controller.search.journal import Event, RunCreated, RunEnded
from controller.search.probe import Probe


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

    def of(self, run: str) -> list[Event]:
        return [event for _, event in self.kept.get(run, [])]


class MemoryStore(MemoryJournal):
    """The RunStore port in dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, RunRecord] = {}
        self.names: dict[str, tuple[str, str]] = {}
        self.fence = 0

    async def append(self, run: str, event: Event) -> int:
        if isinstance(event, RunEnded):
            self.records[run] = replace(
                self.records[run], ended_at=event.at, status=event.capacity.status
            )
        return await super().append(run, event)

    async def create(self, run: str, event: RunCreated, key: IdempotencyKey | None = None) -> str:
        if key is not None:
            digest, known = self.names.setdefault(key.key, (key.digest, run))
            if digest != key.digest:
                raise Conflict(f"the idempotency key {key.key!r} was used for another goal")
            if known != run:
                return known
        self.records[run] = RunRecord(run, event.goal.name, event.at, event.at)
        await self.append(run, event)
        return run

    async def runs(self, *, ended: bool | None = None, limit: int = 200) -> tuple[RunRecord, ...]:
        newest = sorted(self.records.values(), key=lambda r: (r.created_at, r.run), reverse=True)
        wanted = [r for r in newest if ended is None or (r.ended_at is not None) == ended]
        return tuple(wanted[:limit])

    async def run(self, run: str) -> RunRecord:
        if run not in self.records:
            raise NotFound(f"there is no run {run!r}")
        return self.records[run]

    async def keep_alive(self, runs: tuple[str, ...], at: float) -> None:
        for run in runs:
            self.records[run] = replace(self.records[run], alive_at=at)

    async def next_fence(self) -> int:
        self.fence += 1
        return self.fence


class FailingJournal(MemoryJournal):
    """Refuses the first event that `refuse` picks out, and keeps the rest."""

    def __init__(self, refuse: Callable[[Event], bool]) -> None:
        super().__init__()
        self._refuse: Callable[[Event], bool] | None = refuse

    async def append(self, run: str, event: Event) -> int:
        if self._refuse is not None and self._refuse(event):
            self._refuse = None
            raise OSError("the disk is full")
        return await super().append(run, event)


@dataclass(frozen=True, slots=True)
class Script:
    """What happens in one probe, in seconds after its epoch; None: it does not."""

    loses_worker_at_s: float | None = None
    bus_gone_at_s: float | None = None
    breaks_at_s: float | None = None
    misses: int = 0


class ScriptedFleet:
    """The Fleet port with a target that carries `carries` per second and a script per probe.

    `said` lists what it was told, with the virtual time. While `gone_until` is in the future,
    every call raises FleetLost. `refuses` is raised by prepare, and PreflightFailed when it is to
    ask a target that does not (`answers`). A release takes `release_s`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        carries: float = 200.0,
        workers: tuple[str, ...] = ("w1", "w2"),
        scripts: dict[int, Script] | None = None,
    ) -> None:
        self.said: list[tuple[float, str]] = []
        self.workers = workers
        self._sending = False
        self.gone_until = 0.0
        self.back_after_s = 5.0
        self.refuses: Exception | None = None
        self.answers = True
        self.release_refuses: Exception | None = None
        self.drain_s = 0.2
        self.borne = Burden()
        self._clock = clock
        self._carries = carries
        self._scripts = scripts or {}

    def is_sending(self) -> bool:
        return self._sending

    def calls(self) -> list[str]:
        return [text for _, text in self.said]

    async def prepare(self, *, ask_target: bool = True) -> Readiness:
        self._say("prepare")
        await self._clock.sleep(0.5)
        self._check_bus()
        if self.refuses is not None:
            raise self.refuses
        if ask_target and not self.answers:
            raise PreflightFailed("worker w1: the target does not answer")
        return Readiness(self.workers, 5_000.0)

    @asynccontextmanager
    async def offer(self, probe: Probe) -> AsyncIterator[AsyncIterator[FleetReport]]:
        self._check_bus()
        self._say(f"offer {probe.number}")
        self._sending = True
        reports = self._reports(probe, self._scripts.get(probe.number, Script()))
        try:
            yield reports
        finally:
            await reports.aclose()
            self._say(f"stop {probe.number}")
            self._sending = False
            await self._clock.sleep(self.drain_s)

    def burden(self) -> Burden:
        return self.borne

    async def release(self) -> None:
        self._say("release")
        self._sending = False
        await self._clock.sleep(self.drain_s)
        if self.release_refuses is not None:
            raise self.release_refuses

    async def _reports(self, probe: Probe, script: Script) -> AsyncGenerator[FleetReport, None]:
        totals = Ledger()
        slices = round(probe.duration_s * 1e9 / BUCKET_NS)
        for index in range(slices):
            await self._clock.sleep(0.25)
            at_s = 0.25 * (index + 1)
            if _is_due(script.breaks_at_s, at_s):
                raise RuntimeError("a bug of ours")
            if _is_due(script.bus_gone_at_s, at_s):
                self.gone_until = self._clock.now() + self.back_after_s
                raise FleetLost("Redis at 127.0.0.1:1 does not answer")
            bucket = self._bucket(index, probe.rate, script.misses)
            totals += Ledger(
                bucket.scheduled, bucket.sent, missed=bucket.missed, succeeded=bucket.sent
            )
            report = FleetReport(
                probe=probe.number,
                through_ns=(index + 1) * BUCKET_NS,
                workers=len(self.workers),
                totals=totals,
                buckets=(bucket,),
                send_lag=Histogram.of([0.0005]),
                requests=bucket.sent,
            )
            self.borne += Burden(bucket.sent, bucket.bad_any)
            if _is_due(script.loses_worker_at_s, at_s):
                lost, self.workers = self.workers[-1:], self.workers[:-1]
                notes = tuple(f"worker {name} was silent for 3 s" for name in lost)
                yield replace(report, lost=lost, notes=notes)
                return
            yield report

    def _bucket(self, index: int, rate: float, misses: int) -> DueBucket:
        count = max(1, round(rate / 4))
        sent = count - min(misses, count)
        seconds = 0.01 if rate <= self._carries else 1.0
        return DueBucket(
            index=index,
            scheduled=count,
            sent=sent,
            missed=count - sent,
            succeeded=sent,
            judged=(sent,),
            bad=(0 if rate <= self._carries else sent,),
            bad_any=0 if rate <= self._carries else sent,
            response_time=Histogram.of([seconds] * sent),
            service_time=Histogram.of([seconds] * sent),
        )

    def _check_bus(self) -> None:
        if self._clock.now() < self.gone_until:
            raise FleetLost("Redis at 127.0.0.1:1 does not answer")

    def _say(self, text: str) -> None:
        self.said.append((float(self._clock.now()), text))


async def turns(count: int = 20) -> None:
    """Let other tasks run, without any time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


def _is_due(planned_s: float | None, at_s: float) -> bool:
    return planned_s is not None and at_s >= planned_s
