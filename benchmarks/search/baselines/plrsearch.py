"""Which rate does PLRsearch find, when a lost packet is a bad request?

Probabilistic Loss Ratio search (draft-vpolak-bmwg-plrsearch; FDio/csit,
`resources/libraries/python/PLRsearch/PLRsearch.py` and `Integrator.py`) infers the critical load,
where the average loss ratio meets its target, from all trials so far. Two shapes of the loss per
second are fitted side by side, each with a most-received rate m and a spread s:

    stretch: s [ln(1 + e^u) − ln(1 + e^v)],           u = (x − m) / s,  v = −m / s
    erf:     s [g((m − x) / s) − g(m / s)] / erfc(v),  g(u) = e^(−u²) / √π − u erfc(u)

Losses are Poisson around them (the draft's words; the code takes a geometric law, a setting here).
The prior is uniform on two parameters a, b in (−1, 1): m = h (1 / (a + 1) − 1/2) + 1 and
s = m^((b + 1) / 2), h the highest load. Importance sampling: draws from a Gaussian that follows the
weights, made wider (its covariance by 10 there, by 4 here).

Trials last 0.1 s more each time, 5.1 s first. Loads: the middle of the range, the highest, twice
what came through in time, then the mean of both estimates, pulled up towards the lowest lossy load after
trials without any loss. When the time is up (1,800 s in CSIT, 7,200 s by default) the estimate is
the mean over both shapes, with a standard deviation that holds their difference too.

The prior counts single packets; we scale loads so that h is a million of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.search.baselines.environment import Answer, Environment
from benchmarks.search.baselines.judging import achieved, bad_ratio
from benchmarks.search.baselines.loss_fit import FITS, Posterior, Trial

SCALE = 1e6
FIRST_TRIALS = 3
LOSSY_TIMES = 4
DRAINED = 3
Q95 = 1.645


@dataclass(frozen=True, slots=True)
class PlrSearch:
    search_s: float = 1800.0
    longer_s: float = 0.1
    offset: int = 50
    losses: Literal["poisson", "geometric"] = "poisson"

    def find(self, env: Environment) -> Answer:
        unit = env.high / SCALE
        posteriors = [Posterior(fit, SCALE, env.budget, self.losses) for fit in FITS]
        until_s = env.now_s + self.search_s
        trials: list[Trial] = []
        lossy = _LossyLoads(env.high)
        load = (env.low + env.high) / 2
        while True:
            trial_s = self.longer_s * (self.offset + len(trials) + 1)
            sent = env.probe(load, trial_s)
            env.drain()
            probe = env.look(sent)
            ratio = bad_ratio(env, probe)
            trials.append(Trial(load / unit, len(probe.due_s), round(ratio * len(probe.due_s))))
            lossy.enter(load, ratio, env.budget)
            if env.now_s >= until_s:
                break
            if len(trials) == 1:
                load = env.high
            elif len(trials) <= FIRST_TRIALS:
                load = achieved(sent) / (1 - env.budget)
            else:
                means = [posterior.estimate(trials, env.low / unit)[0] for posterior in posteriors]
                load = lossy.pulled(unit * sum(means) / len(means))
            load = min(max(load, env.low), env.high)
        return _answer(
            env, [posterior.estimate(trials, env.low / unit) for posterior in posteriors]
        )


def _answer(env: Environment, estimates: list[tuple[float, float]]) -> Answer:
    means, deviations = np.array(estimates).T * env.high / SCALE
    mean = float(means.mean())
    deviation = math.sqrt(float((deviations**2).mean() + means.var()))
    low, high = mean - Q95 * deviation, mean + Q95 * deviation
    if mean >= env.high * 0.99:
        return Answer(mean, low, bound="at_least")
    if mean <= env.low * 1.01:
        return Answer(mean, high=high, bound="at_most")
    return Answer(mean, low, high)


class _LossyLoads:
    """Loads that lost too much, weighted by how long nothing had been lost before them."""

    def __init__(self, highest: float) -> None:
        self._loads = [highest]
        self._zeros = 0

    def enter(self, load: float, ratio: float, target: float) -> None:
        self._zeros += 1
        if ratio >= target:
            self._loads = sorted([*self._loads, *[load] * (LOSSY_TIMES * self._zeros)])
        if ratio > 0:
            self._zeros = 0

    def pulled(self, load: float) -> float:
        """Towards the lowest lossy load, the more so the longer nothing has been lost."""
        if not self._zeros:
            return load
        lowest = self._loads[0]
        if len(self._loads) > DRAINED:
            self._loads = self._loads[DRAINED:]
        if lowest <= load:
            return load
        weight = 2.0 ** (1 - self._zeros)
        return (lowest + weight * load) / (1 + weight)
