"""How is a rate approached, and how long is it held before it is judged?

ramp     1 s, or 3 s to a rate well above what was seen supported
settle   as long as filling the target takes: the tightest limit, two service times. Near the
estimate also one relaxation time, for a probe that starts on an emptier target than it
leaves behind sees too little that is bad, the more of it the slower the target forgets
rest     before the next ramp, until what the workers gave up on can be worked off
"""

from __future__ import annotations

import math

from contract.units import Seconds
from controller.search.knowledge import Search
from controller.search.probe import Outcome
from controller.search.relaxation import relaxation_s
from controller.search.strategy import Ask

RAMP_S, STEEP_RAMP_S = Seconds(1.0), Seconds(3.0)
STEEP_RATIO = 1.5
"""A rate this much above the highest one supported so far is approached slowly."""
SHORTEST_SETTLE_S, LONGEST_SETTLE_S = Seconds(0.75), Seconds(6.0)
FILLED_TIMES = 2.0
"""After so many service times of an idle target as much is in flight as will be."""
NEAR_RATIO = 0.15
"""Probes this near the estimate wait for the target's memory too."""
LONGEST_MEMORY_S = Seconds(60.0)
LONGEST_REST_S, LONGEST_REST_RATIO = 60.0, 1 / 8
"""What would take longer, or more of the time left, is not waited for in whole."""
OVERLOADED = ("R1", "R2", "R4")
"""Rules that stop a probe while the target holds more than it can answer."""
GRID_S = 0.25
"""Due-time buckets: what is judged begins and ends with one."""


def ramp_s(search: Search, ask: Ask) -> Seconds:
    """From no load to the rate."""
    if ask.purpose == "scale":
        return RAMP_S
    passed = search.most_passed[0] if search.most_passed else 0.0
    supported = max(passed, search.opening.supported or 0.0)
    return STEEP_RAMP_S if 0 < supported * STEEP_RATIO < ask.rate else RAMP_S


def settle_s(search: Search, ask: Ask) -> Seconds:
    """At the rate and not judged."""
    filled_s = max(search.goal.tightest_limit_s, FILLED_TIMES * (search.idle_s or 0.0))
    filled_s = min(max(filled_s, SHORTEST_SETTLE_S), LONGEST_SETTLE_S)
    return on_grid(max(filled_s, _memory_s(search, ask)))


def rest_s(search: Search, outcome: Outcome) -> Seconds:
    """Time to work off what the target may still hold of arrivals the workers gave up on.

    Those in flight when an overload was stopped were waited for up to their time-out; what the
    target cannot have worked off by then is left.
    """
    timed_out = outcome.ledger.timed_out
    if not timed_out and not outcome.rule.startswith(OVERLOADED):
        return Seconds(0.0)
    held = outcome.in_flight_at_end + timed_out
    waited_s = search.goal.workload.timeout_s if outcome.in_flight_at_end else 0.0
    left_s = held / max(outcome.achieved_per_s, 1.0) - waited_s
    longest_s = min(LONGEST_REST_S, LONGEST_REST_RATIO * search.remaining_s)
    return Seconds(max(min(left_s, longest_s), 0.0))


def on_grid(seconds: float) -> Seconds:
    """The next longer time that whole buckets fill."""
    return Seconds(math.ceil(seconds / GRID_S - 1e-9) * GRID_S)


def _memory_s(search: Search, ask: Ask) -> float:
    """One relaxation time near the estimate, at most a third of what is measured."""
    if ask.purpose not in ("search", "closing") or not search.goal.features.batching:
        return 0.0
    standing = search.strategy.standing()
    if standing is None or abs(ask.rate / standing.interval.estimate - 1) > NEAR_RATIO:
        return 0.0
    slow_s = relaxation_s(search.seen, standing.interval.estimate) or 0.0
    return min(slow_s, ask.measure_s / 3, LONGEST_MEMORY_S)
