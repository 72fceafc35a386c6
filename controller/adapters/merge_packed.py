"""How are the numbers of thousands of packed reports added at once?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.latency import BUCKETS, Histogram
from contract.packed import SEND_LAG, PackedReport, Table, bucket_of
from contract.report import FATES, DueBucket, InFlight

Ints = NDArray[np.int64]
_LEADING = 2 + len(FATES)
"""Columns of a bucket before those of the objectives."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What reports say together; `phases` in alphabetical order."""

    buckets: tuple[DueBucket, ...]
    send_lag: Histogram
    phases: tuple[tuple[str, Histogram], ...]


def added(reports: Sequence[PackedReport]) -> Numbers:
    """The numbers of reports of one probe, added up."""
    names = sorted({name for report in reports for name in report.phase_names})
    times = _added_times(reports, names)
    empty = Histogram()
    buckets = tuple(
        bucket_of(row, times.get(2 * row[0] + 2, empty), times.get(2 * row[0] + 3, empty))
        for row in _added_buckets(reports)
    )
    phases = tuple((name, times.get(-1 - place, empty)) for place, name in enumerate(names))
    return Numbers(buckets, times.get(SEND_LAG, empty), phases)


def added_in_flight(reports: Sequence[PackedReport]) -> tuple[InFlight, ...]:
    """Arrivals in flight by slice, of the latest report of each worker."""
    most = max((report.objectives for report in reports), default=0)
    tables = [_widened(r.in_flight, r.objectives, most, 2) for r in reports if len(r.in_flight)]
    if not tables:
        return ()
    rows = _by_first(np.concatenate(tables))
    return tuple(InFlight(index, count, tuple(over)) for index, count, *over in rows)


def _added_buckets(reports: Sequence[PackedReport]) -> list[list[int]]:
    most = max((report.objectives for report in reports), default=0)
    tables = []
    for report in reports:
        if not len(report.buckets):
            continue
        split = _LEADING + report.objectives
        judged = _widened(report.buckets[:, :split], report.objectives, most, _LEADING)
        bad = _widened(report.buckets[:, split:], report.objectives, most, 0)
        tables.append(np.concatenate([judged, bad], axis=1) if most else judged)
    return _by_first(np.concatenate(tables)) if tables else []


def _widened(table: NDArray[np.uint32], objectives: int, most: int, leading: int) -> Ints:
    """`table` with room for `most` objectives behind its `leading` columns."""
    if objectives == most:
        return table.astype(np.int64)
    wide = np.zeros((len(table), leading + most), dtype=np.int64)
    wide[:, : leading + objectives] = table
    return wide


def _by_first(table: Ints) -> list[list[int]]:
    """Rows with the same first number added up, in its order."""
    order = np.argsort(table[:, 0], kind="stable")
    ordered = table[order]
    first = np.flatnonzero(np.diff(ordered[:, 0], prepend=ordered[0, 0] - 1))
    summed = np.add.reduceat(ordered, first, axis=0)
    summed[:, 0] = ordered[first, 0]
    rows: list[list[int]] = summed.tolist()
    return rows


def _added_times(reports: Sequence[PackedReport], names: Sequence[str]) -> dict[int, Histogram]:
    """Histograms by which they are; phases by their place in `names`."""
    rows = [report.rows for report in reports]
    lengths = np.array([len(table) for table in rows])
    if not lengths.sum():
        return {}
    told: Table = np.concatenate(rows)
    which = told["which"].astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    for start, length, report in zip(starts, lengths, reports, strict=True):
        if report.phase_names:
            _rename(which[start : start + length], report.phase_names, names)
    kinds, place = np.unique(which, return_inverse=True)
    counts = _added_cells(reports, starts, place, len(kinds))
    sums = np.zeros(len(kinds), dtype=np.int64)
    np.add.at(sums, place, told["sum_ns"])
    low, high = np.full(len(kinds), np.inf), np.zeros(len(kinds))
    np.minimum.at(low, place, told["min_s"])
    np.maximum.at(high, place, told["max_s"])
    ends_s = zip(low.tolist(), high.tolist(), strict=True)
    return {
        kind: Histogram.from_counts(counted, total, ends)
        for kind, counted, total, ends in zip(
            kinds.tolist(), counts, sums.tolist(), ends_s, strict=True
        )
    }


def _added_cells(
    reports: Sequence[PackedReport], starts: Ints, place: Ints, kinds: int
) -> NDArray[np.int64]:
    """Counts of shape (kinds, BUCKETS)."""
    cells = np.concatenate([report.cells for report in reports])
    first = np.repeat(starts, [len(report.cells) for report in reports])
    where = place[first + cells["row"]] * BUCKETS + cells["bucket"]
    # Weights are added as floats, which is exact below 2**53.
    counts = np.bincount(where, weights=cells["count"], minlength=kinds * BUCKETS)
    return counts.astype(np.int64).reshape(kinds, BUCKETS)


def _rename(which: Ints, own: Sequence[str], names: Sequence[str]) -> None:
    """Give phases, in place, the numbers they have among `names`."""
    phases = np.flatnonzero(which < 0)
    which[phases] = [-1 - names.index(own[-1 - number]) for number in which[phases].tolist()]
