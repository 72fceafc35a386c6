"""Is more bad than the SLO allows, however little is sent?

A share of arrivals that is bad at every rate (a payload that always fails, say) leaves no rate to
find, and the posterior knows only shares that a rate removes. So the probes well below what failed
are pooled: where even their bad share is surely above an objective's budget, no rate keeps it.

    surely: the lower end of Wilson's interval at z = 3, counts taken as CLUSTERED times fewer,
            and the lowest rates alone, a third of what was judged, overrun it too

Source: Wilson 1927.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contract.units import Rate
from controller.search.probe import Evidence

LOW_RATIO = 0.7
"""Below this part of the lowest rate that was stopped as too much, load is no excuse."""
CLUSTERED, Z = 2.0, 3.0
FEWEST_BAD, LOWEST = 10, 3


@dataclass(frozen=True, slots=True)
class Constant:
    """What is bad at every rate, for the objective at this place: `bad` of `judged` up to `rate`."""

    objective: int
    bad: int
    judged: int
    rate: Rate


def constant(seen: Iterable[Evidence], budgets: Iterable[float]) -> Constant | None:
    """The first objective whose budget is overrun without load; None where none surely is."""
    probes = list(seen)
    stopped = [e.offered_per_s for e in probes if e.censored]
    below = LOW_RATIO * min(stopped, default=max((e.offered_per_s for e in probes), default=0.0))
    low = sorted(
        (e for e in probes if not e.censored and e.offered_per_s <= below),
        key=lambda e: e.offered_per_s,
    )
    for index, budget in enumerate(budgets):
        judged = sum(e.judged[index] for e in low)
        bad = sum(e.bad[index] for e in low)
        if bad < FEWEST_BAD or _least(bad / CLUSTERED, judged / CLUSTERED) <= budget:
            continue
        if _lowest_share(low, index, judged / LOWEST) >= budget:
            return Constant(index, bad, judged, low[-1].offered_per_s)
    return None


def _lowest_share(low: Sequence[Evidence], index: int, enough: float) -> float:
    """Bad share of the lowest rates that together judged `enough`."""
    judged = bad = 0
    for evidence in low:
        judged, bad = judged + evidence.judged[index], bad + evidence.bad[index]
        if judged >= enough:
            break
    return bad / max(judged, 1)


def _least(bad: float, judged: float) -> float:
    share, square = bad / judged, Z**2 / judged
    spread = Z * math.sqrt(share * (1 - share) / judged + square / (4 * judged))
    return (share + square / 2 - spread) / (1 + square)
