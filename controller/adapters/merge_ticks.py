"""When did the whole fleet see completions, and of which replica of the target?

Every worker numbers the replicas in the order it met them. Here each name gets one place for the
whole probe, so that a reader may follow a replica from report to report.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from contract.packed import PackedReport
from contract.report import MOST_REPLICAS, OTHER_REPLICAS, Tick

_PLACES = MOST_REPLICAS + 2


class Ticks:
    """The places of one probe's replicas."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    @property
    def replicas(self) -> tuple[str, ...]:
        """Names in the order of their places."""
        return tuple(self._places)

    def merged(self, reports: Iterable[PackedReport]) -> tuple[Tick, ...]:
        """The ticks of workers' reports added up, by slice and replica."""
        tables = [self._placed(report) for report in reports if len(report.ticks)]
        if not tables:
            return ()
        index, completed, errors, replica = np.concatenate(tables).T.astype(np.int64)
        found, which = np.unique(index * _PLACES + replica, return_inverse=True)
        rows = np.zeros((len(found), 2), dtype=np.int64)
        np.add.at(rows[:, 0], which, completed)
        np.add.at(rows[:, 1], which, errors)
        return tuple(
            Tick(key // _PLACES, count, failed, key % _PLACES)
            for key, (count, failed) in zip(found.tolist(), rows.tolist(), strict=True)
        )

    def _placed(self, report: PackedReport) -> NDArray[np.uint32]:
        """The report's ticks, with the probe's places of its replicas."""
        if not report.replicas:
            ticks = report.ticks
            if not ticks[:, 3].any():
                return ticks
        places = np.array([0, *(self._place(name) for name in report.replicas)], dtype=np.uint32)
        ticks = report.ticks.copy()
        known = ticks[:, 3] < len(places)
        ticks[:, 3] = np.where(known, places[np.where(known, ticks[:, 3], 0)], 0)
        return ticks

    def _place(self, name: str) -> int:
        if name not in self._places and len(self._places) >= MOST_REPLICAS:
            name = OTHER_REPLICAS
        return self._places.setdefault(name, len(self._places) + 1)
