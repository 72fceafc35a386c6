"""Which capacities do the bad counts so far leave plausible?

For one objective with budget b, the bad odds at rate r against a capacity c follow a log-linear
tail above a floor p0 of badness that no rate removes:

    odds(r) = p0 + (b - p0) exp(s (r/c - 1)),   p = odds / (1 + odds)

Requests near capacity are correlated, so k bad of n is negative binomial with mean n p and
variance f n p: f = 1 would be independence. A gliding target smears the likelihood along ln c
(environment e), and an outlier floor keeps one unlucky probe from ruling anything out for good.
c, s, p0, f and e are laid out on a grid; every probe multiplies it, in any order. Capacities that
are as good as ruled out are let go, which makes the grid small as the search goes on.

Source: Cameron and Trivedi 1998, section 3.3 (NB1) for the counts; the rest is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import gammaln, ndtr

from contract.units import Rate, Seconds
from controller.search import gentle
from controller.search.earlier import lean
from controller.search.goal import Goal

Floats = NDArray[np.float64]

SLOPES = np.geomspace(10.0, 140.0, 6)
FLOORS = np.array([0.0, 0.15, 0.5])
"""p0 as a part of the budget."""
CLUSTERINGS = 1.0 + np.geomspace(0.5, 500.0, 7)
ENVIRONMENTS = np.array([0.004, 0.022, 0.035])
"""Standard deviation of ln c between probes."""
SPELL_RATIO = 0.4
"""Of that, what the mean over a whole search still has: probes follow each other so closely that a
target which glides over 20 s shows about six spells of itself in the time a search takes."""

CENSORED_TIMES, CENSORED_FEWEST = 6.0, 12
"""Beyond this many budgets, and at least so many, a probe says "too much" and no more."""
OUTLIER_RATIO = 0.04
UNKNOWN_CLUSTERING = 12.0
TAIL_TIMES = 1.7
"""Bad counts cluster more than the exceedances of the probe's own p95 that we can measure."""

_SLOPE_CENTRE, _SLOPE_SD = 45.0, 0.7
_ENVIRONMENT_PRIOR = np.array([0.45, 0.30, 0.25])
_FLOOR_PRIOR = np.array([0.90, 0.07, 0.03])
_CLUSTERING_SD = 0.6
_SMALLEST_BUDGET = 1e-5
_BELOW, _ABOVE = 0.8, 1.3
_X_MIN, _X_MAX, _X_STEPS = -20.0, 12.0, 513
_LEAST_LOG = -60.0
NEGLIGIBLE, EDGE, WORTH_RATIO = 1e-12, 16, 0.8
"""Capacities less likely than this are let go. The outlier floor lets no probe make one less likely
by more than 1/0.04, so it takes nine that agree."""
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

    The largest is 1. `marginal` has shape (clustering, capacity): the other axes summed out,
    before the clustering's prior, which depends on what the probes measured of it.
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
    weights = np.broadcast_to(environment * floor * slope[:, None], shape)
    if goal.prior is not None:
        weights = weights * lean(goal.prior, log_rates)
    times = censored_times(goal)
    return _normalised(Posterior(budget, log_rates, weights, np.empty(0), censored_times=times))


def learned(posterior: Posterior, counts: Counts) -> Posterior:
    """Multiply the likelihood of one probe in; nothing judged teaches nothing."""
    if counts.judged == 0:
        return posterior
    likelihood, peak = _on_grid(posterior, counts)
    outlier = OUTLIER_RATIO * likelihood.mean(axis=(0, 2, 3), keepdims=True)
    step = float(posterior.log_rates[1] - posterior.log_rates[0])
    weights = posterior.weights * peak
    for index, sd in enumerate(ENVIRONMENTS):
        smooth = gaussian_filter1d(likelihood, sd / step, mode="nearest", truncate=3.0)
        smooth *= 1 - OUTLIER_RATIO
        smooth += outlier
        weights[index] *= smooth
    return _normalised(replace(posterior, weights=weights, probes=posterior.probes + 1))


def bounded(posterior: Posterior, saturated_per_s: float, measured_s: Seconds) -> Posterior:
    """Softly rule out capacities above what a saturated target completed.

    Multiplies by 0.15 + 0.85 Phi((ln X - ln c) / (0.06 + 1.5/sqrt(D))), with D completions
    behind X. Soft, because a slow spell of the target is a saturation too.
    """
    completions = max(saturated_per_s * measured_s / 2, 1.0)
    sd = _SATURATED_SD + 1.5 / math.sqrt(completions)
    z = (math.log(saturated_per_s) - posterior.log_rates) / sd
    factor = (1 - _SATURATED_FLOOR) * ndtr(z) + _SATURATED_FLOOR
    return _normalised(replace(posterior, weights=posterior.weights * factor))


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


def log_likelihood_of_counts(judged: int, bad: int, ratio: Floats, clustering: Floats) -> Floats:
    """Log probability of `bad` of `judged`: mean judged*ratio, variance clustering times it."""
    r = judged * ratio / (clustering - 1)
    log_pmf: Floats = (
        gammaln(bad + r)
        - gammaln(r)
        - gammaln(bad + 1)
        - r * np.log(clustering)
        + bad * np.log1p(-1 / clustering)
    )
    return log_pmf


def censored_times(goal: Goal) -> float:
    """Budgets at which a probe of this goal is stopped, and beyond which it says "too much"."""
    return gentle.CENSORED_TIMES if goal.gentle else CENSORED_TIMES


def too_many(budget: float, judged: float, times: float = CENSORED_TIMES) -> float:
    """Bad arrivals of `judged` beyond which their number tells nothing more."""
    return max(times * budget * judged, CENSORED_FEWEST)


def _on_grid(posterior: Posterior, counts: Counts) -> tuple[Floats, Floats]:
    """Likelihood, shape (floor, clustering, slope, capacity), from a table in s (r/c - 1).

    Its largest value is 1 for every clustering; the second array is what that stands for.
    """
    log_table = _table(posterior.budget, counts, posterior.censored_times)
    highest = log_table.max(axis=(0, 2), keepdims=True)
    table = np.exp(np.maximum(log_table - highest, _LEAST_LOG))
    peak = np.exp(np.maximum(highest - highest.max(), _LEAST_LOG))[..., None]
    excess = counts.offered_per_s / np.exp(posterior.log_rates) - 1
    place = (np.clip(SLOPES[:, None] * excess, _X_MIN, _X_MAX) - _X_MIN) * (
        (_X_STEPS - 1) / (_X_MAX - _X_MIN)
    )
    left = np.minimum(place.astype(np.int64), _X_STEPS - 2)
    below: Floats = np.take(table, left, axis=-1)
    rise = np.take(np.diff(table), left, axis=-1)
    rise *= place - left
    below += rise
    return below, peak


def _table(budget: float, counts: Counts, times: float) -> Floats:
    """Log likelihood, shape (floor, clustering, x), for x = s (r/c - 1)."""
    x = np.linspace(_X_MIN, _X_MAX, _X_STEPS)
    floor = FLOORS[:, None, None] * budget
    odds = floor + (budget - floor) * np.exp(x)
    ratio = np.clip(odds / (1 + odds), 1e-9, 0.999)
    clusterings = CLUSTERINGS[:, None]
    too_much = min(too_many(budget, counts.judged, times) / counts.judged, 0.5)
    if counts.censored or counts.bad > too_much * counts.judged:
        independent = np.maximum(max(counts.judged, 60) / clusterings, 6.0)
        gain = too_much * np.log(ratio / too_much) + (1 - too_much) * np.log(
            (1 - ratio) / (1 - too_much)
        )
        return np.where(ratio >= too_much, 0.0, independent * gain)
    return log_likelihood_of_counts(counts.judged, counts.bad, ratio, clusterings)


def _normalised(posterior: Posterior) -> Posterior:
    weights = posterior.weights / posterior.weights.max()
    marginal = _long_run(weights, float(posterior.log_rates[1] - posterior.log_rates[0]))
    first, last = _worth_keeping(np.maximum(marginal.max(axis=0), weights.sum(axis=(0, 1, 2, 3))))
    return replace(
        posterior,
        log_rates=posterior.log_rates[first:last],
        weights=weights[..., first:last],
        marginal=marginal[:, first:last],
    )


def _long_run(weights: Floats, step: float) -> Floats:
    """Shape (clustering, capacity): what is left of the capacities once the target's gliding is paid.

    Over a gliding target the bad odds are exp(s^2 e^2 / 2) times those at its middle, for they rise
    faster than they fall, so that the long-run capacity lies s e^2 / 2 below the middle one. And the
    search has seen only some of its spells.
    """
    summed = weights.sum(axis=1)
    long_run = np.zeros((summed.shape[1], summed.shape[3]))
    for place, sd in enumerate(ENVIRONMENTS):
        spells = np.zeros_like(long_run)
        for slope, of_slope in enumerate(SLOPES):
            steps = of_slope * sd**2 / 2 / step
            whole, part = int(steps), steps - int(steps)
            own = summed[place, :, slope]
            spells += (1 - part) * _lowered(own, whole) + part * _lowered(own, whole + 1)
        unseen = SPELL_RATIO * sd / step
        long_run += gaussian_filter1d(spells, unseen, mode="nearest", truncate=3.0)
    return long_run


def _lowered(masses: Floats, steps: int) -> Floats:
    """Masses moved to lower capacities; what falls off the end stays at it."""
    if steps == 0:
        return masses
    moved = np.zeros_like(masses)
    moved[:, :-steps] = masses[:, steps:]
    moved[:, 0] += masses[:, :steps].sum(axis=1)
    return moved


def _worth_keeping(mass: Floats) -> tuple[int, int]:
    """The part of the capacities outside which none is left; all, where it is not much less."""
    left = np.flatnonzero(mass > NEGLIGIBLE * mass.max())
    first = max(int(left[0]) - EDGE, 0)
    last = min(int(left[-1]) + EDGE + 1, len(mass))
    return (first, last) if last - first <= WORTH_RATIO * len(mass) else (0, len(mass))
