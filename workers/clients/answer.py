"""What did the target answer, and is the answer complete?

Nearly every answer of a model server arrives in one piece, HTTP/1.1 with a Content-Length: `whole`
reads that form alone and leaves everything else to llhttp, which costs several times as much.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from geventhttpclient._parser import HTTPParseError, HTTPResponseParser

HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_WITHOUT_BODY = frozenset({b"204", b"304"})
_NOT_PLAIN = (0, -1, False)
_HEADS: dict[bytes, tuple[int, int, bool]] = {}
HEADS_KEPT = 256


class Reply(NamedTuple):
    """An answer; times are seconds of this exchange.

    `connect_s` is 0 on a connection that was open already; `first_byte_s` counts from the send,
    `total_s` from the start, connecting included.
    """

    status: int
    head: bytes
    body: bytes
    connect_s: float
    first_byte_s: float
    total_s: float

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; of a repeated header the values, joined by commas."""
        found: dict[str, str] = {}
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found


class Answer(NamedTuple):
    """A complete answer as it came; `keeps` when the connection may be used again."""

    status: int
    head: bytes
    body: bytes
    keeps: bool


def whole(data: bytes) -> Answer | None:
    """The answer in `data` if it is all there in its plainest form, else None."""
    end = data.find(HEAD_END)
    if end < 0:
        return None
    head = data[:end]
    status, length, keeps = plain_head(head)
    if len(data) != end + 4 + length:
        return None
    return tuple.__new__(Answer, (status, head, data[end + 4 :], keeps))


def plain_head(head: bytes) -> tuple[int, int, bool]:
    """Status, bytes of the body, whether the connection is kept; the length is -1 if not plain.

    Answers of one second mostly have the same head, byte for byte.
    """
    known = _HEADS.get(head)
    if known is None:
        if len(_HEADS) >= HEADS_KEPT:
            _HEADS.clear()
        known = _HEADS[head] = _read_head(head)
    return known


def _read_head(head: bytes) -> tuple[int, int, bool]:
    if not head.startswith(b"HTTP/1.1 ") or head[9:12] in _WITHOUT_BODY:
        return _NOT_PLAIN
    low = head.lower() + b"\r\n"
    at = low.find(_LENGTH)
    if at < 0 or low.find(_LENGTH, at + 1) >= 0 or b"\r\ntransfer-encoding:" in low:
        return _NOT_PLAIN
    length = low[at + len(_LENGTH) : low.index(b"\r\n", at + 2)].strip()
    status = head[9:12]
    if not length.isdigit() or not status.isdigit() or status < b"200":
        return _NOT_PLAIN
    keeps = b"\r\nconnection:" not in low or b"\r\nconnection: keep-alive\r\n" in low
    return int(status), int(length), keeps


class Assembly(HTTPResponseParser):
    """An answer put together by llhttp from whatever pieces it comes in."""

    def __init__(self, *, head: bool) -> None:
        super().__init__()
        self.is_complete = False
        self._status = 0
        self._head = head
        self._goes_on = False
        self._pairs: list[list[str]] = []
        self._reads_name = False
        self._body: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Take what was received, b"" being the end of the connection.

        Raises:
            HTTPParseError: it is not HTTP, or ended too soon.
        """
        try:
            self.feed(data)
        except HTTPParseError:
            if not (self.is_complete and data):
                raise
            self._goes_on = True  # a body after HEAD, or worse: the answer stands

    def answer(self) -> Answer:
        lines = [
            f"HTTP/1.1 {self.get_code()}",
            *(f"{name}: {value}" for name, value in self._pairs),
        ]
        return Answer(
            self._status,
            "\r\n".join(lines).encode("latin-1", errors="replace"),
            b"".join(self._body),
            not self._goes_on and bool(self.should_keep_alive()),
        )

    def _on_message_begin(self) -> None:
        if self.is_complete:
            self._goes_on = True
        else:  # the first one, or the final one after an interim 1xx
            self._pairs.clear()

    def _on_status(self, _reason: str) -> None:
        pass

    def _on_header_field(self, text: str) -> None:
        if self.is_complete:
            return
        if not self._reads_name:
            self._pairs.append(["", ""])
            self._reads_name = True
        self._pairs[-1][0] += text

    def _on_header_value(self, text: str) -> None:
        self._reads_name = False
        if not self.is_complete:
            self._pairs[-1][1] += text

    def _on_headers_complete(self) -> Any:
        self._reads_name = False
        return self._head

    def _on_body(self, data: bytearray) -> None:
        if not self.is_complete:
            self._body.append(bytes(data))

    def _on_message_complete(self) -> None:
        if not self.is_complete and self.get_code() >= 200:
            self._status = self.get_code()
            self.is_complete = True
