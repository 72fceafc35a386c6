"""How long does the target take to forget, and what follows for the probes?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.units import Rate, Seconds
from controller.search.answer import Interval
from controller.search.capacity import start
from controller.search.goal import Goal
from controller.search.knowledge import Search
from controller.search.pacing import LONGEST_MEMORY_S, on_grid, settle_s
from controller.search.probe import Evidence
from controller.search.relaxation import enough_s, relaxation_s
from controller.search.strategies.bayes import Bayes, lean
from controller.search.strategy import Ask
from tests.helpers.builders import a_goal

GOAL = a_goal(strategy="bayes", precision=0.1)
NEAR = Rate(100.0)


def a_probe(
    rate: float, planned_s: float, relaxation: float, variance: float = 100.0, bad: int | None = None
) -> Evidence:  # fmt: skip
    judged = round(rate * planned_s)
    return Evidence(
        offered_per_s=Rate(rate),
        judged=(judged,),
        bad=(judged // 100 if bad is None else bad,),
        clustering=(10.0,),
        relaxation_s=Seconds(relaxation),
        measured_s=Seconds(planned_s),
        planned_s=Seconds(planned_s),
        in_flight_variance=variance,
    )


def test_a_rare_excursion_is_not_outvoted_by_the_probes_that_missed_it() -> None:
    quiet = [a_probe(100, 60, 0.5, variance=10) for _ in range(5)]
    wild = a_probe(100, 60, 3.0, variance=1000)
    alone, together = relaxation_s([wild], NEAR), relaxation_s([wild, *quiet], NEAR)
    assert alone is not None
    assert together is not None
    assert together == pytest.approx(alone, rel=0.3)
    even = [replace(e, in_flight_variance=10.0) for e in (wild, *quiet)]
    outvoted = relaxation_s(even, NEAR)
    assert outvoted is not None
    assert outvoted < 0.3 * alone


def bayes_after(*seen: Evidence, goal: Goal = GOAL) -> Bayes:
    """After one failure, so that it narrows."""
    state = Bayes.knowing_nothing(goal).placed(Rate(80.0))
    state = replace(state, failed=True, supported=Rate(80.0), probes=1)
    for evidence in seen:
        state = state.learning(evidence)
    return state


def test_what_was_too_short_for_the_targets_memory_is_not_believed_any_more() -> None:
    """Probes of 10 s saw nothing bad, and failed well above; then the target's memory shows."""
    failed = [replace(a_probe(rate, 10, 0.2, bad=300), censored=True) for rate in (125, 120, 125)]
    short = [*failed, *[a_probe(100, 10, 0.2, bad=0)] * 3]
    believing = bayes_after(*short)
    long = [a_probe(100, 120, 8.0, bad=120)] * 2
    after = bayes_after(*short, *long)
    assert after.least_s > 10
    assert after.known() == bayes_after(*failed, *long).known()
    assert believing.known().interval.estimate > after.known().interval.estimate


def test_short_probes_far_from_the_estimate_are_kept() -> None:
    far = a_probe(60, 10, 0.2, bad=0)
    after = bayes_after(far, *[a_probe(100, 120, 8.0, bad=120)] * 2)
    assert far in after.seen


def searching(*seen: Evidence, batching: bool = True) -> Search:
    goal = replace(GOAL, features=replace(GOAL.features, batching=batching))
    search = start(goal)
    return replace(search, seen=seen, strategy=bayes_after(*seen, goal=goal))


def asking(rate: float, measure_s: float = 60.0, purpose: str = "search") -> Ask:
    return Ask("closing" if purpose == "closing" else "search", Rate(rate), Seconds(measure_s), "")


FAILED = replace(a_probe(115, 120, 4.0, bad=1000), censored=True)
LONG = [a_probe(100, 120, 4.0)] * 4 + [FAILED] * 2


@pytest.mark.parametrize(
    ("claim", "search", "ask", "at_least", "at_most"),
    [
        ("near the estimate the target's memory is waited for", searching(*LONG), asking(100), 5.0, 20.0),
        ("far from it nothing is", searching(*LONG), asking(50), 0.0, 1.0),
        ("a third of a short probe at most", searching(*LONG), asking(100, 6.0), 2.0, 2.0),
        ("a minute at most", searching(*[a_probe(100, 600, 40.0)] * 4, *[FAILED] * 2), asking(100, 600.0), LONGEST_MEMORY_S, LONGEST_MEMORY_S),
        ("not without batching awareness", searching(*LONG, batching=False), asking(100), 0.0, 1.0),
    ],
)  # fmt: skip
def test_settling(claim: str, search: Search, ask: Ask, at_least: float, at_most: float) -> None:
    assert at_least <= settle_s(search, ask) <= at_most, claim


def test_a_time_is_made_longer_until_whole_buckets_fill_it() -> None:
    assert [on_grid(s) for s in (0.0, 0.1, 0.25, 1.01)] == [0.0, 0.25, 0.25, 1.25]


def test_the_next_probe_is_no_longer_than_four_times_the_longest() -> None:
    assert enough_s([a_probe(100, 10, 5.0)], NEAR) == 40.0


def test_the_longer_tail_is_looked_into() -> None:
    """A target that breaks at once passes at the median again and again."""
    even, up, down = (
        Interval(Rate(low), Rate(100.0), Rate(high))
        for low, high in ((95.0, 105.0), (98.0, 140.0), (70.0, 102.0))
    )
    assert lean(even) == 1.0
    assert 1.05 < lean(up) < 1.10
    assert 0.90 < lean(down) < 0.95
