"""When did the whole fleet see completions, and of which replica of the target?

Every worker numbers the replicas in the order it met them. Here each name gets one place for the
whole probe, so that a reader may follow a replica from report to report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from contract.report import MOST_REPLICAS, OTHER_REPLICAS, Report, Tick


class Ticks:
    """The places of one probe's replicas."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    @property
    def replicas(self) -> tuple[str, ...]:
        """Names in the order of their places."""
        return tuple(self._places)

    def merged(self, reports: Iterable[Report]) -> tuple[Tick, ...]:
        """The ticks of workers' reports added up, by slice and replica."""
        completed: Counter[tuple[int, int]] = Counter()
        errors: Counter[tuple[int, int]] = Counter()
        for report in reports:
            places = [0, *(self._place(name) for name in report.replicas)]
            for tick in report.ticks:
                replica = places[tick.replica] if tick.replica < len(places) else 0
                completed[tick.index, replica] += tick.completed
                errors[tick.index, replica] += tick.errors
        return tuple(
            Tick(index, count, errors[index, replica], replica)
            for (index, replica), count in sorted(completed.items())
        )

    def _place(self, name: str) -> int:
        if name not in self._places and len(self._places) >= MOST_REPLICAS:
            name = OTHER_REPLICAS
        return self._places.setdefault(name, len(self._places) + 1)
