"""How does a simulated worker talk to Redis for a tenth of what a client library costs?

The wire is RESP2, as the real worker speaks it. Only what it needs: commands out, answers in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

Answer = None | int | bytes | list["Answer"]
Word = bytes | str | int
AT_ONCE = 1 << 16


class RedisSays(RuntimeError):
    """Redis answered with an error."""


class _Incomplete(Exception):
    pass


def command(*words: Word) -> bytes:
    """One command as it is sent."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)


def parsed(data: bytes, start: int = 0) -> tuple[Answer, int] | None:
    """The answer that begins at `start`, and where it ends; None while a part is missing.

    Raises:
        RedisSays: the answer is an error, or no RESP2.
    """
    try:
        return _answer(data, start)
    except _Incomplete:
        return None


def _answer(data: bytes, start: int) -> tuple[Answer, int]:
    end = data.find(b"\r\n", start)
    if end < 0:
        raise _Incomplete
    kind, text, after = data[start : start + 1], data[start + 1 : end], end + 2
    if kind == b"+":
        return text, after
    if kind not in (b":", b"$", b"*"):
        raise RedisSays(text.decode("utf-8", "replace"))
    number = int(text)
    if kind == b":":
        return number, after
    if number < 0:
        return None, after
    if kind == b"$":
        if len(data) < after + number + 2:
            raise _Incomplete
        return data[after : after + number], after + number + 2
    items: list[Answer] = []
    for _ in range(number):
        item, after = _answer(data, after)
        items.append(item)
    return items, after


class Connection:
    """One connection; `open` it first. One caller at a time."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._data = b""

    async def open(self) -> None:
        """Connect and say the password."""
        host, port = self._url.hostname or "127.0.0.1", self._url.port or 6379
        self._reader, self._writer = await asyncio.open_connection(host, port)
        if self._url.password:
            await self.ask(command("AUTH", self._url.password))

    async def ask(self, *commands: bytes) -> list[Answer]:
        """Send the commands at once; their answers in order."""
        self._writer.write(b"".join(commands))
        return [await self._next() for _ in commands]

    async def ask_all(self, commands: Iterable[Sequence[Word]]) -> list[Answer]:
        return await self.ask(*(command(*words) for words in commands))

    async def _next(self) -> Answer:
        while (found := parsed(self._data)) is None:
            more = await self._reader.read(AT_ONCE)
            if not more:
                raise ConnectionError("Redis closed the connection")
            self._data += more
        answer, end = found
        self._data = self._data[end:]
        return answer

    def close(self) -> None:
        self._writer.close()
