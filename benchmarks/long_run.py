"""Which share of a simulated target's arrivals is bad in the long run, at one rate?

Poisson arrivals, or burstier ones where the URL says so, in runs of at most RUN each, with a target of its own, of which the first part is
left out. Clients that retry make a target's past last, so its runs are of HORIZON_S each, from idle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from contract.objectives import Objective
from controller.sim.address import Address
from controller.sim.target import Served

RUN = 2_000_000
HORIZON_S = 7_200.0
_SETTLING_PART, _SETTLING, _SETTLING_S = 0.1, 20_000, 1_500.0
_CHUNK = 200_000
_AFTER_S, _STEP_S = 1_800.0, 30.0
_ROUNDING_S = 1e-9
_PURPOSE = int.from_bytes(b"truth", "big")

Flags = NDArray[np.bool_]


def shares(
    address: Address, objectives: Sequence[Objective], rate: float, *, seed: int, arrivals: int
) -> list[float]:
    """Share of the arrivals that is bad, for every objective."""
    bad = np.zeros(len(objectives))
    counted, number = 0, 0
    while counted == 0 or number * RUN < arrivals:
        left = arrivals - number * RUN
        for count, some in _runs(address, objectives, rate, (seed, number), min(left, RUN)):
            bad += some
            counted += count
        number += 1
    return [float(each) / counted for each in bad]


def _runs(
    address: Address,
    objectives: Sequence[Objective],
    rate: float,
    seeds: tuple[int, int],
    arrivals: int,
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Runs of together so many arrivals: how many were judged, and those bad per objective."""
    if address.family != "retry":
        settling = min(int(arrivals * _SETTLING_PART), max(_SETTLING, round(rate * _SETTLING_S)))
        yield _run(address, objectives, rate, (*seeds, 0), (arrivals, settling))
        return
    each = max(1, round(rate * HORIZON_S))
    for part in range(max(1, round(arrivals / each))):
        yield _run(address, objectives, rate, (*seeds, part), (each, 0))


def _run(
    address: Address,
    objectives: Sequence[Objective],
    rate: float,
    seeds: tuple[int, int, int],
    lengths: tuple[int, int],
) -> tuple[int, NDArray[np.float64]]:
    arrivals, settling = lengths
    target = address.target(seeds[0] + 1_000 * seeds[1] + 1_000_000 * seeds[2])
    due_s = address.traffic.due_s(rate, arrivals, (*seeds, _PURPOSE))
    bad, told = np.zeros(len(objectives)), 0
    for first in range(0, arrivals, _CHUNK):
        some = due_s[first : first + _CHUNK]
        keys = np.arange(first, first + len(some))
        served = target.serve(keys, some, float(some[-1]))
        bad += _bad(served, due_s, objectives, settling)
        told += len(served.keys)
    through_s = float(due_s[-1])
    while told < arrivals and through_s < due_s[-1] + _AFTER_S:
        through_s += _STEP_S
        served = target.serve(np.empty(0, dtype=np.int64), np.empty(0), through_s)
        bad += _bad(served, due_s, objectives, settling)
        told += len(served.keys)
    return arrivals - settling, bad + (arrivals - told)  # who is not served by then is bad


def _bad(
    served: Served, due_s: NDArray[np.float64], objectives: Sequence[Objective], settling: int
) -> NDArray[np.float64]:
    """How many of those told of are bad, per objective."""
    late = [_late(served, due_s, objective) for objective in objectives]
    any_late = np.logical_or.reduce(late)
    counted = served.keys >= settling
    return np.array(
        [
            int(((any_late if o.kind == "goodput" else own) & counted).sum())
            for o, own in zip(objectives, late, strict=True)
        ],
        dtype=np.float64,
    )


def _late(served: Served, due_s: NDArray[np.float64], objective: Objective) -> Flags:
    failed: Flags = served.errors > 0
    if objective.limit_s is None:
        return failed
    if objective.metric == "ttft" and served.phases is not None:
        took_s = served.phases.firsts_s - due_s[served.keys]
    elif objective.metric in ("itl", "tpot") and served.phases is not None:
        took_s = served.phases.between_s
    else:
        took_s = served.ends_s - due_s[served.keys]
    late: Flags = failed | (took_s > objective.limit_s + _ROUNDING_S)
    return late
