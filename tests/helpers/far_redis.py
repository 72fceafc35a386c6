"""How far away can a Redis be? A TCP proxy before it: every byte comes later, and none in a cut."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Piece = tuple[float, bytes]
"""When it arrives on the loop's clock, and what; nothing at the end of the stream."""


class FarRedis:
    """A proxy to the server at `port` on loopback; each way takes `delay_s` ± `jitter_s`.

    Bytes stay in order, as TCP keeps them. A cut holds back what is under way, as a network does
    whose packets are sent again afterwards, and what is connected meanwhile hears nothing.
    """

    def __init__(self, port: int, *, delay_s: float, jitter_s: float, seed: int = 1) -> None:
        self.port = 0
        self._to = port
        self._delay_s = delay_s
        self._jitter_s = jitter_s
        self._random = random.Random(seed)
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """Nothing passes while inside."""
        self._whole.clear()
        try:
            yield
        finally:
            self._whole.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, far_writer))
                both.create_task(self._carry(far_reader, writer))
        except asyncio.CancelledError:  # by `close`; nobody awaits this task but the server
            pass
        finally:
            for end in (writer, far_writer):
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way: asyncio.Queue[Piece] = asyncio.Queue()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._send(reader, under_way))
            both.create_task(self._deliver(under_way, writer))

    async def _send(self, reader: asyncio.StreamReader, under_way: asyncio.Queue[Piece]) -> None:
        loop, data = asyncio.get_running_loop(), b"-"
        while data:
            try:
                data = await reader.read(65_536)
            except OSError:
                data = b""
            delay_s = self._delay_s + self._random.uniform(-self._jitter_s, self._jitter_s)
            under_way.put_nowait((loop.time() + delay_s, data))

    async def _deliver(self, under_way: asyncio.Queue[Piece], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            at, data = await under_way.get()
            await asyncio.sleep(at - loop.time())
            await self._whole.wait()
            with contextlib.suppress(OSError):
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def far(
    port: int, *, delay_s: float = 0.1, jitter_s: float = 0.03
) -> AsyncIterator[FarRedis]:
    """A proxy while inside."""
    proxy = FarRedis(port, delay_s=delay_s, jitter_s=jitter_s)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
