"""Which replica of the target answered, by the header in which it gives its name?

Only where the goal names the header is anything looked for. Answers of `InferenceUser` are searched
as bytes; those of Locust's own clients have a mapping of headers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workers.clients.answer import Reply

NameOf = Callable[[object], str | None]
Listener = Callable[..., None]


def name_of(header: str) -> NameOf:
    """What finds the name in an answer; None when the answer has no such header."""
    line = f"\r\n{header.lower()}:".encode("latin-1")

    def find(answer: object) -> str | None:
        if isinstance(answer, Reply):
            at = answer.head.lower().find(line)
            if at < 0:
                return None
            rest, _, _ = answer.head[at + len(line) :].partition(b"\r\n")
            return rest.strip().decode("latin-1") or None
        headers: Any = getattr(answer, "headers", None)
        value = headers.get(header) if hasattr(headers, "get") else None
        return (value.strip() or None) if isinstance(value, str) else None

    return find


def naming(listener: Listener, header: str | None) -> Listener:
    """`listener` of request events, told the `replica` as well where `header` is one to look for."""
    if header is None:
        return listener
    find = name_of(header)

    def named(**told: Any) -> None:
        listener(replica=find(told.get("response")), **told)

    return named
