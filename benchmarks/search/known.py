"""What is the truth of a cell's target?

Of two targets: as it is without stalls, for `estimate`, and with them, for `strict`; neither is
cold. The simulations behind it, and where their results are kept, are `benchmarks.search.truth`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.search.cells import Known
from benchmarks.search_truth import ARRIVALS, SEEDS, truth
from contract.objectives import parse_objective


class NoTruth(ValueError):
    """No rate is the limit of this target under this SLO."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which truths: of the target at `tolerant`, and, where it differs, at `strict`."""

    tolerant: str
    strict: str
    slo: tuple[str, ...]
    arrivals: int = ARRIVALS


def know(sought: Sought) -> Known:
    """Both truths, simulated where they are not kept.

    Raises:
        NoTruth: the target carries any rate, or none.
    """
    objective = parse_objective(sought.slo[0])
    tolerant = truth(sought.tolerant, objective, arrivals=sought.arrivals)
    if not 0 < tolerant.capacity < math.inf:
        raise NoTruth(f"{sought.tolerant}: no rate is its limit under {', '.join(sought.slo)}")
    strict = None
    if sought.strict != sought.tolerant:
        strict = truth(sought.strict, objective, arrivals=sought.arrivals).capacity
    return Known(tolerant.capacity, tolerant.spread / 2 / math.sqrt(len(SEEDS) - 1), strict)
