"""Do the measurements carry an interval?"""

from __future__ import annotations

from contract.units import Rate, Seconds
from controller.search import explain_answer
from controller.search.knowledge import Search
from controller.search.relaxation import RELAXATIONS, longest_measured_s, relaxation_s
from controller.search.strategies.bayes import NEAR_RATIO
from controller.search.strategy import Standing

VOUCHED_BAD = 80
"""Wider than asked, an interval is given from so many judged arrivals near the estimate on that the
objective allows this many bad ones of them, 8,000 for a p99: fewer tell the share of bad ones to no
better than 11 %, and how they cluster hardly at all, so that the interval would be too narrow."""


def refusal(search: Search) -> str | None:
    """Why no interval is printed although the probes would give one."""
    moving = unsteady(search)
    if moving is not None:
        return moving
    standing = search.strategy.standing()
    short_of = None if standing is None else short(search, standing.interval.estimate)
    return None if short_of is None else explain_answer.too_short(*short_of)


def unsteady(search: Search) -> str | None:
    summary = search.opening.summary
    if summary is not None and not summary.steady:
        return explain_answer.not_steady(summary)
    return None if search.sentinel.steady else explain_answer.drifting(search.sentinel.drifts)


def short(search: Search, estimate: Rate) -> tuple[Seconds, Seconds] | None:
    """(longest probe near `estimate`, relaxation time) where that is not enough of them."""
    slow_s = relaxation_s(search.seen, estimate)
    measured_s = longest_measured_s(search.seen, estimate)
    if slow_s is None or measured_s >= RELAXATIONS * slow_s:
        return None
    return measured_s, slow_s


def told_enough(search: Search, standing: Standing) -> bool:
    """Whether so much was judged near the estimate that its interval can be believed."""
    index, estimate = standing.objective, standing.interval.estimate
    judged = sum(
        evidence.judged[index]
        for evidence in search.seen
        if not evidence.censored and abs(evidence.offered_per_s / estimate - 1) <= NEAR_RATIO
    )
    return judged * search.goal.judged_by[index].budget >= VOUCHED_BAD
