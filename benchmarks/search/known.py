"""What is the truth of a cell's target?

Of two targets: as it is without stalls, for `estimate`, and with them, for `strict`; neither is
cold. The simulations behind it, and where what they found is kept, are `benchmarks.search_truth`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.search.cells import Known
from benchmarks.search_truth import truth
from contract.objectives import parse_objective

STRICT_ERROR = 0.02
"""With stalls the bad share rises slowly with the rate, so that its crossing is hard to place."""


class NoTruth(ValueError):
    """No rate is the limit of this target under this SLO."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which truths: of the target at `tolerant`, and, where it differs, at `strict`."""

    tolerant: str
    strict: str
    slo: tuple[str, ...]


def know(sought: Sought) -> Known:
    """Both truths, simulated where they are not kept.

    Raises:
        NoTruth: the target carries any rate, or none.
    """
    slo = [parse_objective(line) for line in sought.slo]
    tolerant = truth(sought.tolerant, slo)
    if not 0 < tolerant.capacity < math.inf:
        raise NoTruth(f"{sought.tolerant}: no rate is its limit under {', '.join(sought.slo)}")
    strict = None
    if sought.strict != sought.tolerant:
        strict = truth(sought.strict, slo, error=STRICT_ERROR).capacity
    return Known(tolerant.capacity, tolerant.standard_error, strict)
