"""How do many arrivals become counts and times at once?

The hot path leaves its marks on permits. Here they become columns, one entry an arrival, which
numpy counts: a tenth of what it costs to count them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.report import BUCKET_NS
from workers.clock import NS_PER_S
from workers.permit import SENT, Permit

_HALF = 31
_LOW = (1 << _HALF) - 1

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Starts:
    """How arrivals began: slice of the due time, how, and of those sent the send lag in s."""

    bucket: Ints
    start: Ints
    lag_s: Floats

    @classmethod
    def of(cls, permits: Sequence[Permit], epoch_ns: int) -> Starts:
        due_ns = _ints(p.due_ns for p in permits)
        start = _ints(p.start for p in permits)
        lag_ns = _ints(p.start_ns for p in permits) - due_ns
        return cls(buckets_of(due_ns, epoch_ns), start, lag_ns[start == SENT] / NS_PER_S)


@dataclass(frozen=True, slots=True)
class Times:
    """Of one request each: slice of its arrival, when it ended, response and service time in s."""

    bucket: Ints
    ended_ns: Ints
    response_s: Floats
    service_s: Floats

    @classmethod
    def of(cls, permits: Sequence[Permit], epoch_ns: int) -> Times:
        due_ns = _ints(p.due_ns for p in permits)
        ended_ns = _ints(p.answered_ns for p in permits)
        service_s = np.fromiter((p.service_s for p in permits), np.float64, len(permits))
        response_s = (ended_ns - due_ns) / NS_PER_S
        return cls(buckets_of(due_ns, epoch_ns), ended_ns, response_s, service_s)

    @classmethod
    def joined(cls, parts: Sequence[Times]) -> Times:
        """All of several, of which there is at least one."""
        return cls(
            np.concatenate([p.bucket for p in parts]),
            np.concatenate([p.ended_ns for p in parts]),
            np.concatenate([p.response_s for p in parts]),
            np.concatenate([p.service_s for p in parts]),
        )


def buckets_of(due_ns: Ints, epoch_ns: int) -> Ints:
    """The slice that each monotonic due time falls into."""
    buckets: Ints = (due_ns - epoch_ns) // BUCKET_NS
    return buckets


def counted(first: Ints, second: Ints) -> list[tuple[tuple[int, int], int]]:
    """The distinct pairs of two columns, and how often each is there; below 2**31 both."""
    pairs, counts = np.unique(first << _HALF | second, return_counts=True)
    return [
        ((pair >> _HALF, pair & _LOW), count)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)
    ]


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)
