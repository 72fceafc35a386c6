"""Which rate can a simulated target truly carry inside an objective?

Long simulations of the very target, without its warm-up, at one rate each, until the rate is
bracketed at which the fraction of bad arrivals crosses the budget. Arrivals are the same at every
rate up to the time scale, and so is the target's own chance (common random numbers, Law and Kelton
2000, ch. 11). What has been found is kept in the system's temporary folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from contract.objectives import Objective
from controller.sim.address import Address, parse

ARRIVALS = 2_000_000
PILOT_RATIO = 1 / 16
SETTLING = 5_000
RESOLUTION = 2e-3
MOST_STEPS = 40
CLEAR_TIMES = 2.0
"""A short simulation that is off the budget by more than this factor is clear enough."""
LOWEST, HIGHEST = 1.0, 1e6
SEEDS = (101, 102)
"""Of arrivals and target; the truth is the mean over them, their spread its uncertainty."""
_CHUNK = 5_000
_AFTER_S = 1e6
_ROUNDING_S = 1e-9
_PURPOSE = int.from_bytes(b"truth", "big")
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Truth:
    """Arrivals per second; `spread` is the largest less the smallest over the seeds."""

    capacity: float
    spread: float


def truth(url: str, objective: Objective, *, arrivals: int = ARRIVALS) -> Truth:
    """Capacity of the target at `url` under Poisson arrivals, from the cache where it is known."""
    question = json.dumps([_VERSION, url, objective.text, arrivals, RESOLUTION, SEEDS])
    digest = hashlib.sha256(question.encode()).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / f"tonnage-truth-{digest}.json"
    try:
        known = json.loads(kept.read_text())
        return Truth(float(known["capacity"]), float(known["spread"]))
    except (OSError, ValueError, KeyError):
        pass  # not known yet
    found = [capacity(url, objective, seed=seed, arrivals=arrivals) for seed in SEEDS]
    answer = Truth(sum(found) / len(found), max(found) - min(found))
    kept.write_text(json.dumps({"capacity": answer.capacity, "spread": answer.spread}))
    return answer


def capacity(url: str, objective: Objective, *, seed: int, arrivals: int) -> float:
    """Where the bad fraction crosses the budget, in arrivals/s.

    0 where it is over the budget at the lowest rate tried, infinite where at none. Doubling by
    short simulations, then false position on the logarithm, every third step a bisection.
    """
    address = _warm(parse(url))
    pilot = int(arrivals * PILOT_RATIO)
    budget = objective.budget
    low = Point(0.0, 0.0)
    high = Point(LOWEST, bad_ratio(address, objective, LOWEST, seed=seed, arrivals=pilot))
    while high.bad <= budget and high.rate <= HIGHEST:
        rate = 2 * high.rate
        low, high = (
            high,
            Point(rate, bad_ratio(address, objective, rate, seed=seed, arrivals=pilot)),
        )
    if high.bad <= budget or low.rate == 0.0:
        return math.inf if high.bad <= budget else 0.0
    for step in range(MOST_STEPS):
        rate = (low.rate + high.rate) / 2 if step % 3 == 2 else _crossing(low, high, budget)
        middle = Point(rate, bad_ratio(address, objective, rate, seed=seed, arrivals=pilot))
        if budget / CLEAR_TIMES <= middle.bad <= budget * CLEAR_TIMES:
            whole = bad_ratio(address, objective, rate, seed=seed, arrivals=arrivals)
            middle = Point(rate, whole)
        low, high = (middle, high) if middle.bad <= budget else (low, middle)
        if high.rate - low.rate <= RESOLUTION * high.rate:
            break
    return _crossing(low, high, budget)


@dataclass(frozen=True, slots=True)
class Point:
    """The long-run fraction of bad arrivals at a rate."""

    rate: float
    bad: float


def _crossing(low: Point, high: Point, budget: float) -> float:
    """Where the line between them, in the logarithm of the fraction, crosses the budget."""
    below, above = (math.log(max(p.bad, budget * 1e-2) / budget) for p in (low, high))
    part = -below / (above - below) if above > below else 0.5
    return low.rate + min(max(part, 0.05), 0.95) * (high.rate - low.rate)


def bad_ratio(
    address: Address, objective: Objective, rate: float, *, seed: int, arrivals: int
) -> float:
    """Long-run fraction of bad arrivals at `rate`."""
    target = address.target(seed)
    random = np.random.default_rng((seed, _PURPOSE))
    due_s = np.cumsum(random.exponential(size=arrivals)) / rate
    limit_s = math.inf if objective.limit_s is None else float(objective.limit_s)
    settling = min(SETTLING, arrivals // 10)
    bad = 0
    for first in range(0, arrivals + 1, _CHUNK):
        keys = np.arange(first, min(first + _CHUNK, arrivals))
        last = first + _CHUNK > arrivals
        through_s = float(due_s[-1]) + _AFTER_S if last else float(due_s[keys[-1]])
        served = target.serve(keys, due_s[keys], through_s)
        late = served.ends_s - due_s[served.keys] > limit_s + _ROUNDING_S
        bad += int(((late | (served.errors > 0)) & (served.keys >= settling)).sum())
    return bad / (arrivals - settling)


def _warm(address: Address) -> Address:
    return replace(address, values={**address.values, "warm_up": 0.0})
