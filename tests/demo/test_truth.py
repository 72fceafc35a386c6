"""Does the simulated capacity agree with queueing theory, and with the server's own batches?"""

import math

import numpy as np
import pytest

from deploy.demo.batching import Batcher, Stalls, Timing
from deploy.demo.truth import Durations, _Draw, capacity, measured, nominal, response_times

SERVICE_S = 0.010
SINGLE = nominal(SERVICE_S, 0.0, 1)
BATCHING = nominal(0.020, 0.0025, 16)


def waits_at_most(t_s: float, rate: float) -> float:
    """P(wait <= t) in M/D/1 (Crommelin 1932)."""
    terms = (
        (rate * (k * SERVICE_S - t_s)) ** k
        / math.factorial(k)
        * math.exp(-rate * (k * SERVICE_S - t_s))
        for k in range(int(t_s / SERVICE_S + 1e-9) + 1)
    )
    return (1 - rate * SERVICE_S) * sum(terms)


def test_the_mean_response_of_a_single_server_is_pollaczek_and_khinchins() -> None:
    rate = 70.0
    load = rate * SERVICE_S
    expected_s = SERVICE_S + load * SERVICE_S / (2 * (1 - load))
    mean_s = float(response_times(SINGLE, rate, count=400_000).mean())
    assert mean_s == pytest.approx(expected_s, rel=0.02)


def test_the_tail_of_a_single_server_is_crommelins() -> None:
    times_s = response_times(SINGLE, 60.0, count=400_000)
    for limit_s in (0.015, 0.03, 0.055):
        expected = 1 - waits_at_most(limit_s - SERVICE_S, 60.0)
        assert float((times_s > limit_s).mean()) == pytest.approx(expected, rel=0.08)


def test_the_capacity_of_a_single_server_is_where_crommelins_tail_meets_the_budget() -> None:
    found = capacity(SINGLE, 0.050, 0.01, max_batch=1, count=300_000)
    assert 1 - waits_at_most(0.040, found) == pytest.approx(0.01, rel=0.1)


def test_arrivals_in_step_fill_a_single_server_to_its_rate() -> None:
    found = capacity(SINGLE, SERVICE_S, 0.01, max_batch=1, arrivals="constant", count=20_000)
    assert found == pytest.approx(1 / SERVICE_S, rel=1e-3)


def test_the_batching_server_of_the_documentation_carries_about_235_per_second() -> None:
    found = capacity(BATCHING, 0.150, 0.01, max_batch=16, count=400_000)
    assert found == pytest.approx(235.5, rel=0.015)


def test_a_seed_repeats_its_answer_and_seeds_agree() -> None:
    first, again, other = (
        capacity(BATCHING, 0.150, 0.01, max_batch=16, seed=seed, count=200_000)
        for seed in (0, 0, 5)
    )
    assert first == again
    assert first != other
    assert other == pytest.approx(first, rel=0.03)


def test_simulation_and_server_batch_the_same_arrivals_the_same_way() -> None:
    stalls = Stalls(2.0, 0.1)
    arrived = np.cumsum(np.random.default_rng(3).exponential(1 / 200.0, 3_000))
    batcher: Batcher[int] = Batcher(Timing(0.020, 0.0025, 16, stalls=stalls))
    ends = np.zeros(len(arrived))
    wake_s: float | None = None
    for key, at_s in [*enumerate(arrived.tolist()), (-1, math.inf)]:
        while wake_s is not None and wake_s <= at_s:
            now_s = wake_s
            turn = batcher.turn(now_s)
            if turn.finished is not None:
                ends[list(turn.finished.keys)] = now_s
            wake_s = turn.wake_s
        if key >= 0:
            batcher.offer(key, at_s)
            if wake_s is None:
                wake_s = batcher.turn(at_s).wake_s
    work = tuple(seen.tolist() for seen in BATCHING.by_size)
    draw = _Draw(arrived, work, np.zeros(len(arrived)))
    assert ends - arrived == pytest.approx(draw.response_times(1.0, stalls, len(arrived)), abs=1e-9)


def test_stalls_leave_no_strict_capacity_where_they_alone_spend_the_budget() -> None:
    stalls = Stalls(25.0, 0.4)
    assert capacity(BATCHING, 0.150, 0.01, max_batch=16, stalls=stalls, count=100_000) == 0.0


def test_stalls_lower_the_capacity_where_the_budget_can_bear_them() -> None:
    calm = capacity(BATCHING, 0.150, 0.05, max_batch=16, count=100_000)
    stalled = capacity(BATCHING, 0.150, 0.05, max_batch=16, stalls=Stalls(25.0, 0.4), count=100_000)
    assert 0.5 * calm < stalled < 0.95 * calm


def test_an_objective_shorter_than_one_batch_has_no_capacity() -> None:
    assert capacity(BATCHING, 0.020, 0.01, max_batch=16, count=20_000) == 0.0


def test_exact_measurements_give_the_nominal_capacity() -> None:
    seen = {n: [0.020 + 0.0025 * n] * 40 for n in (3, 7, 16)}
    real = measured(seen, [0.0], max_batch=16, per_item_s=0.0025)
    for size, times_s in enumerate(real.by_size, start=1):
        assert times_s == pytest.approx(np.full(len(times_s), 0.020 + 0.0025 * size))
    found, expected = (
        capacity(each, 0.150, 0.01, max_batch=16, count=100_000) for each in (real, BATCHING)
    )
    assert found == pytest.approx(expected, rel=0.01)


def test_slower_batches_and_late_delivery_lower_the_measured_capacity() -> None:
    slow = {n: [1.1 * (0.020 + 0.0025 * n)] * 40 for n in range(1, 17)}
    on_time = {n: [0.020 + 0.0025 * n] * 40 for n in range(1, 17)}
    nominal_rate, slower, later = (
        capacity(
            measured(seen, [delivery_s], max_batch=16, per_item_s=0.0025),
            0.150,
            0.01,
            max_batch=16,
            count=100_000,
        )
        for seen, delivery_s in ((on_time, 0.0), (slow, 0.0), (on_time, 0.020))
    )
    assert slower < 0.93 * nominal_rate
    assert later < 0.98 * nominal_rate


def test_one_size_seen_is_extended_by_the_nominal_slope() -> None:
    real = measured({4: [0.031] * 50}, [], max_batch=6, per_item_s=0.0025)
    assert real.by_size[5].mean() == pytest.approx(0.036)
    assert real.by_size[3].mean() == pytest.approx(0.031)


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="send the server some load"):
        measured({}, [], max_batch=4, per_item_s=0.001)


def test_durations_that_do_not_fit_the_batch_size_are_refused() -> None:
    with pytest.raises(ValueError, match="max_batch 8"):
        capacity(BATCHING, 0.150, 0.01, max_batch=8)
    with pytest.raises(ValueError, match="at least one duration"):
        Durations((), np.zeros(1))
