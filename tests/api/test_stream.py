"""Does a watcher see every state in order, at its pace, once, and an end?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from controller.api.stream import PING, STOPPING, Pace, Seen, event_stream
from tests.api.fakes import ANSWERED, Api, ManualClock, beginning, ending, settle

pytestmark = pytest.mark.anyio

PACE = Pace(interval_s=1.0, ping_s=15.0)


class Source:
    """The newest state, as a live run gives it to one watcher."""

    def __init__(self) -> None:
        self.states: asyncio.Queue[Seen | Exception | None] = asyncio.Queue()

    def show(self, position: int, *, ended: bool = False) -> None:
        self.states.put_nowait(Seen(position, json.dumps({"at": position}), ended))

    async def __aiter__(self) -> AsyncIterator[Seen]:
        while (state := await self.states.get()) is not None:
            if isinstance(state, Exception):
                raise state
            yield state


class Watcher:
    """Collects the frames of one stream."""

    def __init__(self, source: Source, after: int | None = None) -> None:
        self.clock, self.stopping, self.frames = ManualClock(), asyncio.Event(), list[bytes]()
        self._stream: AsyncGenerator[bytes, None] = event_stream(
            aiter(source), after, pace=PACE, clock=self.clock, stopping=self.stopping
        )
        self.task = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        async for frame in self._stream:
            self.frames.append(frame)


def ids(frames: list[bytes]) -> list[int]:
    lines = [line for frame in frames for line in frame.decode().splitlines()]
    return [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]


async def test_views_come_in_order_at_most_once_per_interval() -> None:
    source = Source()
    watcher = Watcher(source)
    for position in (1, 2, 3):
        source.show(position)
    await settle()
    assert ids(watcher.frames) == [1]
    await watcher.clock.advance(0.9)
    assert ids(watcher.frames) == [1]
    await watcher.clock.advance(0.1)
    assert ids(watcher.frames) == [1, 2]
    await watcher.clock.advance(1.0)
    assert ids(watcher.frames) == [1, 2, 3]
    watcher.task.cancel()


async def test_a_frame_carries_its_kind_its_position_and_its_state() -> None:
    source = Source()
    watcher = Watcher(source)
    source.show(7)
    await settle()
    assert watcher.frames == [b'event: view\nid: 7\ndata: {"at": 7}\n\n']
    watcher.task.cancel()


async def test_the_end_is_the_last_event_and_asks_not_to_come_back() -> None:
    source = Source()
    watcher = Watcher(source)
    source.show(4, ended=True)
    source.show(5)
    await watcher.task
    (frame,) = watcher.frames
    assert frame.startswith(b"event: end\nretry: ")
    assert ids([frame]) == [4]


async def test_a_client_that_has_seen_a_position_is_not_told_it_again() -> None:
    source = Source()
    watcher = Watcher(source, after=4)
    source.show(4)
    await settle()
    assert watcher.frames == []
    source.show(5)
    await settle()
    assert ids(watcher.frames) == [5]
    watcher.task.cancel()


async def test_silence_is_filled_with_pings_and_loses_nothing() -> None:
    source = Source()
    watcher = Watcher(source)
    await watcher.clock.advance(15.0)
    await watcher.clock.advance(15.0)
    assert watcher.frames == [PING, PING]
    source.show(1)
    await settle()
    assert ids(watcher.frames) == [1]
    watcher.task.cancel()


@pytest.mark.parametrize("shown", [False, True])
async def test_a_stopping_controller_ends_the_stream_at_once(shown: bool) -> None:
    source = Source()
    watcher = Watcher(source)
    if shown:
        source.show(1)
    await settle()
    watcher.stopping.set()
    await watcher.task
    assert watcher.frames[-1] == STOPPING


async def test_a_source_that_breaks_breaks_the_stream() -> None:
    source = Source()
    watcher = Watcher(source)
    source.states.put_nowait(OSError("the database is gone"))
    with pytest.raises(OSError, match="the database is gone"):
        await watcher.task


async def test_a_source_that_ends_without_an_answer_ends_the_stream() -> None:
    source = Source()
    watcher = Watcher(source)
    source.show(1)
    source.states.put_nowait(None)
    await settle()
    await watcher.clock.advance(1.0)
    await watcher.task
    assert ids(watcher.frames) == [1]


async def test_an_ended_run_streams_its_whole_view_over_http() -> None:
    api = Api()
    run = await api.create()
    await api.runs.append(run, *beginning(), *ending(ANSWERED))
    answer = await api.http.get(f"/api/v1/runs/{run}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    kind, _, position, data = answer.text.strip().split("\n")
    assert (kind, position) == ("event: end", "id: 8")
    view = (await api.http.get(f"/api/v1/runs/{run}")).json()
    assert json.loads(data.removeprefix("data: ")) == view


async def test_a_position_that_is_no_position_is_told_so() -> None:
    api = Api()
    run = await api.create()
    headers = {"Last-Event-ID": "x"}
    answer = await api.http.get(f"/api/v1/runs/{run}/events", headers=headers)
    assert answer.status_code == 400
    assert "Last-Event-ID" in answer.json()["detail"]
