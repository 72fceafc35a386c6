"""When did the requests of a recording arrive, and can they be replayed?

A line has one time: a number of seconds, or a JSON object with one of these fields (upper case
or lower), in order of time:

    t_s t_ms t_us t_ns timestamp_s timestamp_ms timestamp_us timestamp_ns     the unit is in the name
    timestamp time ts t                    text of ISO 8601, or numbers whose unit is not told

Times are made unit-rate (mean gap 1), begun at an offset that the seed draws, and wrapped round
with one mean gap between the last and the first, so that each moment of the recording is equally
likely to be the first and the rate is right from the first instant on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from contract.gaps import CHUNK, Floats, Key, phase
from contract.laws import ArrivalsError

MOST = 2_000_000
FEWEST = 100
"""Fewer times are no process that could be repeated."""
MOST_TIED = 0.05
"""So many arrivals at the very time of the one before: by chance, or a coarse clock?"""
ON_GRID, OFF_GRID = 0.95, 0.02
"""A coarse clock if so many of the other gaps are a multiple of one, give or take so much of it."""
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NAMED = {f"{name}_{unit}": unit for name in ("t", "timestamp") for unit in _UNITS}
_PLAIN = ("timestamp", "time", "ts", "t")
_ISO = "ISO "  # before the name of a field whose times are text
_EPOCH, _ZERO = datetime(1970, 1, 1), timedelta()  # noqa: DTZ001 - taken for UTC
_MOST = 1e30
_SHOWN = 60


@dataclass(frozen=True, eq=False)
class Recorded:
    """Times since the first arrival, ascending; `rate_per_s` None where their unit is not told."""

    since_first: Floats
    rate_per_s: float | None

    def unit_times(self, key: Key) -> Iterator[Floats]:
        """The recording at rate 1 from where the seed says, again and again, `CHUNK` at a time."""
        count = len(self.since_first)
        unit = self.since_first * ((count - 1) / float(self.since_first[-1]))
        offset = phase(key) * count
        first = int(unit.searchsorted(offset))
        while True:
            places = np.arange(first, first + CHUNK)
            yield unit[places % count] + (count * (places // count) - offset)
            first += CHUNK


def parse_times(data: bytes) -> Recorded:
    """Read the lines; blank ones are passed over.

    Raises:
        ArrivalsError: names the line, what is wrong with it and what to write instead.
    """
    lines = [
        (number, line.strip())
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
        if line.strip()
    ]
    if len(lines) > MOST:
        raise ArrivalsError(f"{len(lines):,} times are too many: give at most {MOST:,}")
    if not lines:
        raise ArrivalsError("no times: write one number of seconds, or one JSON object, a line")
    field = _field(*lines[0])
    seconds = _numbers(lines) if field is None else None
    if seconds is None:
        read = [_time(line, number, field) for number, line in lines]
        since = [value - read[0] for value in read]  # whole ns of 1970 are whole here
        seconds = np.array(since, dtype=np.float64)
    backwards = np.flatnonzero(np.diff(seconds) < 0)
    if len(backwards):
        (_, before), (number, line) = lines[backwards[0]], lines[backwards[0] + 1]
        raise ArrivalsError(
            f"line {number}: {_shown(line)} is before {_shown(before)}: sort the lines by time"
        )
    return _recorded(seconds, field)


def _numbers(lines: list[tuple[int, bytes]]) -> Floats | None:
    """Plain numbers at once; None where one of them has to be looked at."""
    try:
        found = np.array([float(line) for _, line in lines])
    except ValueError:
        return None
    usual = np.isfinite(found).all() and (np.abs(found) < _MOST).all()
    return found - found[0] if usual else None


def _recorded(since: Floats, field: str | None) -> Recorded:
    count = len(since)
    if count < FEWEST:
        raise ArrivalsError(f"{count} times are too few: record at least {FEWEST}")
    if since[-1] <= 0:
        raise ArrivalsError("all times are the same: record when each request came")
    grid = _grid(np.diff(since))
    unit = _unit(field)
    if grid is not None:
        size = f"{float(f'{grid:.3g}'):g}"
        size = f"{size} {unit}" if unit else size
        raise ArrivalsError(
            f"the times lie on a grid of {size}, where many share one: record them finer, "
            "or spread those that share a time over it"
        )
    rate = None if unit is None else (count - 1) / (float(since[-1]) * _UNITS[unit])
    return Recorded(since, rate)


def _grid(gaps: Floats) -> float | None:
    """The step of a clock so coarse that it bunches what was apart; None of a fine one."""
    steps = gaps[gaps > 0]
    if np.count_nonzero(gaps == 0) <= MOST_TIED * len(gaps) or not len(steps):
        return None
    digits = 10.0 ** (np.floor(np.log10(steps)) - 1)
    values, counts = np.unique(np.rint(steps / digits) * digits, return_counts=True)
    for grid in (float(steps.min()), float(values[counts.argmax()])):
        parts = steps / grid
        near = np.abs(parts - np.rint(parts)) <= OFF_GRID
        if np.count_nonzero(near & (parts > 0.5)) >= ON_GRID * len(steps):
            return grid
    return None


def _unit(field: str | None) -> str | None:
    """The unit of the numbers read; of ISO 8601 text they are seconds."""
    if field is None or field.startswith(_ISO):
        return "s"
    return _NAMED.get(field.lower())


def _field(number: int, line: bytes) -> str | None:
    """The field that has the times; None where lines are plain numbers."""
    document = _json(line, number)
    if not isinstance(document, dict):
        return None
    names = {name.lower(): name for name in reversed(document)}
    for known in (*_NAMED, *_PLAIN):
        if known in names:
            name = names[known]
            return f"{_ISO}{name}" if isinstance(document[name], str) else name
    raise ArrivalsError(
        f"line {number}: no field has the time: name it t_s, t_ms, t_us, t_ns or timestamp"
    )


def _time(line: bytes, number: int, field: str | None) -> float:
    value: Any = _json(line, number)
    if field is not None:
        name = field.removeprefix(_ISO)
        if not isinstance(value, dict) or name not in value:
            raise ArrivalsError(f"line {number}: {_shown(line)} has no {name}, as line 1 has")
        value = value[name]
        if field.startswith(_ISO):
            return _instant(value, number)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and -_MOST < value < _MOST:
        told: float = value
        return told
    fix = 'write a number of seconds or {"t_s": 1.25}'
    raise ArrivalsError(f"line {number}: {str(value)[:_SHOWN]!r} is not a time: {fix}")


def _instant(value: object, number: int) -> float:
    """Microseconds of seconds since 1970; text without a zone is taken for UTC throughout."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        fix = "write ISO 8601, such as 2026-11-23T18:17:03.979960"
        raise ArrivalsError(
            f"line {number}: {str(value)[:_SHOWN]!r} is not a time: {fix}"
        ) from error
    return (at.replace(tzinfo=None) - (at.utcoffset() or _ZERO) - _EPOCH).total_seconds()


def _json(line: bytes, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ArrivalsError(
            f"line {number}: {_shown(line)} is neither a number nor JSON: "
            'write a number of seconds or {"t_s": 1.25}'
        ) from error


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
