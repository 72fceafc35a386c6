"""What may an earlier result for the same model tell a new search?

It says where the ramp begins, at 3/4 of the earlier capacity once a scale probe has seen that
carried, and it leans on the prior, weakly: half of it stays flat along ln c, the other half is
Student's t with 3 degrees of freedom around the earlier estimate,

    density(ln c) = 0.5 flat + 0.5 t3((ln c - ln estimate) / sd) / sd

with sd of at least 10 %. The flat half and the heavy tails bound what a wrong prior can weigh: a
factor of a few, which tens of bad arrivals outweigh. So it costs time, not truth.

Source: O'Hagan 1979 (heavy tails resolve a conflict in favour of the data); the mixture is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.units import Rate

START_RATIO = 0.75
"""The ramp begins at this part of the earlier estimate."""
TRUSTED = 0.5
"""Weight of the earlier estimate; the rest is flat."""
LEAST_SD = 0.20
UNKNOWN_SD = 0.20
"""Of an estimate that came without an interval."""
_T3 = 2 / (math.pi * math.sqrt(3))
_SDS_OF_INTERVAL = 3.29
"""Width of a 90 % interval in standard deviations of a normal."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier capacity and its 90 % interval, None without one."""

    estimate: Rate
    low: Rate | None = None
    high: Rate | None = None

    @property
    def sd(self) -> float:
        """Standard deviation of ln c."""
        if self.low is None or self.high is None:
            return UNKNOWN_SD
        return max(LEAST_SD, math.log(self.high / self.low) / _SDS_OF_INTERVAL)

    @property
    def start(self) -> Rate:
        """Where the ramp may begin."""
        return Rate(START_RATIO * self.estimate)


def lean(earlier: Earlier, log_rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prior weights of evenly spaced `log_rates`, of their shape; a flat prior is all 1."""
    span = float(log_rates[-1] - log_rates[0])
    z = (log_rates - math.log(earlier.estimate)) / earlier.sd
    peak = _T3 * (1 + z * z / 3) ** -2 / earlier.sd
    weights: NDArray[np.float64] = (1 - TRUSTED) + TRUSTED * span * peak
    return weights
