"""What may a goal cost, before it runs?

At worst a search spends its whole budget at the highest rate; typically the capacity lies at the
geometric middle of the bounds, is found by doubling and takes about the arrivals that clustered
bad counts need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from contract.units import Seconds
from controller.search import profiles
from controller.search.goal import Goal
from controller.search.strategies.soak import STRETCH_S

_SHORTEST_PROBE_S = 4.0
_RAMP_PROBE_S = 7.0
_NARROWING_S = 1.3
"""Seconds near capacity x precision^2: from searches of simulated targets."""
_LONG_PROBE_S = 30.0


@dataclass(frozen=True, slots=True)
class Quote:
    """`probes`, `seconds` and `requests` are upper bounds; the typical ones a guess."""

    probes: int
    seconds: Seconds
    requests: int
    typical_probes: int
    typical_seconds: Seconds
    typical_requests: int


def quote(goal: Goal) -> Quote:
    """Price `goal`, assuming one request per arrival."""
    if goal.strategy == "soak":  # it spends its budget, and knows its rate
        part = profiles.mean(goal.workload.profile, goal.budget_s)
        probes, requests = (
            math.ceil(goal.budget_s / STRETCH_S),
            math.ceil(goal.high * goal.budget_s * part),
        )
        return Quote(probes, goal.budget_s, requests, probes, goal.budget_s, requests)
    middle = math.sqrt(goal.low * goal.high)
    climbs = 2 + math.ceil(math.log2(goal.high / goal.low) / 2)
    narrowing_s = 30.0 + _NARROWING_S / goal.precision**2
    closing_s = goal.closing_probes * _LONG_PROBE_S
    warm_up_s = {"none": 0.0, "auto": 20.0}.get(str(goal.warm_up))
    opening_s = float(goal.warm_up) if warm_up_s is None else warm_up_s
    seconds = min(goal.budget_s, opening_s + climbs * _RAMP_PROBE_S + narrowing_s + closing_s)
    probes = climbs + math.ceil((narrowing_s + closing_s) / _LONG_PROBE_S)
    return Quote(
        probes=math.ceil(goal.budget_s / _SHORTEST_PROBE_S),
        seconds=goal.budget_s,
        requests=math.ceil(goal.high * goal.budget_s),
        typical_probes=probes,
        typical_seconds=Seconds(seconds),
        typical_requests=math.ceil(middle * seconds * 0.8),
    )
