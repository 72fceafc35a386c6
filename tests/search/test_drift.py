"""Is a drift told from noise that remembers itself?"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from controller.search.drift import is_step, shift, trend

Floats = NDArray[np.float64]
SPREAD = 0.05


def noise(size: int, memory: float, seed: int) -> Floats:
    """An autoregressive series of order one; `memory` is the correlation of neighbours."""
    rng = np.random.default_rng(seed)
    series = np.zeros(size + 50)
    for at in range(1, size + 50):
        series[at] = memory * series[at - 1] + rng.normal() * SPREAD * np.sqrt(1 - memory**2)
    tail: Floats = series[50:]
    return tail


def hours(size: int) -> Floats:
    times: Floats = np.arange(size) / 60
    return times


@pytest.mark.parametrize("memory", [0.0, 0.5])
@pytest.mark.parametrize("size", [12, 60, 240])
def test_noise_is_seldom_a_trend(size: int, memory: float) -> None:
    found = [trend(hours(size), noise(size, memory, seed)) for seed in range(200)]
    assert sum(line is not None and line.significant for line in found) <= 4


@pytest.mark.parametrize("memory", [0.0, 0.5])
@pytest.mark.parametrize("size", [60, 240])
def test_noise_is_seldom_a_shift(size: int, memory: float) -> None:
    assert sum(shift(noise(size, memory, seed)) is not None for seed in range(200)) <= 6


def test_a_drift_of_eight_spreads_is_found_and_measured() -> None:
    grown = [0.1 * hours(240) + noise(240, 0.3, seed) for seed in range(50)]
    found = [trend(hours(240), series) for series in grown]
    assert all(line is not None and line.significant for line in found)
    covered = sum(line is not None and line.low <= 0.1 <= line.high for line in found)
    assert covered >= 48


def test_a_shift_is_found_where_it_happened() -> None:
    for seed in range(50):
        series = noise(240, 0.3, seed) + 0.2 * (np.arange(240) >= 150)
        step = shift(series)
        assert step is not None
        assert abs(step.index - 150) <= 8
        assert step.after - step.before == pytest.approx(0.2, abs=0.05)
        assert is_step(series, step)


def test_a_steady_rise_is_no_step() -> None:
    series = 0.1 * hours(240) + noise(240, 0.3, 1)
    step = shift(series)
    assert step is None or not is_step(series, step)


def test_a_few_wild_windows_make_neither_a_trend_nor_a_shift() -> None:
    series = noise(240, 0.0, 3)
    series[[5, 77, 200, 230]] += 5.0
    line = trend(hours(240), series)
    assert line is not None
    assert not line.significant
    assert shift(series) is None


def test_too_few_windows_tell_nothing() -> None:
    assert trend(hours(9), np.arange(9.0)) is None
    assert shift(np.arange(30.0)) is None


def test_a_series_that_never_changes_has_no_trend() -> None:
    line = trend(hours(60), np.zeros(60))
    assert line is not None
    assert (line.per_h, line.significant) == (0.0, False)
    assert shift(np.zeros(60)) is None
