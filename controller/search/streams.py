"""How many requests at a time would an ordinary load generator keep going to offer a rate?

With `search.features.open_loop` off the load is a wait-for-answer loop, to measure what an open one
is worth. Its streams are chosen as people choose them, by Little's law with some to spare from the
service time they expect: the median of the last probe that kept every objective, half the tightest
limit before there is one.

    streams = ceil(1.5 x rate x expected service time)

The spare ones let the rate be reached where the target keeps up; without them the loop would hold
back at rates it carries with ease.

While all of them wait for an answer nothing is sent and the schedule stands still: what was due
meanwhile is re-timed, and its response time counts from the send. So a slow target is asked less,
which is what is to be seen (coordinated omission: Tene 2013; Schroeder, Wierman and Harchol-Balter
2006 on open and closed).
"""

from __future__ import annotations

import math

from contract.units import Rate
from controller.search.goal import Goal
from controller.search.probe import Evidence

SPARE = 1.5
EXPECTED_RATIO = 0.5
"""Of the tightest limit: the service time expected before any was measured."""


def streams(goal: Goal, seen: tuple[Evidence, ...], rate: Rate) -> int:
    """Streams of the whole fleet at `rate`; 0 where the loop is open."""
    if goal.features.open_loop:
        return 0
    known = (e.median_s for e in reversed(seen) if e.median_s is not None and _kept(goal, e))
    expected_s = next(known, EXPECTED_RATIO * goal.tightest_limit_s)
    return max(1, math.ceil(SPARE * rate * expected_s))


def _kept(goal: Goal, evidence: Evidence) -> bool:
    return not evidence.censored and all(
        bad <= objective.budget * judged
        for objective, judged, bad in zip(
            goal.objectives, evidence.judged, evidence.bad, strict=True
        )
    )


def share(whole: int, workers: int) -> int:
    """One worker's part of the fleet's streams; at least one where there are any."""
    return math.ceil(whole / workers)
