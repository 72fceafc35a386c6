"""How does a report become a few arrays, so that thousands of them are read and added at once?

Every number of a report that has many goes into one array of its kind; whoever merges reports adds
the arrays. On the wire they are bytes, little-endian.

    buckets    u4 (n, 11 + 2 k)   index, FATES, bad_any, judged of k objectives, bad of k
    ticks      u4 (n, 4)          index, completed, errors, replica
    in_flight  u4 (n, 2 + k)      index, count, over_limit of k
    rows       ROW (n,)           a histogram that is not empty: which, sum, ends
    cells      CELL (n,)          its buckets that are not empty: row, bucket, count

Which histogram a row is: 0 the send lag; 2 i + 2 the response times and 2 i + 3 the service times
of due bucket i; -1 - p the p-th of `phase_names`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contract.latency import BUCKETS, LONGEST_S, Histogram, HistogramError
from contract.report import FATES, Connected, DueBucket, Health, InFlight, Ledger, Report, Tick

ROW: Final = np.dtype([("which", "<i4"), ("sum_ns", "<i8"), ("min_s", "<f8"), ("max_s", "<f8")])
CELL: Final = np.dtype([("row", "<u2"), ("bucket", "<u2"), ("count", "<u4")])
SEND_LAG: Final = 0
MOST_OBJECTIVES: Final = 64
_FATES_END: Final = 1 + len(FATES)
_MOST: Final = 2**31 - 1  # which adds up without overflowing
_INT: Final = np.dtype("<u4")

Ints = NDArray[np.uint32]
Table = NDArray[np.void]


@dataclass(frozen=True)
class PackedReport:
    """A `Report` in its form for the wire and for adding up; `unpacked` gives it back."""

    run: str
    fence: int
    probe: int
    worker: str
    boot: str
    sequence: int
    through_ns: int
    through_index: int
    totals: Ledger
    requests: int
    errors: tuple[tuple[str, int], ...]
    health: Health
    final: bool
    replicas: tuple[str, ...]
    connections: tuple[Connected, ...]
    phase_names: tuple[str, ...]
    objectives: int
    bucket_bytes: bytes = field(repr=False)
    tick_bytes: bytes = field(repr=False)
    in_flight_bytes: bytes = field(repr=False)
    row_bytes: bytes = field(repr=False)
    cell_bytes: bytes = field(repr=False)

    buckets: Ints = field(init=False, repr=False, compare=False)
    ticks: Ints = field(init=False, repr=False, compare=False)
    in_flight: Ints = field(init=False, repr=False, compare=False)
    rows: Table = field(init=False, repr=False, compare=False)
    cells: Table = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        told = self.objectives
        if not 0 <= told <= MOST_OBJECTIVES:
            raise ValueError(f"objectives {told} is not from 0 to {MOST_OBJECTIVES}")
        tables = {
            "buckets": _matrix("buckets", self.bucket_bytes, _FATES_END + 1 + 2 * told),
            "ticks": _matrix("ticks", self.tick_bytes, 4),
            "in_flight": _matrix("in_flight", self.in_flight_bytes, 2 + told),
            "rows": _records("rows", self.row_bytes, ROW),
            "cells": _records("cells", self.cell_bytes, CELL),
        }
        for name, table in tables.items():
            object.__setattr__(self, name, table)  # it is frozen
        _check_rows(self.rows, len(self.phase_names))
        cells = self.cells
        if len(cells) and (
            cells["row"].max() >= len(self.rows)
            or cells["bucket"].max() >= BUCKETS
            or not cells["count"].all()
        ):
            raise ValueError("cells: one is of no histogram, of no bucket, or empty")

    def unpacked(self) -> Report:
        """The report.

        Raises:
            ValueError: a histogram contradicts itself.
        """
        times = dict(_histograms(self.rows, self.cells))
        shared = {f.name: getattr(self, f.name) for f in fields(Report) if f.name in _SCALARS}
        return Report(
            **shared,
            buckets=tuple(_bucket(row, times) for row in self.buckets.tolist()),
            ticks=tuple(Tick(*row) for row in self.ticks.tolist()),
            in_flight=tuple(InFlight(i, n, tuple(over)) for i, n, *over in self.in_flight.tolist()),
            send_lag=times.get(SEND_LAG, Histogram()),
            phases=tuple(
                (name, times.get(-1 - place, Histogram()))
                for place, name in enumerate(self.phase_names)
            ),
        )


_SCALARS: Final = {f.name for f in fields(PackedReport) if f.init} & {
    f.name for f in fields(Report)
}


def packed(report: Report) -> PackedReport:
    """The packed form of `report`.

    Raises:
        ValueError: a count does not fit, or parts tell of different numbers of objectives.
    """
    lengths = {len(b.judged) for b in report.buckets} | {len(b.bad) for b in report.buckets}
    lengths |= {len(entry.over_limit) for entry in report.in_flight}
    if len(lengths) > 1:
        raise ValueError(f"parts of a report tell of {sorted(lengths)} objectives")
    buckets = [
        (b.index, *(getattr(b, name) for name in FATES), b.bad_any, *b.judged, *b.bad)
        for b in report.buckets
    ]
    ticks = [(t.index, t.completed, t.errors, t.replica) for t in report.ticks]
    in_flight = [(entry.index, entry.count, *entry.over_limit) for entry in report.in_flight]
    named = [(SEND_LAG, report.send_lag)]
    for bucket in report.buckets:
        named += [(2 * bucket.index + 2, bucket.response_time)]
        named += [(2 * bucket.index + 3, bucket.service_time)]
    named += [(-1 - place, times) for place, (_, times) in enumerate(report.phases)]
    rows, cells = _tables([(which, times) for which, times in named if times.count])
    return PackedReport(
        **{name: getattr(report, name) for name in _SCALARS},
        phase_names=tuple(name for name, _ in report.phases),
        objectives=lengths.pop() if lengths else 0,
        bucket_bytes=_to_bytes("buckets", buckets),
        tick_bytes=_to_bytes("ticks", ticks),
        in_flight_bytes=_to_bytes("in_flight", in_flight),
        row_bytes=rows,
        cell_bytes=cells,
    )


def bucket_of(row: Sequence[int], response_time: Histogram, service_time: Histogram) -> DueBucket:
    """The due bucket of one row of `PackedReport.buckets`."""
    index, rest, objectives = row[0], row[_FATES_END + 1 :], (len(row) - _FATES_END - 1) // 2
    return DueBucket(
        index=index,
        **dict(zip(FATES, row[1:_FATES_END], strict=True)),
        judged=tuple(rest[:objectives]),
        bad=tuple(rest[objectives:]),
        bad_any=row[_FATES_END],
        response_time=response_time,
        service_time=service_time,
    )


def _bucket(row: Sequence[int], times: dict[int, Histogram]) -> DueBucket:
    response_time = times.get(2 * row[0] + 2, Histogram())
    return bucket_of(row, response_time, times.get(2 * row[0] + 3, Histogram()))


def _matrix(name: str, data: bytes, width: int) -> Ints:
    if len(data) % (width * _INT.itemsize):
        raise ValueError(f"{name}: {len(data)} bytes are no rows of {width} numbers")
    return np.frombuffer(data, _INT).reshape(-1, width)


def _records(name: str, data: bytes, dtype: np.dtype[np.void]) -> Table:
    if len(data) % dtype.itemsize:
        raise ValueError(f"{name}: {len(data)} bytes are no entries of {dtype.itemsize}")
    return np.frombuffer(data, dtype)


def _to_bytes(name: str, rows: Sequence[Sequence[int]]) -> bytes:
    table = np.array(rows, dtype=np.int64)
    if table.size and not 0 <= table.min() <= table.max() <= _MOST:
        raise ValueError(f"{name}: a count is not from 0 to {_MOST}")
    return table.astype(_INT).tobytes()


def _tables(named: Sequence[tuple[int, Histogram]]) -> tuple[bytes, bytes]:
    rows = np.zeros(len(named), ROW)
    parts = []
    for place, (which, times) in enumerate(named):
        rows[place] = (which, times.sum_ns, times.min_s, times.max_s)
        counts = times.counts
        filled = np.flatnonzero(counts)
        if counts.max() >= 2**32:
            raise ValueError("a histogram's bucket holds 2**32 times or more")
        part = np.zeros(len(filled), CELL)
        part["row"], part["bucket"], part["count"] = place, filled, counts[filled]
        parts.append(part.tobytes())
    return rows.tobytes(), b"".join(parts)


def _check_rows(rows: Table, phases: int) -> None:
    if not len(rows):
        return
    low, high = rows["min_s"], rows["max_s"]
    if not ((low >= 0) & (low <= high) & (high <= LONGEST_S)).all():
        raise ValueError("rows: min_s and max_s are not times in order")
    if not ((rows["sum_ns"] >= 0) & (rows["which"] >= -phases)).all():
        raise ValueError("rows: a sum is negative, or one is of a phase without a name")


def _histograms(rows: Table, cells: Table) -> Iterator[tuple[int, Histogram]]:
    for place, row in enumerate(rows.tolist()):
        which, sum_ns, min_s, max_s = row
        mine = cells[cells["row"] == place]
        counts: Any = np.zeros(BUCKETS, dtype=np.int64)
        counts[mine["bucket"]] = mine["count"]
        if not len(mine) or np.count_nonzero(counts) != len(mine):
            raise HistogramError(f"histogram {which} is empty, or names a bucket twice")
        yield which, Histogram.from_counts(counts, sum_ns, (min_s, max_s))
