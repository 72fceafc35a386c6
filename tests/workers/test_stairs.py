"""Which rate is tried next, and which is the highest that was sent on time?"""

from __future__ import annotations

import pytest

from workers.selftest.stairs import BISECTIONS, Stairs, expected_per_s, first


def climb(stairs: Stairs, can_per_s: float) -> tuple[Stairs, list[float]]:
    """The stairs of a worker that holds what is not above `can_per_s`."""
    tried = []
    while stairs.next_per_s is not None:
        tried.append(stairs.next_per_s)
        stairs = stairs.told(held=stairs.next_per_s <= can_per_s)
    return stairs, tried


def test_rates_rise_by_half_and_then_the_gap_is_halved_three_times() -> None:
    stairs, tried = climb(Stairs(1_000.0), 4_000.0)
    assert tried[:5] == [1_000.0, 1_500.0, 2_250.0, 3_375.0, 5_062.5]
    assert len(tried) == 5 + BISECTIONS
    assert 3_375.0 < stairs.held_per_s <= 4_000.0 < stairs.missed_per_s


@pytest.mark.parametrize("can_per_s", [37.0, 900.0, 1_000.0, 8_123.0, 60_000.0])
def test_what_is_found_is_at_most_a_twentieth_below_what_can_be_sent(can_per_s: float) -> None:
    stairs, tried = climb(Stairs(1_000.0), can_per_s)
    assert can_per_s / 1.055 <= stairs.held_per_s <= can_per_s
    assert len(tried) < 25


def test_a_first_rate_that_is_too_high_is_no_end() -> None:
    stairs, tried = climb(Stairs(1_000.0), 500.0)
    assert tried[:3] == [1_000.0, pytest.approx(666.7, abs=0.1), pytest.approx(444.4, abs=0.1)]
    assert 444.0 < stairs.held_per_s <= 500.0


def test_nothing_is_tried_after_the_end() -> None:
    ended, _ = climb(Stairs(1_000.0), 4_000.0)
    assert ended.told(held=True) is ended


def test_the_first_rate_leaves_room_below_what_the_cpu_carries() -> None:
    assert first(50e-6).next_per_s == pytest.approx(6_000.0)


def test_a_client_that_costs_less_is_expected_to_send_more_than_in_proportion() -> None:
    cheap, dear = expected_per_s(20e-6), expected_per_s(500e-6)
    assert cheap / dear > 25.0
    assert 0.0 < dear < 0.5 / 500e-6
    assert cheap < 0.5 / 20e-6
