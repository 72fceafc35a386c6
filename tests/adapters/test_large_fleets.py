"""What is different in a large fleet: where replies go, and where its names are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contract import codec, keys
from contract.messages import Ready, Stop
from contract.roster import roster_of
from tests.ports.fleets import Bus, bus

pytestmark = [pytest.mark.anyio, pytest.mark.needs_redis_server]


@pytest.fixture
async def world(
    redis_server_program: Path, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Bus]:
    async with bus(redis_server_program, tmp_path) as made:
        yield made


async def test_replies_of_a_large_fleet_are_heard_on_every_stream(world: Bus) -> None:
    shards = keys.shards(2_500)
    streams = [keys.replies("r1", shard) for shard in range(shards)]
    redis: Any = Redis.from_url(world.server.url)
    await redis.xadd(streams[0], {"m": codec.encode(a_ready("before"))})
    after = await world.link.tail("r1", shards)
    for number, stream in enumerate(streams):
        await redis.xadd(stream, {"m": codec.encode(a_ready(f"w{number}"))})
    heard: list[str] = []
    while len(heard) < shards:
        after, messages = await world.link.replies(after)
        heard += [message.worker for message in messages if isinstance(message, Ready)]
    await redis.aclose()
    assert sorted(heard) == ["w0", "w1", "w2"]


async def test_the_names_of_a_large_fleet_are_laid_in_redis_once(world: Bus) -> None:
    workers = tuple(f"w{number}" for number in range(150))
    stop = Stop("r1", 1, workers, None, "over")
    redis: Any = Redis.from_url(world.server.url)
    for _ in range(2):
        await world.link.publish(stop)
    (first, second) = [fields[b"m"] for _, fields in await redis.xrange(keys.CONTROL)]
    assert first == second
    told = codec.decode(first)
    assert isinstance(told, Stop)
    assert told.workers == ()
    known = roster_of(told)
    assert known is not None
    places = await redis.hgetall(keys.roster("r1", known[0]))
    assert {name.decode(): int(place) for name, place in places.items()} == {
        worker: place for place, worker in enumerate(workers)
    }
    await redis.aclose()


def a_ready(worker: str) -> Ready:
    return Ready("r1", 1, worker, "b")
