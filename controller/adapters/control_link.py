"""How does the controller reach the workers through Redis?

Two pools: one whose calls block for new replies, one for everything else. Neither retries by
itself: a repeated XADD would say a thing twice. Whatever goes wrong between us and Redis comes
out as FleetLost; what a message says is `redis_fleet`'s business.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from contract import codec, keys
from contract.messages import Hello, Plan, Prepare, Stop
from contract.redis_url import place
from contract.roster import M, roster_of, without_names
from contract.signing import FleetKey
from controller.errors import Fenced, FleetLost

ANSWER_WITHIN_S = 2.0
"""Redis answers within this or is taken for gone."""
BLOCK_S = 0.1
"""Longest a read waits for replies: what the controller's latency may cost a decision."""
READ_AT_ONCE = 5_000
CALLS_AT_ONCE, READS_AT_ONCE = 8, 4
BEAT_TTL_S = 60
BEAT_ATTEMPTS = 3
ENDED_TTL_S = 60
"""Keys of a run that ended stay this long, for workers in the middle of a write."""

_PUBLISH = """
local seen = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) < seen then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'm', ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[4])
return 1
"""
_BEAT = """
local seen = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) < seen then return 0 end
local said = redis.call('GET', KEYS[2]) or '0'
local last = tonumber(string.sub(said, 1, #said > 16 and #said - 16 or #said)) or 0
if tonumber(ARGV[2]) <= last then return -last end
redis.call('SET', KEYS[2], ARGV[2] .. ARGV[5], 'EX', ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
return tonumber(ARGV[2])
"""


Places = Mapping[str, str]
"""By stream of replies the id of the last one read."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker's latest hello, and how long ago that was."""

    hello: Hello
    age_s: float


class ControlLink:
    """Redis at `url`, as the controller needs it; `close` it. With a `key` it signs what it says."""

    def __init__(self, url: str, key: FleetKey | None = None) -> None:
        self._key = key
        self._sent_us = 0
        self._heard: dict[bytes, tuple[bytes, Hello]] = {}
        self._name = place(url)
        self._calls = _client(url, CALLS_AT_ONCE, ANSWER_WITHIN_S)
        self._reads = _client(url, READS_AT_ONCE, ANSWER_WITHIN_S + BLOCK_S)

    @property
    def key_id(self) -> str:
        """The id of the fleet key; empty without one. Workers with another do not obey."""
        return "" if self._key is None else self._key.id

    async def close(self) -> None:
        await self._calls.aclose()
        await self._reads.aclose()

    async def ping(self) -> None:
        """Return if Redis answers."""
        with self._lost():
            await cast(Awaitable[Any], self._calls.ping())

    async def server(self) -> str:
        """Which start of which server answers; another one has forgotten what this one held."""
        with self._lost():
            info = await cast(Awaitable[Any], self._calls.info("server"))
        return str(info["run_id"])

    async def time_us(self) -> int:
        """The Redis clock."""
        with self._lost():
            seconds, microseconds = await self._calls.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    async def fleet(self) -> tuple[Seen, ...]:
        """Workers heard of within HELLO_TTL_S, by name."""
        now_ms = await self.time_us() / 1_000
        with self._lost():
            oldest_ms = now_ms - keys.HELLO_TTL_S * 1_000
            scored: Any = await self._calls.zrange(
                keys.FLEET_SEEN,
                cast(Any, oldest_ms),
                cast(Any, "+inf"),
                byscore=True,
                withscores=True,
            )
            if not scored:
                return ()
            names = [name for name, _ in scored]
            hellos = await cast(Awaitable[Any], self._calls.hmget(keys.FLEET_HELLO, names))
        ages_s = {name.decode(): max(0.0, (now_ms - ms) / 1_000) for name, ms in scored}
        known = self._hellos(names, hellos)
        seen = [Seen(h, ages_s[h.worker]) for h in known if h.worker in ages_s]
        return tuple(sorted(seen, key=lambda s: s.hello.worker))

    def _hellos(self, names: Iterable[bytes], datas: Iterable[bytes | None]) -> list[Hello]:
        """What workers say of themselves, decoded only when it is not what they said before."""
        known: dict[bytes, tuple[bytes, Hello]] = {}
        for name, data in zip(names, datas, strict=True):
            before = self._heard.get(name)
            if before is not None and before[0] == data:
                known[name] = before
            elif data:
                for hello in _decoded([data]):
                    if isinstance(hello, Hello):
                        known[name] = (data, hello)
        self._heard = known
        return [hello for _, hello in known.values()]

    async def sweep(self) -> None:
        """Forget workers not heard of for as long as a run's keys may last."""
        oldest_ms = await self.time_us() / 1_000 - keys.RUN_TTL_S * 1_000
        with self._lost():
            gone = await self._calls.zrangebyscore(keys.FLEET_SEEN, "-inf", oldest_ms)
            if gone:
                await self._calls.zrem(keys.FLEET_SEEN, *gone)
                await self._calls.hdel(keys.FLEET_HELLO, *gone)

    async def publish(self, message: Prepare | Plan | Stop) -> None:
        """Tell the workers.

        Raises:
            Fenced: a controller with a higher fence has spoken for the run.
        """
        run, fence = message.run, message.fence
        names = (keys.fence(run), keys.CONTROL, keys.replies(run))
        limits = (keys.CONTROL_LENGTH, keys.RUN_TTL_S)
        data = codec.encode(await self._unnamed(message))
        if self._key is not None:
            self._sent_us = max(await self.time_us(), self._sent_us + 1)
            data = self._key.sealed(data, self._sent_us)
        said = await self._eval(_PUBLISH, names, (fence, data, *limits))
        self._check_fence(said, run, fence)

    async def _unnamed(self, message: M) -> M:
        """The message as it is sent: of many workers the names are laid in Redis."""
        sent = without_names(message)
        known = roster_of(sent)
        if known is None:
            return sent
        name = keys.roster(message.run, known[0])
        with self._lost():
            if not await self._calls.expire(name, keys.RUN_TTL_S):
                places = {worker: place for place, worker in enumerate(message.workers)}
                await cast(Awaitable[Any], self._calls.hset(name, mapping=cast(Any, places)))
                await self._calls.expire(name, keys.RUN_TTL_S)
        return sent

    async def beat(self, run: str, fence: int, number: int) -> int:
        """Renew the beat with a number above `number` and above the last one; that number.

        Raises:
            Fenced: as for publish.
        """
        names = (keys.fence(run), keys.beat(run))
        for _ in range(BEAT_ATTEMPTS):
            number += 1
            code = b"" if self._key is None else self._key.beat(run, number)
            values = (fence, number, BEAT_TTL_S, keys.RUN_TTL_S, code)
            said = await self._eval(_BEAT, names, values)
            self._check_fence(said, run, fence)
            if said > 0:
                break
            number = -said
        return number

    async def tail(self, run: str, shards: int = 1) -> Places:
        """Where the replies end now: reading from there on sees only newer ones."""
        places = {}
        for stream in (keys.replies(run, shard) for shard in range(shards)):
            with self._lost():
                latest: Any = await self._calls.xrevrange(stream, count=1)
            places[stream] = latest[0][0].decode() if latest else "0-0"
        return places

    async def replies(self, after: Places) -> tuple[Places, tuple[codec.Packed, ...]]:
        """Replies behind `after`, waiting BLOCK_S for the first; and where to go on from."""
        streams: Any = dict(after)
        with self._lost():
            answer: Any = await self._reads.xread(
                streams, count=READ_AT_ONCE, block=round(BLOCK_S * 1_000)
            )
        places, said = dict(after), []
        for stream, entries in answer or ():
            places[stream.decode()] = entries[-1][0].decode()
            said += [item[b"m"] for _, item in entries if item and b"m" in item]
        return places, tuple(_decoded(said))

    async def put_artefact(self, data: bytes) -> None:
        """Lay the bytes where workers fetch them by hash, for the run's time."""
        name = keys.artefact(hashlib.sha256(data).hexdigest())
        with self._lost():
            if not await self._calls.expire(name, keys.RUN_TTL_S):
                await self._calls.set(name, data, ex=keys.RUN_TTL_S)

    async def forget(self, run: str, *artefacts: str) -> None:
        """Let the keys of a run that ended run out; its fence stays for its full time.

        `artefacts`: the sha256 of what its workers fetched; the next run lays it there again.
        """
        streams = [keys.replies(run, shard) for shard in range(keys.MOST_SHARDS)]
        names = [*streams, keys.beat(run), *map(keys.artefact, artefacts)]
        with self._lost():
            for name in names:
                await self._calls.expire(name, ENDED_TTL_S)

    async def evaluate(self, script: str, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
        """What a Lua script of ours says of the keys `names`, in one step; texts as bytes."""
        with self._lost():
            return await self._calls.eval(script, len(names), *names, *values)

    async def _eval(self, script: str, names: tuple[str, ...], values: tuple[Any, ...]) -> int:
        return int(await self.evaluate(script, names, values))

    def _check_fence(self, said: int, run: str, fence: int) -> None:
        if said == 0:
            raise Fenced(f"another controller has taken over run {run}: fence {fence} is too low")

    @contextmanager
    def _lost(self) -> Iterator[None]:
        """Turn errors into FleetLost, and let no cancellation be lost.

        The client waits by `asyncio.wait_for`, which before Python 3.12 forgets a cancellation
        that comes together with the answer; the load would go on after an abort.
        """
        task = asyncio.current_task()
        before = 0 if task is None else task.cancelling()
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            why = type(error).__name__
            if isinstance(error, RedisError) and str(error):  # a certificate, a password, a right
                why += f": {str(error)[:200]}"
            raise FleetLost(f"Redis at {self._name} does not answer ({why})") from error
        finally:
            if task is not None and task.cancelling() > before:
                raise asyncio.CancelledError


def _client(url: str, connections: int, timeout_s: float) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=ANSWER_WITHIN_S,
        socket_timeout=timeout_s,
        socket_connect_timeout=ANSWER_WITHIN_S,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return Redis.from_pool(pool)


def _decoded(datas: Iterable[bytes]) -> Iterator[codec.Packed]:
    """What can be read of it: a worker of another version must not stop the run."""
    for data in datas:
        try:
            yield codec.decode_packed(data)
        except codec.ContractError:
            continue
