"""What do the workers of a fleet say together of connections, and of the phases of requests?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from contract.latency import Histogram
from contract.report import Connected, Report


def merged_phases(reports: Iterable[Report]) -> tuple[tuple[str, Histogram], ...]:
    """Times by phase, in alphabetical order."""
    by_name: defaultdict[str, list[Histogram]] = defaultdict(list)
    for report in reports:
        for name, times in report.phases:
            by_name[name].append(times)
    return tuple((name, Histogram.summed(times)) for name, times in sorted(by_name.items()))


def merged_connections(
    reports: Sequence[Report], last: Iterable[tuple[Connected, ...]]
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
