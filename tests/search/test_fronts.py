"""Is a front cut when the target was another one in it, and only then?"""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from controller.search.capacity import observe, propose, start
from controller.search.fronts import front_cut_s
from controller.search.probe import Probe, Verdict
from controller.search.trial import Trial, begin, conclude, feed
from tests.helpers.builders import a_goal
from tests.search.streams import Flow, a_probe_of, a_trial, stream

Floats = NDArray[np.float64]

WINDOW_S = 0.25
MEASURED_S = 20.0


def levels_of(due: Floats, done: Floats) -> Floats:
    place = ((due - 2.0) / WINDOW_S).astype(int)
    kept = place >= 0
    count = np.bincount(place[kept])
    sums = np.bincount(place[kept], np.log(done - due)[kept])
    with np.errstate(invalid="ignore"):
        levels: Floats = sums / count
    return levels


def queued(rng: np.random.Generator, rate: float) -> Floats:
    """Four places of 17.4 ms, half as variable as exponential: 205/s keep p99 below 150 ms."""
    due = np.cumsum(rng.exponential(1 / rate, round(rate * (MEASURED_S + 2))))
    work = rng.gamma(4.0, 0.0174 / 4, len(due))
    free, done = [0.0] * 4, np.empty(len(due))
    for place, (at_s, takes_s) in enumerate(zip(due.tolist(), work.tolist(), strict=True)):
        done[place] = max(at_s, free[0]) + takes_s
        heapq.heapreplace(free, done[place])
    return levels_of(due, done)


def batched(rng: np.random.Generator, rate: float, slow_s: float = 0.0) -> Floats:
    """Batches of up to 16 in 20 ms + 2.5 ms each, three times as long at first: 235/s."""
    due = np.cumsum(rng.exponential(1 / rate, round(rate * (MEASURED_S + 2))))
    times, done = due.tolist(), np.empty(len(due))
    first, free_s = 0, 0.0
    while first < len(times):
        begun_s, last = max(times[first], free_s), first + 1
        while last < len(times) and last - first < 16 and times[last] <= begun_s:
            last += 1
        times_slower = 3 if slow_s and begun_s < 2.0 + slow_s else 1
        free_s = begun_s + times_slower * (0.020 + 0.0025 * (last - first))
        done[first:last] = free_s
        first = last
    return levels_of(due, done)


def test_a_busy_spell_near_the_capacity_is_no_front() -> None:
    rng = np.random.default_rng(17)
    cuts = [
        front_cut_s(queued(rng, rate), WINDOW_S) > 0 for rate in (165.0, 195.0) for _ in range(60)
    ]
    cuts += [
        front_cut_s(batched(rng, rate), WINDOW_S) > 0 for rate in (190.0, 230.0) for _ in range(60)
    ]
    assert sum(cuts) <= 4  # of 240; 1 % is 2.4


def test_a_front_that_is_three_times_slower_is_cut_to_where_its_backlog_is_gone() -> None:
    rng = np.random.default_rng(18)
    cuts = [front_cut_s(batched(rng, 140.0, slow_s=1.5), WINDOW_S) for _ in range(20)]
    assert np.mean(np.array(cuts) > 0) >= 0.9
    assert 1.5 <= np.median(cuts) <= 4.0


@given(shift=st.floats(-6.0, 3.0), seed=st.integers(0, 1_000), front=st.floats(0.0, 2.0))
def test_the_unit_of_time_does_not_matter(shift: float, seed: int, front: float) -> None:
    levels = 0.05 * np.random.default_rng(seed).normal(size=60)
    levels[:8] += front
    assert front_cut_s(levels, WINDOW_S) == front_cut_s(levels + shift, WINDOW_S)


@given(level=st.floats(-10.0, 3.0), size=st.integers(0, 200))
def test_what_never_changes_has_no_front(level: float, size: int) -> None:
    assert front_cut_s(np.full(size, level), WINDOW_S) == 0.0


def test_windows_without_an_answer_are_bridged_and_a_faster_front_is_a_queue_that_fills() -> None:
    levels = 0.03 * np.random.default_rng(4).normal(size=60)
    slow, fast = levels.copy(), levels.copy()
    slow[:8] += 1.0
    fast[:8] -= 1.0
    slow[[3, 20, 41]] = np.nan
    assert front_cut_s(slow, WINDOW_S) == pytest.approx(2.0)
    assert front_cut_s(fast, WINDOW_S) == 0.0
    assert front_cut_s(np.full(60, np.nan), WINDOW_S) == 0.0


def judged_to_the_end(trial: Trial, flow: Flow) -> Trial:
    for report in stream(trial.setting.goal, flow, 56):
        trial = feed(trial, report)
    return trial


def test_only_what_lies_behind_the_front_is_judged() -> None:
    """All of the 40 arrivals of each of 8 quarters are bad, out of 1,920."""
    goal = a_goal()
    probe = a_probe_of(160.0, 12.0)
    flow = Flow(
        40,
        bad=lambda q: 40 if 8 <= q < 16 else 0,
        time_s=lambda q: 0.4 if q < 16 else 0.05 * (1 + 0.02 * math.sin(q)),
    )
    outcome = conclude(judged_to_the_end(a_trial(goal, probe), flow))
    assert (outcome.verdict, outcome.front_cut_s, outcome.probe) == (Verdict.PASS, 2.0, probe)
    assert outcome.evidence is not None
    assert (outcome.evidence.judged, outcome.evidence.bad) == ((1600,), (0,))
    assert outcome.evidence.measured_s == 10.0


def test_a_probe_whose_front_was_cut_is_repeated_once() -> None:
    search = start(a_goal(strategy="bayes"))
    first = propose(search)
    assert isinstance(first, Probe)
    flow = Flow(round(first.rate / 4), time_s=lambda q: 0.4 if q < 12 else 0.05)
    for repeats in (1, 2):
        probe = propose(search)
        assert isinstance(probe, Probe)
        assert (probe.rate, probe.measure_s) == (first.rate, first.measure_s), repeats
        trial = begin(search, probe)
        for report in stream(search.goal, flow, round(4 * probe.duration_s)):
            trial = feed(trial, report)
        outcome = conclude(trial)
        assert outcome.front_cut_s > 0
        search = observe(search, outcome)
    after = propose(search)
    assert isinstance(after, Probe)
    assert after.rate > first.rate
