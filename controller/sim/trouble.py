"""What may befall a simulated fleet in a probe?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from controller.search.probe import Probe


@dataclass(frozen=True, slots=True)
class Trouble:
    """Times are seconds from the probe's epoch.

    `lost_at_s`: the last worker of the fleet falls silent, and is gone for good. `gone_at_s`: the
    bus is gone for this probe. `lag_s`: every start is that much later. `missed_ratio` of arrivals
    are never started. From `pause_at_s` nothing starts for `pause_s`, as when the workers' machine
    hiccups. The workers start no more than `saturates_per_s`, one after the other. `late_at_s`: reports from there on wait for a worker for one cadence. `unaccounted`
    arrivals are in no ledger.
    """

    lost_at_s: float = math.inf
    gone_at_s: float = math.inf
    lag_s: float = 0.0
    missed_ratio: float = 0.0
    pause_at_s: float = math.inf
    pause_s: float = 0.0
    late_at_s: float = math.inf
    unaccounted: int = 0
    saturates_per_s: float = math.inf


TroubleOf = Callable[[Probe], Trouble]


def none(probe: Probe) -> Trouble:  # noqa: ARG001 - a TroubleOf
    """A fleet without trouble."""
    return Trouble()
