"""Is a series called steady when it is, how it is, and no sooner?

The series are drawn, not simulated: a mean, a shape, white noise of a window's answers, and slow
fluctuations of the speed (Ornstein-Uhlenbeck, 20 s) where a claim is about those.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from controller.search.changepoint import changes, neighbour_spread
from controller.search.cycle import period_of
from controller.search.mser import truncation
from controller.search.settling import Settled, Signals, described, settled

Floats = NDArray[np.float64]

CAP = 150
SPREAD = 0.02
T = np.arange(CAP) + 0.5


def signals_of(levels: Floats) -> Signals:
    return Signals(levels, np.full(len(levels), 80.0), levels + 0.5, np.ones(len(levels)))


def watched(levels: Floats) -> tuple[Settled, int]:
    """Look once a second from 12 s on: how it settled, and when."""
    for seconds in range(12, len(levels) + 1):
        found = settled(signals_of(levels[:seconds]), 1.0, last=seconds == len(levels))
        if found is not None:
            return found, seconds
    raise AssertionError("the last look says something")


def fluctuations(rng: np.random.Generator, spread: float, tau_s: float = 20.0) -> Floats:
    kept = np.exp(-1 / tau_s)
    x = np.empty(CAP)
    x[0] = spread * rng.normal()
    for place in range(1, CAP):
        x[place] = kept * x[place - 1] + spread * np.sqrt(1 - kept**2) * rng.normal()
    return x


def many(shape: Floats, count: int, *, fluctuating: float = 0.0) -> list[tuple[Settled, int]]:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(count):
        levels = -3.0 + shape + SPREAD * rng.normal(size=CAP)
        if fluctuating:
            levels = levels + fluctuations(rng, fluctuating)
        found.append(watched(levels))
    return found


def test_a_warm_target_is_flat_and_soon_steady() -> None:
    found = many(np.zeros(CAP), 60)
    assert {f.kind for f, _ in found} == {"flat"}
    assert np.median([seconds for _, seconds in found]) <= 20


def test_fluctuations_of_the_speed_are_no_lack_of_steadiness() -> None:
    """3 % of speed is some 4.5 % of service time at half load."""
    found = many(np.zeros(CAP), 25, fluctuating=0.045)
    assert sum(not f.steady for f, _ in found) <= 2
    assert np.median([seconds for _, seconds in found]) <= 40


@pytest.mark.parametrize("tau_s", [10.0, 40.0])
def test_a_target_that_warms_is_not_taken_for_warm(tau_s: float) -> None:
    shape = np.log1p(0.5 * np.exp(-T / tau_s))
    found = many(shape, 10)
    premature = [f.steady and shape[seconds - 1] > 0.05 for f, seconds in found]
    assert np.mean(premature) <= 0.2
    assert sum(f.steady for f, _ in found) >= 8


def test_one_that_would_warm_for_longer_than_is_allowed_is_not_steady() -> None:
    """After 150 s it is still 14 % off."""
    found = many(np.log1p(0.5 * np.exp(-T / 120)), 8)
    assert sum(f.steady for f, _ in found) <= 4
    assert {f.kind for f, _ in found if not f.steady} == {"not_steady"}


def test_a_step_is_waited_for_and_found() -> None:
    found = many(np.where(T < 30, np.log(4.0), 0.0), 30)
    late = [(f, seconds) for f, seconds in found if seconds > 30]
    for f, _ in late:
        assert (f.kind, f.since) == ("warm_up", 30)
        assert f.initial == pytest.approx(np.log(4.0), abs=0.1)


@pytest.mark.parametrize(
    ("claim", "shape"),
    [("a leak", T / 200), ("heat", np.where(T < 70, 0.0, 0.3)), ("heat soon", 0.4 * (T > 15))],
)
def test_what_gets_slower_is_held_to_the_end_and_called_so(claim: str, shape: Floats) -> None:
    """What has not begun by the time that the warm-up ends is for the sentinel."""
    found = [(f, seconds) for f, seconds in many(shape, 6) if seconds > 70]
    for f, seconds in found:
        assert (f.kind, f.steady, seconds) == ("slowdown", False, CAP), claim
    if claim != "heat":
        assert len(found) >= 5


def test_a_short_cycle_is_steady_with_its_period_a_long_one_is_not() -> None:
    for f, _ in many(0.25 * np.sin(2 * np.pi * T / 12), 8):
        assert (f.kind, f.steady) == ("cyclic", True)
        assert f.period == pytest.approx(12.0, abs=0.7)
    for f, _ in many(0.5 * np.sin(2 * np.pi * T / 36), 8):
        assert not (f.kind == "cyclic" and f.steady)


def test_noise_has_no_period() -> None:
    rng = np.random.default_rng(2)
    found = [period_of(0.2 * rng.normal(size=size)) for size in range(36, 150, 2) for _ in range(5)]
    assert sum(period is not None for period in found) <= 2


@given(
    shift=st.floats(-8.0, 3.0),
    seed=st.integers(0, 10_000),
    height=st.floats(0.0, 1.5),
    seconds=st.integers(12, 80),
)
def test_the_unit_of_time_does_not_matter(
    shift: float, seed: int, height: float, seconds: int
) -> None:
    """Multiplying all service times by a constant shifts the levels."""
    rng = np.random.default_rng(seed)
    levels = height * np.exp(-T[:seconds] / 15) + SPREAD * rng.normal(size=seconds)
    here = settled(signals_of(levels), 1.0, last=True)
    there = settled(signals_of(levels + shift), 1.0, last=True)
    assert here is not None
    assert there is not None
    assert (here.kind, here.since) == (there.kind, there.since)
    assert here.initial == pytest.approx(there.initial, abs=1e-6)


@given(level=st.floats(-10.0, 5.0), seconds=st.integers(12, CAP))
def test_what_never_changes_is_flat(level: float, seconds: int) -> None:
    found = settled(signals_of(np.full(seconds, level)), 1.0, last=False)
    assert found is not None
    assert (found.kind, found.since) == ("flat", 0)
    assert found.initial == pytest.approx(0.0, abs=1e-9)


def test_too_few_windows_are_not_steady() -> None:
    for size in (0, 1, 7):
        assert settled(signals_of(np.zeros(size)), 20.0, last=False) is None
        found = settled(signals_of(np.zeros(size)), 20.0, last=True)
        assert found is not None
        assert not found.steady


def test_mser_cuts_a_transient_off_and_little_of_noise() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=100)
    cold = noise + np.where(np.arange(100) < 35, 8.0, 0.0)
    assert truncation(cold) == 35
    assert truncation(np.full(40, 2.0)) == 0
    cut = [truncation(rng.normal(size=100)) for _ in range(200)]
    assert np.mean(np.array(cut) > 50) <= 0.15


def test_mser_is_its_definition() -> None:
    series = np.random.default_rng(8).normal(size=60).cumsum()
    means = series.reshape(12, 5).mean(axis=1)
    errors = [((means[d:] - means[d:].mean()) ** 2).sum() / (12 - d) ** 2 for d in range(8)]
    assert truncation(series) == 5 * int(np.argmin(errors))


def test_the_segments_are_those_of_an_exhaustive_search() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        levels = np.repeat(rng.normal(0, 0.1, 3), 6) + 0.03 * rng.normal(size=18)
        spread = neighbour_spread(levels)
        price = 4.0 * np.log(18) * spread**2

        def cost(cuts: tuple[int, ...], levels: Floats = levels, price: float = price) -> float:
            parts = np.split(levels, cuts)
            return float(sum(((p - p.mean()) ** 2).sum() for p in parts) + price * len(cuts))

        pairs = [(a, b) for a in range(4, 11) for b in range(a + 4, 15)]
        every: list[tuple[int, ...]] = [(), *((a,) for a in range(4, 15)), *pairs]
        every += [(a, b, c) for a, b in pairs for c in range(b + 4, 15)]
        assert cost(changes(levels, spread)) == pytest.approx(min(map(cost, every)))


def test_a_decay_is_told_from_a_step() -> None:
    rng = np.random.default_rng(9)
    decay = 0.6 * np.exp(-T[:80] / 30) + SPREAD * rng.normal(size=80)
    step = np.where(T[:80] < 30, 0.6, 0.0) + SPREAD * rng.normal(size=80)
    assert described(decay).shape == "decay"
    assert described(decay).remaining == pytest.approx(0.6 * np.exp(-80 / 30), rel=0.4)
    assert (described(step).shape, described(step).since) == ("steps", 30)
