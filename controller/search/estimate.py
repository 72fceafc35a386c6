"""Which capacities do the bad counts so far leave plausible?

For one objective with budget b, the bad odds at rate r against a capacity c follow a log-linear
tail above a floor p0 of badness that no rate removes:

    odds(r) = p0 + (b - p0) exp(s (r/c - 1)),   p = odds / (1 + odds)

Requests near capacity are correlated, so k bad of n is negative binomial with mean n p and
variance f n p: f = 1 would be independence. A gliding target smears the likelihood along ln c
(environment e), and an outlier floor keeps one unlucky probe from ruling anything out for good.
c, s, p0, f and e are laid out on a grid; every probe multiplies it, in any order. Capacities that
are as good as ruled out are let go, which makes the grid small as the search goes on.

Source: `controller.search.likelihood` names that of the counts; the rest is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from contract.units import Rate, Seconds
from controller.search import gentle, likelihood, smearing
from controller.search.earlier import lean
from controller.search.goal import Goal
from controller.search.likelihood import CLUSTERINGS, FLOORS

Floats = NDArray[np.float64]

SLOPES = np.geomspace(10.0, 140.0, 6)
ENVIRONMENTS = (0.004, 0.022, 0.035)
"""Standard deviation of ln c between probes."""
SPELL_RATIO = 0.4
"""Of that, what the mean over a whole search still has: probes follow each other so closely that a
target which glides over 20 s shows about six spells of itself in the time a search takes."""
_UNSEEN = tuple(SPELL_RATIO * sd for sd in ENVIRONMENTS)

CENSORED_TIMES, CENSORED_FEWEST = 6.0, 12
"""Beyond this many budgets, and at least so many, a probe says "too much" and no more."""
OUTLIER_RATIO = 0.04
UNKNOWN_CLUSTERING = 12.0
TAIL_TIMES = 1.7
"""Bad counts cluster more than the exceedances of the probe's own p95 that we can measure."""

_SLOPE_CENTRE, _SLOPE_SD = 45.0, 0.7
_ENVIRONMENT_PRIOR = np.array([0.45, 0.30, 0.25])
_FLOOR_PRIOR = np.array([0.90, 0.06, 0.03, 0.01])
_CLUSTERING_SD = 0.6
_SMALLEST_BUDGET = 1e-5
_BELOW, _ABOVE = 0.8, 1.3
_LEAST_LOG = -60.0
NEGLIGIBLE, EDGE, WORTH_RATIO = 1e-12, 16, 0.8
"""Capacities less likely than this are let go. The outlier floor lets no probe make one less likely
by more than 1/0.04, so it takes nine that agree."""
_VANISHING = 1e-60
"""Weights are scaled anew when the largest is less."""
_SATURATED_SD, _SATURATED_FLOOR = 0.06, 0.15


@dataclass(frozen=True, slots=True)
class Counts:
    """What one probe says about one objective.

    `offered_per_s` is the realised rate. `censored`: stopped early as failing, `bad` is then a
    lower bound and only "more than `too_many`" is used.
    """

    offered_per_s: Rate
    judged: int
    bad: int
    censored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Weights over (environment, floor, clustering, slope, capacity) for one objective.

    Only their ratios say something. `marginal` has shape (clustering, capacity): the other axes
    summed out, before the clustering's prior, which depends on what the probes measured of it.
    `censored_times` budgets of bad arrivals say "too much" and no more.
    """

    budget: float
    log_rates: Floats
    weights: Floats
    marginal: Floats
    probes: int = 0
    censored_times: float = CENSORED_TIMES

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Posterior):
            return NotImplemented
        same = (self.budget, self.probes) == (other.budget, other.probes)
        return (
            same
            and np.array_equal(self.log_rates, other.log_rates)
            and np.array_equal(self.weights, other.weights)
        )

    __hash__ = None  # type: ignore[assignment]  # it holds arrays


@dataclass(frozen=True, slots=True)
class Belief:
    """A posterior and the clustering by which to read it, None when no probe could measure it."""

    posterior: Posterior
    clustering: float | None = None


def prior(goal: Goal, budget: float) -> Posterior:
    """Every capacity from a little below `low` to a little above `high` alike, on a log scale.

    An earlier result leans on it (`controller.search.earlier`).
    """
    budget = max(budget, _SMALLEST_BUDGET)
    span = math.log(goal.high * _ABOVE / (goal.low * _BELOW))
    step = min(max(goal.precision / 10, 0.002), 0.01)
    log_rates = math.log(goal.low * _BELOW) + np.linspace(0.0, span, math.ceil(span / step) + 1)
    slope = np.exp(-0.5 * ((np.log(SLOPES) - math.log(_SLOPE_CENTRE)) / _SLOPE_SD) ** 2)
    environment = _ENVIRONMENT_PRIOR[:, None, None, None, None]
    floor = _FLOOR_PRIOR[:, None, None, None]
    shape = (len(ENVIRONMENTS), len(FLOORS), len(CLUSTERINGS), len(SLOPES), len(log_rates))
    weights = np.broadcast_to(environment * floor * slope[:, None], shape).copy()
    if goal.prior is not None:
        weights *= lean(goal.prior, log_rates)
    times = censored_times(goal)
    empty = Posterior(budget, log_rates, weights, np.empty(0), censored_times=times)
    return _normalised(empty, weights)


def learned(posterior: Posterior, counts: Counts) -> Posterior:
    """Multiply the likelihood of one probe in; nothing judged teaches nothing."""
    if counts.judged == 0:
        return posterior
    known = too_many(posterior.budget, counts.judged, posterior.censored_times)
    too_much = min(known / counts.judged, 0.5)
    log_table = (
        likelihood.log_table_of_excess(posterior.budget, counts.judged, too_much)
        if counts.censored or counts.bad > too_much * counts.judged
        else likelihood.log_table(posterior.budget, counts.judged, counts.bad)
    )
    weights = _multiplied(posterior, log_table, counts.offered_per_s)
    return _normalised(replace(posterior, probes=posterior.probes + 1), weights)


def bounded(posterior: Posterior, saturated_per_s: float, measured_s: Seconds) -> Posterior:
    """Softly rule out capacities above what a saturated target completed.

    Multiplies by 0.15 + 0.85 Phi((ln X - ln c) / (0.06 + 1.5/sqrt(D))), with D completions
    behind X. Soft, because a slow spell of the target is a saturation too.
    """
    completions = max(saturated_per_s * measured_s / 2, 1.0)
    sd = _SATURATED_SD + 1.5 / math.sqrt(completions)
    z = (math.log(saturated_per_s) - posterior.log_rates) / sd
    factor = (1 - _SATURATED_FLOOR) * ndtr(z) + _SATURATED_FLOOR
    return _normalised(posterior, posterior.weights * factor)


def density(posterior: Posterior, clustering: float | None = None) -> Floats:
    """Probability of every capacity on the grid, of the shape of `log_rates`.

    `clustering` is what the probes measured (variance of p95 exceedances over a binomial's);
    None when none could.
    """
    measured = UNKNOWN_CLUSTERING if clustering is None else clustering
    centre = math.log(TAIL_TIMES * max(measured - 1, 0.3))
    belief = np.exp(-0.5 * ((np.log(CLUSTERINGS - 1) - centre) / _CLUSTERING_SD) ** 2)
    mass: Floats = belief @ posterior.marginal
    mass /= mass.sum()
    return mass


def quantiles(
    posterior: Posterior, probabilities: tuple[float, ...], clustering: float | None = None
) -> tuple[Rate, ...]:
    """Capacities with these probabilities below them."""
    cumulated = np.cumsum(density(posterior, clustering))
    step = posterior.log_rates[1] - posterior.log_rates[0]
    at = np.interp(probabilities, cumulated, posterior.log_rates + step / 2)
    return tuple(Rate(float(rate)) for rate in np.exp(at))


def tail(posterior: Posterior) -> tuple[float, float]:
    """Posterior means of the slope, and of the floor as a part of the budget."""
    slopes = posterior.weights.sum(axis=(0, 1, 2, 4))
    floors = posterior.weights.sum(axis=(0, 2, 3, 4))
    return float(slopes @ SLOPES / slopes.sum()), float(floors @ FLOORS / floors.sum())


def probability_above(posterior: Posterior, rate: float, clustering: float | None = None) -> float:
    """Probability that the capacity exceeds `rate`."""
    cumulated = np.cumsum(density(posterior, clustering))
    step = posterior.log_rates[1] - posterior.log_rates[0]
    below = np.interp(math.log(rate), posterior.log_rates + step / 2, cumulated, left=0.0)
    return float(1.0 - below)


def censored_times(goal: Goal) -> float:
    """Budgets at which a probe of this goal is stopped, and beyond which it says "too much"."""
    return gentle.CENSORED_TIMES if goal.gentle else CENSORED_TIMES


def too_many(budget: float, judged: float, times: float = CENSORED_TIMES) -> float:
    """Bad arrivals of `judged` beyond which their number tells nothing more."""
    return max(times * budget * judged, CENSORED_FEWEST)


def _multiplied(posterior: Posterior, log_table: Floats, rate: Rate) -> Floats:
    """Weights times the likelihood that `log_table` gives of a probe at `rate`.

    That is 1 at most for every clustering, times what it stands for; smeared, and with an outlier
    floor below it. Outside of its windows it is what either end of the table says.
    """
    weights, step = posterior.weights, _step(posterior)
    excess = rate / np.exp(posterior.log_rates) - 1
    reach = smearing.reach(ENVIRONMENTS, step)
    within = smearing.windows(excess, SLOPES, likelihood.X_MIN, likelihood.X_MAX, reach)
    highest = log_table.max(axis=2, keepdims=True).max(axis=0)
    table = np.maximum(log_table - highest, _LEAST_LOG)
    np.exp(table, out=table)
    table *= (1 - OUTLIER_RATIO) * np.exp(np.maximum(highest - highest.max(), _LEAST_LOG))
    rows = table.reshape(-1, likelihood.X_STEPS)
    laid_out = likelihood.read(rows, SLOPES[within.slopes] * excess[within.capacities])
    outlier = _outlier(rows, laid_out, within, weights.shape[4])
    laid_out += outlier
    smooth = smearing.smeared(laid_out, ENVIRONMENTS, step)
    above, below = (
        np.concatenate([rows[:, end, None] + outlier] * len(ENVIRONMENTS)) for end in (0, -1)
    )
    found = np.empty(weights.shape)
    by_slope = found.reshape(len(smooth), *weights.shape[3:])
    for slope, (first, last, start) in enumerate(
        zip(within.first, within.last, within.starts, strict=True)
    ):
        by_slope[:, slope, :first] = below
        by_slope[:, slope, first:last] = smooth[:, start : start + last - first]
        by_slope[:, slope, last:] = above
    found *= weights
    return found


def _outlier(rows: Floats, laid_out: Floats, within: smearing.Windows, capacities: int) -> Floats:
    """What the likelihood never falls below: a part of its mean for the clustering, one a row."""
    below, above = sum(within.first), len(SLOPES) * capacities - sum(within.last)
    summed = np.vecdot(laid_out, within.counted) + below * rows[:, -1] + above * rows[:, 0]
    mean = summed.reshape(len(FLOORS), -1).sum(axis=0) / (len(FLOORS) * len(SLOPES) * capacities)
    outlier = OUTLIER_RATIO / (1 - OUTLIER_RATIO) * mean
    return np.concatenate([outlier] * len(FLOORS))[:, None]


def _normalised(posterior: Posterior, weights: Floats) -> Posterior:
    """With these weights, which it may keep and change.

    They are divided only where they are about to vanish: their scale says nothing, and a pass over
    all of them takes long.
    """
    summed = weights[:, 0] + weights[:, 1]
    for floor in range(2, len(FLOORS)):
        summed += weights[:, floor]
    largest = float(summed.max())
    if largest < _VANISHING:
        weights /= largest
    summed *= 1 / largest
    marginal = _long_run(summed, _step(posterior))
    by_capacity = summed.reshape(-1, summed.shape[-1])
    first, last = _worth_keeping(np.maximum(marginal.max(axis=0), by_capacity.sum(axis=0)))
    return replace(
        posterior,
        log_rates=posterior.log_rates[first:last],
        weights=weights[..., first:last],
        marginal=marginal[:, first:last],
    )


def _step(posterior: Posterior) -> float:
    return float(posterior.log_rates[1] - posterior.log_rates[0])


def _long_run(summed: Floats, step: float) -> Floats:
    """Shape (clustering, capacity): what is left of the capacities once the target's gliding is paid.

    Over a gliding target the bad odds are exp(s^2 e^2 / 2) times those at its middle, for they rise
    faster than they fall, so that the long-run capacity lies s e^2 / 2 below the middle one. And the
    search has seen only some of its spells. `summed`: (environment, clustering, slope, capacity).
    """
    spells = smearing.lowered(summed, tuple(SLOPES), ENVIRONMENTS, step)
    return smearing.smeared_together(spells, _UNSEEN, step)


def _worth_keeping(mass: Floats) -> tuple[int, int]:
    """The part of the capacities outside which none is left; all, where it is not much less."""
    left = np.flatnonzero(mass > NEGLIGIBLE * mass.max())
    first = max(int(left[0]) - EDGE, 0)
    last = min(int(left[-1]) + EDGE + 1, len(mass))
    return (first, last) if last - first <= WORTH_RATIO * len(mass) else (0, len(mass))
