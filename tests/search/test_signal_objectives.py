"""Which lines of an SLO are about signals, and what do they say?"""

from __future__ import annotations

import math

import pytest

from contract.objectives import ObjectiveError
from controller.search.signal_objectives import (
    parse_signal_objective,
    reads_as_signal,
)


@pytest.mark.parametrize(
    ("text", "canonical", "limit", "budget"),
    [
        ("max gpu_utilization <= 95%", "max gpu_utilization <= 95%", 0.95, 0.05),
        ("kv_cache_usage<=90 %", "max kv_cache_usage <= 90%", 0.9, 0.05),
        ("max queue <= 1.5e2", "max queue <= 1.5e2", 150.0, 0.05),
        ("free >= 3", "min free >= 3", 3.0, 0.05),
        ("max q <= 4 except 0.5% of windows", "max q <= 4 except 0.5% of windows", 4.0, 0.005),
    ],
)
def test_a_line_about_a_signal(text: str, canonical: str, limit: float, budget: float) -> None:
    objective = parse_signal_objective(text)
    assert (objective.text, objective.limit, objective.budget) == (canonical, limit, budget)
    assert parse_signal_objective(objective.text) == objective


@pytest.mark.parametrize(
    ("text", "is_signal"),
    [
        ("max gpu_utilization <= 95%", True),
        ("kv_cache_usage <= 90%", True),
        ("p99 response_time <= 150ms", False),
        ("rank: p99 response_time <= 150ms", False),
        ("error_ratio <= 0.1%", False),
        ("eror_ratio <= 0.1%", False),
        ("goodput >= 99%", False),
        ("response_time <= 150ms", False),
        ("p99 <= 150ms", False),
        ("p99", False),
        (95, False),
        (None, False),
    ],
)
def test_lines_about_arrivals_stay_theirs(text: object, is_signal: bool) -> None:
    assert reads_as_signal(text) is is_signal


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("max q >= 3", "write '<='"),
        ("min q <= 3", "write '>='"),
        ("q < 3", "write '<=' or '>='"),
        ("q <= 150ms", "write one without a unit, such as 95% or 12"),
        ("q <= 3 except 5 of windows", "with its sign"),
        ("q <= 3 except 0% of windows", "above 0% and below 100%"),
    ],
)
def test_a_line_that_cannot_be_read_says_what_would_be_right(text: str, fix: str) -> None:
    with pytest.raises(ObjectiveError) as refused:
        parse_signal_objective(text)
    assert repr(text) in str(refused.value)
    assert fix in str(refused.value)


def test_how_near_the_limit_a_value_is() -> None:
    at_most, at_least = map(parse_signal_objective, ("q <= 4", "free >= 4"))
    assert (at_most.ratio(5.0), at_least.ratio(5.0)) == (1.25, 0.8)
    assert (at_most.is_bad(4.0), at_most.is_bad(4.1)) == (False, True)
    assert (at_least.is_bad(4.0), at_least.is_bad(3.9)) == (False, True)
    assert at_least.ratio(0.0) == math.inf
    nothing = parse_signal_objective("preemptions <= 0")
    assert (nothing.ratio(0.0), nothing.ratio(1.0)) == (0.0, math.inf)
