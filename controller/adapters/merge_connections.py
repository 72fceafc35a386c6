"""What do the workers of a fleet say together of connections?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from contract.packed import PackedReport
from contract.report import Connected


def merged_connections(
    reports: Sequence[PackedReport], last: Iterable[tuple[Connected, ...]]
) -> tuple[Connected, ...]:
    """By address: what the reports add, and how many each worker's `last` report says are open."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for told in last:
        for entry in told:
            counts[entry.address][0] += entry.open
    for report in reports:
        for entry in report.connections:
            of_address = counts[entry.address]
            of_address[1] += entry.opened
            of_address[2] += entry.closed
            of_address[3] += entry.failed
    return tuple(Connected(address, *counts[address]) for address in sorted(counts))
