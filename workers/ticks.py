"""When did requests complete, in slices of 20 ms, and which replica of the target answered?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contract.report import MOST_REPLICAS, OTHER_REPLICAS, TICK_NS, Tick
from workers.columns import Ints

LONGEST_NAME = 64
_PLACES = MOST_REPLICAS + 2


class Replicas:
    """Names that answers gave, numbered from 1 in the order they were first seen."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._places)

    def place(self, name: str) -> int:
        """The number of a name; a name too many is `other`, too long a one is cut."""
        found = self._places.get(name)
        if found is not None:
            return found
        name = name[:LONGEST_NAME]
        if name not in self._places and len(self._places) >= MOST_REPLICAS:
            name = OTHER_REPLICAS
        return self._places.setdefault(name, len(self._places) + 1)


def ticks_of(
    done: Sequence[tuple[int, bool, int]], plain_ns: Ints, epoch_ns: int
) -> tuple[Tick, ...]:
    """Ticks of completions, each (monotonic ns, whether an error, place of the replica).

    `plain_ns` are the times of more, which had no error and named no replica.
    """
    times, errors, places = zip(*done, strict=True) if done else ((), (), ())
    all_ns = np.concatenate([np.array(times, dtype=np.int64), plain_ns])
    if not len(all_ns):
        return ()
    key = (all_ns - epoch_ns) // TICK_NS * _PLACES
    key[: len(done)] += np.array(places, dtype=np.int64)
    found, which = np.unique(key, return_inverse=True)
    completed = np.bincount(which)
    weights = np.array(errors, dtype=np.float64)
    failed = np.bincount(which[: len(done)], weights=weights, minlength=len(found))
    return tuple(
        Tick(int(k // _PLACES), int(n), int(e), int(k % _PLACES))
        for k, n, e in zip(found, completed, failed, strict=True)
    )


def added(older: Sequence[Tick], newer: Sequence[Tick]) -> tuple[Tick, ...]:
    """Ticks of two reports of one probe on one worker, whose replicas have the same places."""
    counts: dict[tuple[int, int], tuple[int, int]] = {}
    for tick in (*older, *newer):
        completed, errors = counts.get((tick.index, tick.replica), (0, 0))
        counts[tick.index, tick.replica] = (completed + tick.completed, errors + tick.errors)
    return tuple(Tick(index, *counts[index, replica], replica) for index, replica in sorted(counts))
