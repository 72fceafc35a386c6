"""What do reports say together of connections to the target, and of the phases of requests?"""

from __future__ import annotations

from collections.abc import Iterable

from contract.latency import Histogram
from contract.report import Connected

PHASES = ("connect", "tls", "pool_wait", "first_byte")
"""Parts of a request's time that a user may tell of, in the order they happen."""

Times = tuple[tuple[str, Histogram], ...]


def joined(before: Times, more: Times) -> Times:
    """Times by phase, of both."""
    if not more:
        return before
    known = dict(before)
    for name, times in more:
        known[name] = known[name] + times if name in known else times
    return tuple(sorted(known.items()))


def added(before: Iterable[Connected], more: Iterable[Connected]) -> tuple[Connected, ...]:
    """Connections by address, of both; `open` is the most at once."""
    known = {entry.address: entry for entry in before}
    for entry in more:
        old = known.get(entry.address, Connected(entry.address, 0, 0, 0, 0))
        known[entry.address] = Connected(
            entry.address,
            max(old.open, entry.open),
            old.opened + entry.opened,
            old.closed + entry.closed,
            old.failed + entry.failed,
        )
    return tuple(sorted(known.values(), key=lambda entry: entry.address))
