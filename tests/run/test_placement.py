"""Who sends whose load, and which runs are together? Numbers small enough to do by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.ports import Member
from controller.run.placement import (
    Wish,
    carry,
    is_kept_apart,
    may_begin,
    pick,
    together,
    wish_of,
)
from tests.helpers.builders import a_goal


def wish(run: str = "r1", target: str = "a:80", rate_per_s: float = 100.0) -> Wish:
    return Wish(run, frozenset({target}), rate_per_s)


def fleet(*spec: tuple[str, str, float], run: str | None = None) -> tuple[Member, ...]:
    return tuple(Member(name, host, rate_per_s, run) for name, host, rate_per_s in spec)


def names(members: tuple[Member, ...]) -> list[str]:
    return [member.worker for member in members]


def test_a_run_gets_as_few_workers_as_carry_it_with_a_twentieth_to_spare() -> None:
    four = fleet(*((f"w{i}", "h", 100.0) for i in range(1, 5)))  # 50/s each
    assert names(pick(four, wish(rate_per_s=47.0))) == ["w1"]
    assert names(pick(four, wish(rate_per_s=48.0))) == ["w1", "w2"]
    assert names(pick(four, wish(rate_per_s=1_000.0))) == ["w1", "w2", "w3", "w4"]


def test_the_machine_that_carries_it_alone_goes_before_two_that_share() -> None:
    spread = fleet(("a1", "a", 100.0), ("b1", "b", 100.0), ("b2", "b", 100.0), ("c1", "c", 100.0))
    assert names(pick(spread, wish(rate_per_s=90.0))) == ["b1", "b2"]
    assert names(pick(spread, wish(rate_per_s=140.0))) == ["a1", "b1", "b2"]


def test_what_a_run_has_it_keeps() -> None:
    mine = fleet(("w2", "h", 100.0), run="r1")
    others = fleet(("w1", "h", 100.0), ("w3", "g", 100.0), ("w4", "g", 900.0))
    free = (*others, *mine)
    assert names(pick(free, wish(rate_per_s=40.0))) == ["w2"]
    assert names(pick(free, wish(rate_per_s=90.0))) == ["w1", "w2"]  # of the same machine
    assert names(pick(free, wish(rate_per_s=200.0))) == ["w1", "w2", "w4"]


def test_a_user_that_costs_more_gets_more_workers() -> None:
    four = fleet(*((f"w{i}", "h", 100.0) for i in range(1, 5)))
    slow = Wish("r1", frozenset({"a:80"}), 47.0, user_ratio=0.5)
    assert names(pick(four, slow)) == ["w1", "w2"]


def test_nobody_is_picked_from_nobody() -> None:
    assert pick((), wish()) == ()


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(10.0, 1_000.0)), min_size=1, max_size=12),
    st.floats(1.0, 3_000.0),
)
def test_a_pick_carries_the_run_if_anybody_does_and_has_nobody_to_spare(
    spec: list[tuple[str, float]], rate_per_s: float
) -> None:
    free = fleet(*((f"w{i:02}", host, rate) for i, (host, rate) in enumerate(spec)))
    asked = wish(rate_per_s=rate_per_s)
    chosen = pick(free, asked)
    assert set(chosen) <= set(free)
    assert len(set(names(chosen))) == len(chosen)
    if not carry(free, asked):
        assert set(chosen) == set(free)
        return
    assert carry(chosen, asked)
    weakest = min(chosen, key=lambda member: member.rate_per_s)
    if len({member.host for member in chosen}) == 1:
        assert not carry([m for m in chosen if m is not weakest], asked)


@pytest.mark.parametrize(
    ("targets", "at_once", "run"),
    [
        ("abc", 4, 3),
        ("abc", 2, 2),
        ("aab", 4, 1),
        ("aba", 4, 2),
        ("abab", 4, 2),
    ],
)
def test_the_front_of_the_line_runs_together_up_to_the_first_shared_target(
    targets: str, at_once: int, run: int
) -> None:
    wishes = [wish(f"r{i}", target) for i, target in enumerate(targets)]
    assert together(wishes, at_once) == tuple(wishes[:run])


def test_one_target_under_two_urls_is_one_target() -> None:
    one = wish_of("r1", a_goal(targets=("http://127.0.0.1:80/v2",)))
    two = wish_of("r2", a_goal(targets=("http://other:9", "http://127.0.0.1")))
    assert is_kept_apart(two, (one,), 4)
    assert not is_kept_apart(two, (), 4)


def test_a_run_alone_begins_and_waits_for_workers_itself() -> None:
    assert may_begin(wish(), (), ())


def test_beside_others_a_run_begins_when_the_idle_workers_carry_it() -> None:
    first, second = wish("r1", "a:80"), wish("r2", "b:80", rate_per_s=90.0)
    busy = fleet(("w1", "h", 100.0), run="r1")
    idle = fleet(("w2", "h", 100.0), ("w3", "h", 100.0))
    assert may_begin(second, (first,), (*busy, *idle))
    assert not may_begin(second, (first,), (*busy, *idle[:1]))


def test_the_workers_a_resumed_run_holds_are_idle_for_it() -> None:
    first, second = wish("r1", "a:80"), wish("r2", "b:80", rate_per_s=40.0)
    busy, mine = fleet(("w1", "h", 100.0), run="r1"), fleet(("w2", "h", 100.0), run="r2")
    assert may_begin(second, (first,), (*busy, *mine))


def test_nobody_is_taken_from_a_run_that_has_begun_and_has_no_worker_yet() -> None:
    first, second = wish("r1", "a:80"), wish("r2", "b:80", rate_per_s=40.0)
    assert not may_begin(second, (first,), fleet(("w1", "h", 100.0)))
