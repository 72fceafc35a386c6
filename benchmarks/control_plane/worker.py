"""What does a worker say and hear that has everything of a worker but the load?

Two connections, as the real one has (`workers.link`): one waits for control messages, the other
sends replies with the hello and reads the beat in one round trip, and the Redis clock once a second.
What it reports was built before, so that the machine's CPU is left to those who are measured.

`python -m benchmarks.control_plane.worker --first 0 --count 500 --of 2000 --seconds 12`; the URL
is in TONNAGE_REDIS_URL. Ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from functools import lru_cache
from typing import Any

from benchmarks.control_plane import filled
from benchmarks.control_plane.resp import Connection, Word, command
from contract import codec, keys
from contract.messages import Drained, Hello, Plan, Prepare, Ready, Stop
from contract.report import Ledger, Report
from contract.roster import roster_of
from contract.units import Rate

BLOCK_MS = 2_000
HELLO_S = 1.0
POLL_S, POLL_OF_MANY_S, MANY_WORKERS = 0.25, 1.0, 200
"""How often the beat is read, as in `workers.link`."""
RATE_PER_S = Rate(4 * filled.REQUESTS)


@lru_cache(maxsize=16)
def decoded(data: bytes) -> Prepare | Plan | Stop:
    """A control message; all workers of a process hear the same bytes."""
    message = codec.decode(data)
    assert isinstance(message, Prepare | Plan | Stop)
    return message


class Worker:
    """One simulated worker; `live` until cancelled."""

    def __init__(self, url: str, position: int, count: int, templates: list[Report]) -> None:
        self._name, self._boot = filled.name_of(position), filled.boot_of(position)
        self._position, self._count = position, count
        self._reports = filled.encoded(position, count, templates)
        self._listening, self._speaking = Connection(url), Connection(url)
        self._run: str | None = None
        self._probing = False
        self._due_s: float | None = None  # of the next report, wall clock
        self._said = 0  # reports of this probe
        self._outbox: list[bytes] = []
        self._wanted = asyncio.Event()

    async def live(self) -> None:
        await self._listening.open()
        await self._speaking.open()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen())
            both.create_task(self._talk())

    async def _listen(self) -> None:
        newest = command("XREVRANGE", keys.CONTROL, "+", "-", "COUNT", 1)
        found: Any = (await self._listening.ask(newest))[0]
        last: bytes = found[0][0] if found else b"0-0"
        while True:
            read = command("XREAD", "COUNT", 100, "BLOCK", BLOCK_MS, "STREAMS", keys.CONTROL, last)
            found = (await self._listening.ask(read))[0]
            for entry, (_, data) in found[0][1] if found else ():
                last = entry
                await self._obey(decoded(data))

    async def _obey(self, message: Prepare | Plan | Stop) -> None:
        if not await self._is_named(message):
            return
        if isinstance(message, Prepare):
            self._run = message.run
            self._say(
                Ready(
                    message.run,
                    message.fence,
                    self._name,
                    self._boot,
                    rate_per_s=RATE_PER_S,
                )
            )
        elif isinstance(message, Plan):
            self._probing, self._said = True, 0
            self._due_s = message.epoch_us / 1e6 + 1.0
            self._wanted.set()
        elif message.probe is not None:
            if self._probing:
                self._drained(message.probe, message.reason)
        else:
            self._drained(None, message.reason)
            self._run = None

    async def _is_named(self, message: Prepare | Plan | Stop) -> bool:
        known = roster_of(message)
        if known is None:
            return self._name in message.workers
        place = command("HGET", keys.roster(message.run, known[0]), self._name)
        return (await self._listening.ask(place))[0] == b"%d" % self._position

    def _drained(self, probe: int | None, reason: str) -> None:
        self._probing, self._due_s = False, None
        told = filled.totals(self._said) if probe is not None else Ledger()
        self._say(
            Drained(
                filled.RUN,
                filled.FENCE,
                probe,
                self._name,
                self._boot,
                told,
                self._said + 1,
                reason,
            )
        )

    def _say(self, message: Ready | Drained) -> None:
        self._outbox.append(codec.encode(message))
        self._wanted.set()

    async def _talk(self) -> None:
        """As the real link does: whatever wakes it says all that is due, in one round trip."""
        await asyncio.sleep(HELLO_S * self._position / self._count)
        hello_due_s = 0.0
        while True:
            now_s = time.time()
            self._wanted.clear()
            if self._due_s is not None and now_s >= self._due_s:
                self._report()
            hello = now_s >= hello_due_s
            if hello:
                await self._speaking.ask(command("TIME"))  # the clock is read as often
                hello_due_s = now_s + HELLO_S
            if self._outbox or hello or self._run is not None:
                await self._speak(round(now_s * 1_000) if hello else None)
            await self._wait()

    async def _wait(self) -> None:
        """Until the next report is due, something is to be said, or the beat is to be read."""
        few = self._run is None or self._count <= MANY_WORKERS
        until_s = time.time() + (POLL_S if few else POLL_OF_MANY_S)
        if self._due_s is not None:
            until_s = min(until_s, self._due_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until_s - time.time())):
                await self._wanted.wait()

    def _report(self) -> None:
        assert self._due_s is not None
        self._outbox.append(self._reports[self._said])
        self._said, self._due_s = self._said + 1, self._due_s + 1.0
        if self._said == len(self._reports):
            self._drained(filled.PROBE, "the plan is over")

    async def _speak(self, seen_ms: int | None) -> None:
        replies, self._outbox = self._outbox, []
        stream = keys.replies(filled.RUN, keys.shard(self._position, self._count))
        trimmed: tuple[Word, ...] = ("XADD", stream, "MAXLEN", "~", keys.REPLIES_LENGTH, "*", "m")
        words: list[tuple[Word, ...]] = [(*trimmed, data) for data in replies]
        if replies:
            words.append(("EXPIRE", stream, keys.RUN_TTL_S))
        if seen_ms is not None:
            words.append(("HSET", keys.FLEET_HELLO, self._name, codec.encode(self._hello())))
            words.append(("ZADD", keys.FLEET_SEEN, seen_ms, self._name))
        if self._run is not None:
            words.append(("GET", keys.beat(self._run)))
        await self._speaking.ask_all(words)

    def _hello(self) -> Hello:
        probe = filled.PROBE if self._probing else None
        return Hello(
            self._name,
            self._boot,
            "127.0.0.1",
            os.getpid(),
            "simulated",
            RATE_PER_S,
            run=self._run,
            probe=probe,
            health=filled.HEALTH,
        )


async def live(first: int, count: int, of: int, seconds: int) -> None:
    """Workers `first` to `first` + `count` - 1 of `of`, until cancelled."""
    url = os.environ["TONNAGE_REDIS_URL"]
    templates = [filled.report(second, seconds) for second in range(1, seconds + 1)]
    workers = [Worker(url, position, of, templates) for position in range(first, first + count)]
    async with asyncio.TaskGroup() as all_of_them:
        for worker in workers:
            all_of_them.create_task(worker.live())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--first", "--count", "--of", "--seconds"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args()
    asyncio.run(live(options.first, options.count, options.of, options.seconds))


if __name__ == "__main__":
    main()
