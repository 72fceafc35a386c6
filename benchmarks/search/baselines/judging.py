"""How bad was a request, and was a probe good enough?

Whoever runs a baseline says in one place how bad a request was: a Judge gives the ratio of what
was measured to its limit, the largest over the objectives. A request is bad above 1; a failed one
is infinitely so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.search.baselines.environment import Environment, Flags, Floats, Probe
from controller.sim.target import Served

Judge = Callable[[Served, Floats], Floats]
"""Of what ended and when each of it was due, both on the target's clock."""

ROUNDING = 1e-9
LONGEST_S = 60.0
"""What a request counts as where an average needs a number: one that failed or never ended."""


def response_time(limit_s: float) -> Judge:
    """Completed − due, over the limit."""

    def ratios(served: Served, due_s: Floats) -> Floats:
        taken: Floats = (served.ends_s - due_s) / limit_s
        return np.where(served.errors > 0, math.inf, taken)

    return ratios


def judged_bad(bad: Callable[[Served, Floats], Flags], limit_s: float) -> Judge:
    """A judge from a yes or no: response times that are moved to the side of the limit it says."""
    measured = response_time(limit_s)

    def ratios(served: Served, due_s: Floats) -> Floats:
        taken = measured(served, due_s)
        above = np.maximum(taken, 1.0 + 1e-6)
        return np.where(bad(served, due_s), above, np.minimum(taken, 1.0))

    return ratios


def percentile(took_s: Floats, quantile: float) -> float:
    """The sample quantile, the upper one of two; 0 of nothing. Infinite entries are welcome."""
    if not len(took_s):
        return 0.0
    place = math.ceil(quantile * (len(took_s) - 1) - ROUNDING)
    return float(np.partition(took_s, place)[place])


def bad_ratio(env: Environment, probe: Probe, *, settle_s: float = 0.0) -> float:
    """Share of bad requests among those due from `settle_s` on; 0 of none."""
    judged = probe.took_s[probe.due_s >= settle_s]
    return float((judged > env.limit_s * (1 + ROUNDING)).mean()) if len(judged) else 0.0


def carried(env: Environment, probe: Probe, *, settle_s: float = 0.0) -> bool:
    """Was the share of bad requests within the budget?"""
    return bad_ratio(env, probe, settle_s=settle_s) <= env.budget


def achieved(probe: Probe) -> float:
    """Successful responses per second of load, as far as they had come."""
    return float((probe.ended & ~probe.failed).sum()) / probe.seconds


def slow(env: Environment, took_s: Floats) -> float:
    """The objective's percentile, in seconds."""
    return percentile(took_s, env.quantile)


def margin_s(env: Environment, probe: Probe) -> float:
    """Percentile less limit, failed requests counted as a minute; negative is good."""
    return slow(env, np.minimum(probe.took_s, LONGEST_S)) - env.limit_s
