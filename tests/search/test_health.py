"""In which state is a target after these windows, and what is held against which limit?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.latency import Histogram
from contract.objectives import parse_objective
from controller.search.health import (
    STATES,
    Health,
    Slice,
    Window,
    assessed,
    limit_ratio,
)

P99 = parse_objective("p99 response_time <= 100ms")
SERVICE = parse_objective("p50 service_time <= 10ms")
NAMED = parse_objective("rank: p99 response_time <= 100ms")
ERRORS = parse_objective("error_ratio <= 1%")


def after(ratios: list[float | None], *, falling_behind: bool = False) -> str:
    health = Health()
    for place, ratio in enumerate(ratios):
        achieved, in_flight = (90.0, 10 * place) if falling_behind else (100.0, 10)
        health = assessed(health, Window(ratio, 100.0, achieved, in_flight))
    return health.state


HYSTERESIS: list[tuple[str, list[float | None], str]] = [
    ("nothing measured", [], "healthy"),
    ("20 % headroom", [0.79] * 9, "healthy"),
    ("less, once", [0.8], "healthy"),
    ("less, twice", [0.8, 1.0], "warn"),
    ("on and off never makes two in a row", [0.9, 0.1] * 5, "healthy"),
    ("one violation", [1.01, 0.1, 0.1, 0.1], "healthy"),
    ("two violations in a row", [1.01, 1.01], "unhealthy"),
    ("violations on and off", [1.5, 0.1, 1.5, 0.1], "unhealthy"),
    ("two get worse only as far as the milder", [0.9, 1.5], "warn"),
    ("three in a row are one critical window", [1.5] * 3, "unhealthy"),
    ("four in a row", [1.5] * 4, "critical"),
    ("better once is not better", [0.9, 0.9, 0.1], "warn"),
    ("better twice is not better", [0.9, 0.9, 0.1, 0.1], "warn"),
    ("better three times is", [0.9, 0.9, 0.1, 0.1, 0.1], "healthy"),
    ("three get better only as far as the worst", [*[1.5] * 4, *[0.1] * 3], "unhealthy"),
    ("a relapse begins anew", [0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1], "warn"),
    ("and in time all is well", [*[1.5] * 4, *[0.1] * 6], "healthy"),
    ("what was not measured changes nothing", [0.9, None, 0.9], "warn"),
]


@pytest.mark.parametrize(("claim", "ratios", "state"), HYSTERESIS)
def test_the_hysteresis_table(claim: str, ratios: list[float | None], state: str) -> None:
    assert after(ratios) == state, claim


def test_a_target_that_falls_behind_while_it_violates_is_overloaded() -> None:
    assert after([1.5] * 4, falling_behind=True) == "overloaded"
    assert after([0.5] * 4, falling_behind=True) == "healthy"


@given(st.lists(st.floats(0.0, 3.0), max_size=40))
def test_health_never_jumps_on_a_single_window(ratios: list[float]) -> None:
    states = [after(list(ratios[:end])) for end in range(len(ratios) + 1)]
    changes = [place for place in range(1, len(states)) if states[place] != states[place - 1]]
    levels = [STATES.index(state) for state in states]
    for place in changes:
        in_a_row = 2 if levels[place] > levels[place - 1] else 3
        assert place >= in_a_row
        assert len(set(states[place - in_a_row : place])) == 1


def seen(count: int, seconds: float, bad: int = 0, overdue: int = 0, judged: int = 0) -> Slice:
    times = Histogram.of([seconds] * count)
    return Slice((judged or count,), (bad,), (overdue,), times, times)


@pytest.mark.parametrize(
    ("claim", "objective", "window", "ratio"),
    [
        ("a quantile over its limit is not clipped", P99, seen(100, 0.25, bad=100), 2.5),
        ("service time has its own limit", SERVICE, seen(100, 0.008), 0.8),
        ("a named request is known by its bad ones", NAMED, seen(100, 9.0, bad=2), 2.0),
        ("errors are a share of the budget", ERRORS, seen(200, 0.01, bad=1), 0.5),
        ("those in flight over the limit spend it", P99, seen(96, 0.01, overdue=4), 4.0),
        ("so do those that failed at once", P99, seen(95, 0.01, bad=5, judged=100), 5.0),
        ("a slow quantile is told as it is", P99, seen(100, 0.12, bad=3), 1.2),
    ],
)
def test_what_a_window_is_held_against(
    claim: str, objective: object, window: Slice, ratio: float
) -> None:
    assert limit_ratio([objective], window) == pytest.approx(ratio, rel=0.01), claim  # type: ignore[list-item]


def test_the_worst_objective_counts_and_nothing_judged_is_no_ratio() -> None:
    both = Slice((100, 100), (0, 2), (0, 0), Histogram.of([0.05] * 100), Histogram())
    assert limit_ratio([P99, ERRORS], both) == pytest.approx(2.0)
    assert limit_ratio([P99], Slice((0,), (0,), (0,))) is None
