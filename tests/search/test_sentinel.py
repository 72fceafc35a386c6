"""Is a target that became another one noticed, and one that only fluctuates left alone?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contract.units import Rate, Seconds
from controller.search.answer import Capacity
from controller.search.capacity import IDLE_S, Search, cost_s, observe, propose, start
from controller.search.probe import Evidence, Outcome, Probe, Verdict
from controller.search.sentinel import Purse, Sentinel, asked, counted, observed, referred
from tests.helpers.builders import a_goal, a_probe, an_outcome

Floats = NDArray[np.float64]

SPREAD = 0.03
RATE = Rate(80.0)
PURSE = Purse(Seconds(300.0), Seconds(300.0), Seconds(6.0))


def levels_of(values: Floats | list[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def warmed(levels: Floats, *, steady: bool = True) -> Sentinel:
    probe = replace(a_probe(rate=RATE), purpose="warm_up")
    return referred(Sentinel(), an_outcome(probe=probe, steady=steady, levels=levels_of(levels)))


def looked(sentinel: Sentinel, levels: Floats, verdict: Verdict = Verdict.PASS) -> Sentinel:
    probe = replace(a_probe(7, rate=RATE), purpose="sentinel")
    return observed(sentinel, an_outcome(probe=probe, verdict=verdict, levels=levels_of(levels)))


def speeds(rng: np.random.Generator, seconds: int, spread: float) -> Floats:
    """Ornstein-Uhlenbeck, 20 s."""
    kept, x = math.exp(-1 / 20), np.empty(seconds)
    x[0] = spread * rng.normal()
    for place in range(1, seconds):
        x[place] = kept * x[place - 1] + spread * math.sqrt(1 - kept**2) * rng.normal()
    return x


def search_of(rng: np.random.Generator, shift: float, fluctuating: float) -> Sentinel:
    """A warm-up of 20 s and three looks of 13 s, 110 s apart, the shift after the warm-up."""
    levels = SPREAD * rng.normal(size=400) + speeds(rng, 400, fluctuating)
    sentinel = warmed(levels[:20])
    for at in (130, 240, 350):
        sentinel = looked(sentinel, levels[at : at + 13] + shift)
    return sentinel


def test_fluctuations_of_the_speed_are_no_drift() -> None:
    """3 % of speed is some 4.5 % of service time at half load."""
    rng = np.random.default_rng(5)
    drifted = [bool(search_of(rng, 0.0, 0.045).drifts) for _ in range(200)]
    assert np.mean(drifted) <= 0.05


@pytest.mark.parametrize("shift", [0.3, -0.3])
def test_a_target_that_became_another_one_is_noticed(shift: float) -> None:
    rng = np.random.default_rng(6)
    found = [search_of(rng, shift, 0.045).drifts for _ in range(40)]
    assert np.mean([bool(drifts) for drifts in found]) >= 0.95
    ratios = [drifts[0].ratio for drifts in found if drifts]
    assert np.median(ratios) == pytest.approx(math.exp(shift), rel=0.05)
    side = "slower" if shift > 0 else "faster"
    assert all(side in drifts[0].reason for drifts in found if drifts)


@given(shift=st.floats(-6.0, 3.0), seed=st.integers(0, 1_000), by=st.floats(-0.5, 0.5))
def test_the_unit_of_time_does_not_matter(shift: float, seed: int, by: float) -> None:
    rng = np.random.default_rng(seed)
    before, after = SPREAD * rng.normal(size=20), by + SPREAD * rng.normal(size=13)
    here = looked(warmed(before), after)
    there = looked(warmed(before + shift), after + shift)
    assert len(here.drifts) == len(there.drifts)
    assert here.up == pytest.approx(there.up, abs=1e-6)


def test_a_look_that_fails_without_answers_is_a_drift() -> None:
    sentinel = looked(warmed(np.zeros(20)), np.zeros(0), Verdict.FAIL)
    assert [drift.ratio for drift in sentinel.drifts] == [math.inf]


def test_a_look_is_due_after_so_much_measuring_and_only_when_it_can_be_paid() -> None:
    sentinel = warmed(np.zeros(20))
    assert asked(sentinel, PURSE) is None
    due = counted(
        sentinel, an_outcome(evidence=Evidence(RATE, (1,), (0,), (1.0,), measured_s=Seconds(155.0)))
    )
    ask = asked(due, PURSE)
    assert ask is not None
    assert (ask.purpose, ask.rate, ask.measure_s) == ("sentinel", RATE, 13.75)
    for claim, purse in (
        ("more than a tenth", replace(PURSE, elapsed_s=Seconds(150.0))),
        ("beyond the budget", replace(PURSE, remaining_s=Seconds(30.0))),
    ):
        assert asked(due, purse) is None, claim
    assert asked(replace(due, rate=Rate(10.0)), PURSE) is None  # a thousand would take 100 s
    assert asked(looked(due, np.zeros(13)), PURSE) is None
    unsteady = warmed(np.zeros(20), steady=False)
    assert asked(replace(unsteady, unwatched_s=Seconds(95.0)), PURSE) is None


def quick(
    sentinel: Sentinel, seconds: float | None, rate: float = 100.0, **changes: Any
) -> Sentinel:
    """A probe that measured for 10 s with this quick end of its service time."""
    evidence = Evidence(
        Rate(rate),
        (1_000,),
        (0,),
        (1.0,),
        measured_s=Seconds(10.0),
        quick_s=None if seconds is None else Seconds(seconds),
    )
    outcome = an_outcome(probe=a_probe(rate=rate), evidence=replace(evidence, **changes))
    return counted(sentinel, outcome)


WARM = replace(warmed(np.zeros(20)), quick_s=Seconds(0.020))
EARLY = replace(PURSE, elapsed_s=Seconds(60.0))
"""A look would take more than a tenth of what was spent."""


def test_a_probe_answered_quicker_than_the_warm_up_asks_for_a_look_at_once() -> None:
    ask = asked(quick(WARM, 0.015), EARLY)
    assert ask is not None
    assert (ask.purpose, ask.rate, ask.measure_s) == ("sentinel", RATE, 13.75)
    assert ask.why.startswith("probes are answered quicker than the warm-up was")
    assert asked(quick(WARM, 0.015), replace(EARLY, remaining_s=Seconds(30.0))) is None


@pytest.mark.parametrize(
    ("claim", "after"),
    [
        ("slower", quick(WARM, 0.040)),
        ("hardly quicker", quick(WARM, 0.017)),
        ("at less than the warm-up's rate", quick(WARM, 0.010, rate=60.0)),
        ("cut off early", quick(WARM, 0.010, censored=True)),
        ("a few arrivals", quick(WARM, 0.010, judged=(99,))),
        ("nothing answered", quick(WARM, None)),
        ("no steady warm-up", quick(warmed(np.zeros(20), steady=False), 0.010)),
    ],
)
def test_there_is_no_doubt(claim: str, after: Sentinel) -> None:
    assert after.doubt_s is None, claim
    assert asked(after, EARLY) is None, claim


def test_doubt_stays_until_a_look_can_be_paid() -> None:
    after = quick(quick(WARM, 0.015), 0.030, rate=150.0)
    assert asked(after, replace(EARLY, remaining_s=Seconds(30.0))) is None
    assert asked(after, EARLY) is not None


def test_a_look_that_finds_no_drift_settles_the_doubt_until_it_is_so_much_quicker_again() -> None:
    """A target that is quicker at higher rates costs one look only."""
    settled = looked(quick(WARM, 0.015), np.zeros(13))
    assert settled.drifts == ()
    assert asked(settled, EARLY) is None
    assert asked(quick(settled, 0.0121), EARLY) is None
    assert asked(quick(settled, 0.0119), EARLY) is not None


def test_a_look_that_finds_half_the_service_time_is_a_drift_by_itself() -> None:
    after = looked(quick(WARM, 0.010), np.full(13, math.log(0.5)))
    assert [drift.ratio for drift in after.drifts] == [pytest.approx(0.5)]
    assert "50 % faster" in after.drifts[0].reason


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (0.5, "50 % faster"),
        (1.082, "8.2 % slower"),
        (1.42, "42 % slower"),
        (2.2, "120 % slower"),
        (14.0, "1,300 % slower"),
    ],
)
def test_a_drift_is_told_as_a_percentage_without_an_exponent(times: float, said: str) -> None:
    watched = replace(WARM, up=10.0, down=10.0)
    after = looked(watched, np.full(13, math.log(times)))
    assert f"it was {said} than after the warm-up" in after.drifts[0].reason


def test_a_warm_up_sets_what_is_quick_and_ends_all_doubt() -> None:
    evidence = Evidence(RATE, (1_000,), (0,), (1.0,), quick_s=Seconds(0.012))
    probe = replace(a_probe(rate=RATE), purpose="warm_up")
    outcome = an_outcome(probe=probe, steady=True, levels=levels_of(np.zeros(20)))
    again = referred(quick(WARM, 0.015), replace(outcome, evidence=evidence))
    assert (again.quick_s, again.doubt_s) == (0.012, None)


def answers(probe: Probe, slower: float, at_per_s: float = 230.0) -> Outcome:
    """A target that is perfect up to a rate; its service time is `slower` in ln(seconds)."""
    fails = probe.rate > at_per_s
    n = round(probe.rate * probe.measure_s)
    evidence = Evidence(
        probe.rate,
        (n,),
        (n // 2 if fails else 0,),
        (4.0,),
        censored=fails,
        measured_s=probe.measure_s,
    )
    watching = probe.purpose in ("warm_up", "sentinel")
    levels = levels_of(slower + 0.01 * np.sin(np.arange(20))) if watching else ()
    return Outcome(
        probe,
        Verdict.FAIL if fails else Verdict.PASS,
        "flat" if probe.purpose == "warm_up" else "end",
        "",
        evidence,
        steady=True,
        levels=levels,
        seconds=Seconds(probe.rest_s + probe.duration_s + 1.0),
    )


GOAL = a_goal(strategy="bayes", warm_up="auto", budget_s=Seconds(2400.0), precision=0.02)


def watched(search: Search, slower: float) -> tuple[Search, Outcome]:
    """On to the next sentinel, which finds the target so much slower."""
    while isinstance(probe := propose(search), Probe):
        outcome = answers(probe, slower if probe.purpose == "sentinel" else 0.0)
        search = observe(search, outcome)
        if probe.purpose == "sentinel":
            return search, outcome
    raise AssertionError("the search ended before a look was due")


def test_a_look_that_finds_nothing_moves_nothing() -> None:
    search, outcome = watched(start(GOAL), 0.0)
    assert outcome.probe.rate == search.sentinel.rate
    assert search.sentinel.drifts == ()
    assert len(search.seen) > 3
    assert search.opening.stage == "done"


def test_after_a_drift_the_evidence_is_discarded_and_the_target_warmed_again() -> None:
    search, outcome = watched(start(GOAL), 0.4)
    assert [drift.at_probe for drift in search.sentinel.drifts] == [outcome.probe.number]
    assert search.seen == ()
    assert search.strategy.standing() is None
    probe = propose(search)
    assert isinstance(probe, Probe)
    assert probe.purpose == "warm_up"


def test_a_target_that_drifts_again_and_again_gets_no_interval() -> None:
    search, _ = watched(start(replace(GOAL, precision=0.10)), 0.4)
    search, _ = watched(search, 0.4)
    assert len(search.sentinel.drifts) == 2
    while isinstance(probe := propose(search), Probe):
        search = observe(search, answers(probe, 0.0))
    assert isinstance(probe, Capacity)
    assert (probe.status, probe.low) == ("no_verdict", None)
    assert "became another one 2 times" in probe.reason
    assert probe.drifts == search.sentinel.drifts


def test_after_a_long_time_without_load_the_target_is_warmed_again() -> None:
    search = start(GOAL)
    while search.opening.stage != "done" or not search.seen:
        probe = propose(search)
        assert isinstance(probe, Probe)
        search = observe(search, answers(probe, 0.0))
    probe = propose(search)
    assert isinstance(probe, Probe)
    late = replace(answers(probe, 0.0), seconds=Seconds(cost_s(GOAL, probe) + IDLE_S + 1))
    after = observe(search, late)
    assert after.seen == search.seen
    again = propose(after)
    assert isinstance(again, Probe)
    assert again.purpose == "warm_up"
