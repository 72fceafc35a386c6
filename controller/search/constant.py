"""Is more bad than the SLO allows, however little is sent?

A share of arrivals that is bad at every rate (a payload that always fails, say) leaves no rate to
find, and the posterior knows only shares that a rate removes. So the probes well below what failed
are pooled: where even their bad share is surely above an objective's budget, no rate keeps it.

    top      the lowest rate that was stopped, else the highest seen
    low      whole probes up to HALF of it; up to NEAR of it, where what was bad there came one by one:
             load makes it come in clumps
    surely   the lower end of Wilson's interval at z = 3, counts taken as many times fewer as they are
             clumped, CLUSTERED at least
    clean    the upper end at z = 1.645 is below the budget. Where it is of any low probe, or of the
             lowest ones together, there is a rate that keeps it, and the target may have changed
    lowest   the lowest of them, a third at most of what was judged but one probe at least, are bad
             above the budget too: a share that grows with the rate is load

Source: Wilson 1927.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from contract.units import Rate
from controller.search.probe import Evidence

HALF, NEAR = 0.5, 0.7
"""Below this part of the lowest rate that was stopped as too much, load is no excuse."""
CLUSTERED, ONE_BY_ONE = 2.0, 2.5
"""Variance of bad counts over a binomial's: taken at least, and at most where load made none."""
SURELY, CLEAN = 3.0, 1.645
FEWEST_BAD, LOWEST = 10, 3


@dataclass(frozen=True, slots=True)
class Constant:
    """What is bad at every rate, for the objective at this place: `bad` of `judged` up to `rate`.

    `failed` of the bad were errors or timeouts; None where nothing counted those.
    """

    objective: int
    bad: int
    judged: int
    rate: Rate
    failed: int | None = None


def constant(
    seen: Iterable[Evidence], budgets: Iterable[float], errors: int | None = None
) -> Constant | None:
    """The first objective whose budget is overrun without load; None where none surely is.

    The one at `errors` counts what failed: it is preferred where that is most of the bad.
    """
    probes, found = list(seen), dict[int, Constant]()
    for index, budget in enumerate(budgets):
        low = _low(probes, index)
        if low and _overrun(low, index, budget):
            judged, bad = _counted(low, index)
            here = Constant(index, bad, judged, low[-1].offered_per_s)
            found[index] = replace(here, failed=_failed(low, index, errors))
    first = next(iter(found.values()), None)
    if first is None or first.failed is None or 2 * first.failed < first.bad:
        return first
    return first if errors is None else found.get(errors, first)


def _low(probes: Sequence[Evidence], index: int) -> list[Evidence]:
    """Probes where load is no excuse, the lowest rate first."""
    rates = [e.offered_per_s for e in probes]
    top = min((e.offered_per_s for e in probes if e.censored), default=max(rates, default=0.0))
    whole = sorted(
        (e for e in probes if not e.censored and e.judged[index]), key=lambda e: e.offered_per_s
    )
    near = [e for e in whole if e.offered_per_s <= NEAR * top]
    clumped = _clumped(near, index)
    if clumped is not None and clumped <= ONE_BY_ONE:
        return near
    return [e for e in near if e.offered_per_s <= HALF * top]


def _overrun(low: Sequence[Evidence], index: int, budget: float) -> bool:
    judged, bad = _counted(low, index)
    fewer = max(CLUSTERED, _clumped(low, index) or 0.0)
    if bad < FEWEST_BAD or _end(bad / fewer, judged / fewer, -SURELY) <= budget:
        return False
    if any(_clean((e,), index, budget) for e in low):
        return False
    if any(_clean(low[: n + 1], index, budget) for n in range(len(low))):
        return False
    few, of_few = _counted(_lowest(low, index, judged / LOWEST), index)
    return of_few >= budget * few


def _clean(probes: Sequence[Evidence], index: int, budget: float) -> bool:
    judged, bad = _counted(probes, index)
    fewer = max(1.0, _clumped(probes, index) or 0.0)
    return _end(bad / fewer, judged / fewer, CLEAN) < budget


def _lowest(low: Sequence[Evidence], index: int, most: float) -> Sequence[Evidence]:
    """The lowest rates that together judged no more than `most`; the first one in any case."""
    judged = low[0].judged[index]
    for place, evidence in enumerate(low[1:], start=1):
        judged += evidence.judged[index]
        if judged > most:
            return low[:place]
    return low


def _counted(probes: Sequence[Evidence], index: int) -> tuple[int, int]:
    """Judged and bad of them all."""
    return sum(e.judged[index] for e in probes), sum(e.bad[index] for e in probes)


def _clumped(probes: Sequence[Evidence], index: int) -> float | None:
    """Variance of the bad counts over a binomial's, weighted by them; None where none tells."""
    told = [
        (e.bad[index], e.bad_clustering[index]) for e in probes if index < len(e.bad_clustering)
    ]
    known = [(bad, clumped) for bad, clumped in told if clumped is not None]
    weight = sum(bad for bad, _ in known)
    return sum(bad * clumped for bad, clumped in known) / weight if weight else None


def _failed(low: Sequence[Evidence], index: int, errors: int | None) -> int | None:
    if errors is None:
        return None
    judged, failed = _counted(low, errors)
    of, bad = _counted(low, index)
    return min(failed, bad) if judged == of else None


def _end(bad: float, judged: float, z: float) -> float:
    """An end of Wilson's interval of the share, the lower one where z is below 0."""
    share, square = bad / judged, z**2 / judged
    spread = z * math.sqrt(share * (1 - share) / judged + square / (4 * judged))
    return (share + square / 2 + spread) / (1 + square)
