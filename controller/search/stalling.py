"""What do the stalls that a search has seen make of its answer?"""

from __future__ import annotations

import numpy as np

from contract.units import Rate
from controller.search.answer import Interval
from controller.search.estimate import Belief, density, tail
from controller.search.knowledge import Search
from controller.search.strategy import Standing
from controller.search.strict import Spoiling, Strict, Tail, load_of, strict

FROM_DUE = ("response_time", "e2e")
_SLOPE, _MU_RATIO = 40.0, 1.02
"""Of a strategy that keeps no posterior; and saturation above the capacity where none was seen."""


def strict_at(search: Search, rate: Rate) -> Strict:
    """As `strict_of`, where the capacity is known to be `rate` at least."""
    return strict_of(search, Standing(Interval(rate, rate, rate), rate, 0), believed=False)


def strict_of(search: Search, standing: Standing, *, believed: bool = True) -> Strict:
    """The capacity with stalls counted; that without them where none was seen."""
    estimate = standing.interval.estimate
    mu = max(search.saturated_per_s or 0.0, _MU_RATIO * estimate)
    found = Strict(estimate, standing.safe)
    for index, objective in enumerate(search.goal.objectives):
        from_due = objective.metric in FROM_DUE and objective.request_name is None
        limit_s = objective.limit_s if from_due else None
        load = load_of(search.watched, estimate, Spoiling(index, limit_s, mu))
        if load is None:
            continue
        beliefs = search.strategy.beliefs() if believed else ()
        of_objective = strict(_tail(beliefs, standing, index, objective.budget), load, mu)
        found = Strict(
            min(found.estimate, of_objective.estimate), min(found.safe, of_objective.safe)
        )
    return found


def stalls(search: Search) -> tuple[int, float]:
    """How many were seen, and the part of the time in which nothing was completed."""
    watched_s = sum(evidence.watched_s for evidence in search.watched)
    seen = [stall for evidence in search.watched for stall in evidence.stalls]
    stalled_s = sum(stall.seconds for stall in seen)
    return len(seen), stalled_s / watched_s if watched_s else 0.0


def failed_in_stalls(search: Search) -> int:
    """How many judged arrivals were answered with an error in them."""
    return sum(stall.failed for evidence in search.watched for stall in evidence.stalls)


def _tail(beliefs: tuple[Belief, ...], standing: Standing, index: int, budget: float) -> Tail:
    if beliefs and beliefs[index].posterior.probes:
        return _believed(beliefs[index], budget)
    low, middle, high = standing.interval
    return Tail(np.array([low, middle, high]), np.array([0.1, 0.8, 0.1]), _SLOPE, 0.0, budget)


def _believed(belief: Belief, budget: float) -> Tail:
    masses = density(belief.posterior, belief.clustering)
    kept = masses > 1e-4 * masses.max()
    slope, floor = tail(belief.posterior)
    capacities = np.exp(belief.posterior.log_rates[kept])
    return Tail(capacities, masses[kept] / masses[kept].sum(), slope, floor, budget)
