"""What says a worker that loads nothing and sends nothing, but speaks the contract?"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from contract import codec, keys
from contract.latency import Histogram
from contract.messages import Drained, Hello, Plan, Prepare, Ready, Stop
from contract.report import BUCKET_NS, DueBucket, Ledger, Report
from contract.signing import FleetKey
from contract.units import Rate

HELLO_S = 0.3
PLAIN_HTTP = Path(__file__).parents[2] / "locustfiles" / "plain_http.py"
PLAIN_HTTP_SHA256 = hashlib.sha256(PLAIN_HTTP.read_bytes()).hexdigest()


class FakeWorker:
    """A worker whose every arrival succeeds in 10 ms; `start` it, `leave` it or `crash` it.

    `drops` names the reports (by number in the probe, from 1) that never arrive; `repeats` those
    that arrive twice. `rate_per_s` is what it can send of the user, `cannot` what it answers to
    Prepare. `heard` lists what it was told. With a `key` it obeys what is signed with it.
    """

    def __init__(self, name: str, url: str, key: FleetKey | None = None) -> None:
        self.name = name
        self.boot = f"{name}-1"
        self.key = key
        self.run: str | None = None
        self.cannot: str | None = None
        self.user_sha256 = PLAIN_HTTP_SHA256
        self.drops: frozenset[int] = frozenset()
        self.repeats: frozenset[int] = frozenset()
        self.mute = False
        self.rate_per_s = Rate(1_000.0)
        self.scheduled: dict[int, int] = {}  # by probe
        self.heard: list[str] = []
        self.has_a_plan = asyncio.Event()
        self.sequence = 0
        self._redis = Redis.from_url(
            url, socket_timeout=2.0, retry=Retry(NoBackoff(), 0), protocol=2
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._probe: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._sent: list[Drained] = []

    async def start(self) -> None:
        """Say hello once, then go on by itself."""
        latest: Any = await self._redis.xrevrange(keys.CONTROL, count=1)
        self._after = latest[0][0] if latest else b"0-0"
        await self._hello()
        self._tasks = [
            asyncio.create_task(self._forever(self._greet)),
            asyncio.create_task(self._forever(self._listen)),
        ]

    async def crash(self) -> None:
        """Fall silent in the middle of everything."""
        tasks = {*self._tasks, *([self._probe] if self._probe else [])}
        while tasks:  # the client may forget a cancellation that comes with an answer
            for task in tasks:
                task.cancel()
            done, tasks = await asyncio.wait(tasks, timeout=0.2)
            await asyncio.gather(*done, return_exceptions=True)
        self._tasks, self._probe = [], None

    async def leave(self) -> None:
        await self.crash()
        await self._redis.aclose()

    async def restart(self) -> None:
        """Crash, and come back as another process."""
        await self.crash()
        self.boot = f"{self.name}-2"
        self.run = None
        await self.start()

    async def _forever(self, work: Any) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await work()
            await asyncio.sleep(0.05)

    async def _greet(self) -> None:
        while True:
            await self._hello()
            await asyncio.sleep(HELLO_S)

    async def _hello(self) -> None:
        key_id = "" if self.key is None else self.key.id
        rate = Rate(1_000.0)
        hello = Hello(self.name, self.boot, "host", 1, "1", rate, run=self.run, key_id=key_id)
        seconds, microseconds = await self._redis.time()
        now_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
        await self._redis.hset(keys.FLEET_HELLO, self.name, codec.encode(hello))
        await self._redis.zadd(keys.FLEET_SEEN, {self.name: now_ms})

    async def _listen(self) -> None:
        newest: Any = await self._redis.xrevrange(keys.CONTROL, count=1)
        if not newest or newest[0][0] < self._after:
            self._after = b"0-0"
        while True:
            found: Any = await self._redis.xread({keys.CONTROL: self._after}, block=500)
            for _, entries in found or ():
                for entry, fields in entries:
                    self._after = entry
                    data = fields[b"m"]
                    message = data if self.key is None else self.key.opened(data)[0]
                    await self._obey(codec.decode(message))

    async def _obey(self, message: codec.Message) -> None:
        if not isinstance(message, Prepare | Plan | Stop) or self.name not in message.workers:
            return
        self.heard.append(type(message).__name__)
        if self.mute:
            return
        if isinstance(message, Prepare):
            self.run = message.run if self.cannot is None else None
            await self._send(
                Ready(
                    message.run,
                    message.fence,
                    self.name,
                    self.boot,
                    error=self.cannot,
                    user_sha256=self.user_sha256,
                    rate_per_s=self.rate_per_s,
                )
            )
        elif isinstance(message, Plan):
            self.has_a_plan.set()
            self._stopped = asyncio.Event()
            self._probe = asyncio.create_task(self._try(message))
        else:
            await self._stop(message)

    async def _stop(self, stop: Stop) -> None:
        self._stopped.set()
        if self._probe is not None:
            await self._probe
            self._probe = None
        if stop.probe is None:
            self.run = None
            await self._drained(stop.run, stop.fence, None)

    async def _try(self, plan: Plan) -> None:
        """Its load ends with the bus."""
        with contextlib.suppress(RedisError, OSError):
            await self._carry_out(plan)

    async def _carry_out(self, plan: Plan) -> None:
        share = list(plan.share(plan.workers.index(self.name)))
        due_ns = [int(due) for _, dues in share for due in dues]
        indices = [int(index) for numbers, _ in share for index in numbers]
        totals, done, slice_number = Ledger(), 0, 0
        last_slice = -(-round(plan.duration_s * 1e9) // BUCKET_NS)
        while slice_number < last_slice and not self._stopped.is_set():
            slice_number += 1
            await self._until(plan.epoch_us + slice_number * BUCKET_NS // 1_000)
            through = sum(due < slice_number * BUCKET_NS for due in due_ns)
            bucket = _bucket(slice_number - 1, through - done)
            totals += Ledger(through - done, through - done, succeeded=through - done)
            done = self.scheduled[plan.probe] = through
            report = Report(
                run=plan.run,
                fence=plan.fence,
                probe=plan.probe,
                worker=self.name,
                boot=self.boot,
                sequence=0,
                through_ns=slice_number * BUCKET_NS,
                through_index=indices[done - 1] + 1 if done else 0,
                totals=totals,
                buckets=(bucket,),
                requests=bucket.sent,
                final=slice_number == last_slice,
            )
            await self._report(report, slice_number)
        await self._drained(plan.run, plan.fence, plan.probe, totals)

    async def _report(self, report: Report, number: int) -> None:
        self.sequence += 1
        report = replace(report, sequence=self.sequence)
        for _ in range(number not in self.drops):
            await self._send(report)
        for _ in range(number in self.repeats):
            await self._send(report)

    async def _drained(
        self, run: str, fence: int, probe: int | None, totals: Ledger | None = None
    ) -> None:
        last = totals or Ledger()
        await self._send(
            Drained(run, fence, probe, self.name, self.boot, last, self.sequence, "told so")
        )

    async def _send(self, message: Ready | Report | Drained) -> None:
        await self._redis.xadd(keys.replies(message.run), {"m": codec.encode(message)})

    async def _until(self, at_us: int) -> None:
        seconds, microseconds = await self._redis.time()
        left_s = (at_us - int(seconds) * 1_000_000 - int(microseconds)) / 1e6
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), max(0.0, left_s))


def _bucket(index: int, count: int) -> DueBucket:
    return DueBucket(
        index=index,
        scheduled=count,
        sent=count,
        succeeded=count,
        judged=(count,),
        bad=(0,),
        response_time=Histogram.of([0.01] * count),
        service_time=Histogram.of([0.01] * count),
    )
