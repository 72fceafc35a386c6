"""Which worker owns arrival i of a probe, and how many below an index does each owe?

Stride: worker p of n owns the indices with i % n == p. Below index e those are

    owed(p, e) = ceil((e - p) / n)        for e > p, else 0

Hash: workers that cannot carry the same get shares by weight. An index owns the point

    splitmix64(i xor key(seed, probe)) >> 32        of [0, 2^32)

and the worker in whose interval it falls owns the index. Everything is whole numbers, so every
machine finds the same owner, and the intervals have no gap: each index has exactly one.

Source: Steele, Lea and Flood 2014, for splitmix64.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Owes = Callable[[int, int], int]
"""How many indices the worker at a position owns below an index."""

WEIGHTS = 4096
"""The weight of the fastest worker; the others have theirs in these parts."""
ALIKE_RATIO = 0.1
"""Workers whose rates lie that close to their median get equal shares."""
SPAN = 4096
"""Indices whose owners are found at once."""
_WORKERS_PER_SPAN = 512
_FARTHEST = 2**22
"""Nobody goes further in one report; what is said to is counted up to here."""
_POINTS = 2**32
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = 2**64 - 1


class SharesError(ValueError):
    """There is no such share."""


class Shares(Protocol):
    """Who owns what among `count` workers."""

    @property
    def count(self) -> int: ...

    def own(self, position: int, first: int, due_ns: Whole) -> tuple[Whole, Whole]:
        """(indices, due times) of the worker's own among arrivals `first`, `first` + 1, ..."""

    def owed(self, position: int, below: int) -> int:
        """How many indices below `below` the worker owns."""

    def relative(self, position: int) -> float:
        """The worker's share over the mean share."""

    def counter(self) -> Owes:
        """`owed` for whoever asks again and again, no worker for less than before."""


def check_position(position: int, count: int) -> None:
    """Refuse a place outside the fleet.

    Raises:
        SharesError: no worker has `position` among `count`.
    """
    if count < 1 or not 0 <= position < count:
        raise SharesError(
            f"position {position!r} of count {count!r}: count must be at least 1 "
            "and position from 0 to count - 1"
        )


@dataclass(frozen=True)
class Stride:
    """Equal shares: index i belongs to worker i % count."""

    count: int

    def own(self, position: int, first: int, due_ns: Whole) -> tuple[Whole, Whole]:
        start = (position - first) % self.count
        indices = np.arange(first + start, first + len(due_ns), self.count, dtype=np.int64)
        return indices, due_ns[start :: self.count]

    def owed(self, position: int, below: int) -> int:
        return max(0, -((position - below) // self.count))

    def relative(self, position: int) -> float:
        """1 for each of them."""
        return 1.0 if 0 <= position < self.count else 0.0

    def counter(self) -> Owes:
        return self.owed


@dataclass(frozen=True)
class Hashed:
    """Shares by weight; `key` is (seed, probe) of the schedule."""

    weights: tuple[int, ...]
    key: tuple[int, int]

    def __post_init__(self) -> None:
        for position, weight in enumerate(self.weights):
            if not 1 <= weight <= WEIGHTS:
                raise SharesError(
                    f"weight {weight!r} of worker {position} must be from 1 to {WEIGHTS}"
                )

    @property
    def count(self) -> int:
        return len(self.weights)

    @cached_property
    def bounds(self) -> NDArray[np.uint64]:
        """Where the intervals begin, and 2^32, where the last one ends."""
        sums = [0, *accumulate(self.weights)]
        return np.array([_POINTS * part // sums[-1] for part in sums], dtype=np.uint64)

    @cached_property
    def _key(self) -> np.uint64:
        seed, probe = self.key
        return np.uint64(_splitmix64((_splitmix64(seed) + probe) & _MASK))

    def points(self, first: int, count: int) -> NDArray[np.uint64]:
        """Where the indices `first`, `first` + 1, ... fall."""
        z = np.arange(first, first + count, dtype=np.uint64) ^ self._key
        z += np.uint64(_GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
        return (z ^ (z >> np.uint64(31))) >> np.uint64(32)

    def owners(self, first: int, count: int) -> Whole:
        """Positions of those who own the indices `first`, `first` + 1, ..."""
        found = self.bounds.searchsorted(self.points(first, count), side="right") - 1
        return found.astype(np.int64)

    def own(self, position: int, first: int, due_ns: Whole) -> tuple[Whole, Whole]:
        points = self.points(first, len(due_ns))
        low, high = self.bounds[position], self.bounds[position + 1]
        places = np.flatnonzero((points >= low) & (points < high))
        return first + places, due_ns[places]

    def owed(self, position: int, below: int) -> int:
        low, high = self.bounds[position], self.bounds[position + 1]
        total = 0
        for first in range(0, below, SPAN):
            points = self.points(first, min(SPAN, below - first))
            total += int(np.count_nonzero((points >= low) & (points < high)))
        return total

    def relative(self, position: int) -> float:
        return self.weights[position] * len(self.weights) / sum(self.weights)

    def counter(self) -> Owes:
        return _Counter(self).owed


class _Span(NamedTuple):
    """The owners of the indices from `first` on: worker p's are sorted in [starts[p], starts[p + 1])."""

    first: int
    before: Whole
    starts: Whole
    indices: Whole


class _Counter:
    """One pass over the indices for all workers; a span is dropped once all have passed it."""

    def __init__(self, shares: Hashed) -> None:
        self._shares = shares
        self._length = SPAN * max(1, shares.count // _WORKERS_PER_SPAN)
        self._spans: list[_Span] = []
        self._end = 0
        self._before = np.zeros(shares.count, dtype=np.int64)
        self._passed = np.zeros(shares.count, dtype=np.int64)

    def owed(self, position: int, below: int) -> int:
        below = min(below, self._end + _FARTHEST)
        while self._end <= below:
            self._extend()
        self._passed[position] = max(below, int(self._passed[position]))
        span = self._spans[max(0, (below - self._spans[0].first) // self._length)]
        own = span.indices[span.starts[position] : span.starts[position + 1]]
        return int(span.before[position]) + int(own.searchsorted(below))

    def _extend(self) -> None:
        shares, first = self._shares, self._end
        owners = shares.owners(first, self._length)
        counts = np.bincount(owners, minlength=shares.count)
        starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
        indices = first + np.argsort(owners, kind="stable").astype(np.int64)
        self._spans.append(_Span(first, self._before, starts, indices))
        self._before = self._before + counts
        self._end = first + self._length
        passed = int(self._passed.min())
        while len(self._spans) > 1 and self._spans[1].first <= passed:
            del self._spans[0]


def shares_of(weights: tuple[int, ...], count: int, key: tuple[int, int]) -> Shares:
    """The shares of `count` workers: by `weights`, or without any all the same.

    Raises:
        SharesError: not as many weights as workers, or one that cannot be.
    """
    if not weights:
        return Stride(count)
    if len(weights) != count:
        raise SharesError(f"{len(weights)} weights for {count} workers: give one for each or none")
    return Hashed(weights, key)


def shares_for(rates_per_s: Sequence[float]) -> tuple[int, ...]:
    """Weights of workers that can send so much; none where they are alike.

    One that does not know its rate (0) is taken for the median of the others.
    """
    known = [rate for rate in rates_per_s if math.isfinite(rate) and rate > 0]
    if not known:
        return ()
    median = statistics.median(known)
    rates = [rate if math.isfinite(rate) and rate > 0 else median for rate in rates_per_s]
    if all(abs(rate - median) <= ALIKE_RATIO * median for rate in rates):
        return ()
    return tuple(max(1, round(WEIGHTS * rate / max(rates))) for rate in rates)


def _splitmix64(value: int) -> int:
    z = (value + _GOLDEN) & _MASK
    z = (z ^ (z >> 30)) * _FIRST & _MASK
    z = (z ^ (z >> 27)) * _SECOND & _MASK
    return z ^ (z >> 31)
