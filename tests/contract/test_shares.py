"""Does each arrival have exactly one owner, whatever the fleet, and is what is owed the count of them?"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.arrivals import CHUNK, Law, Schedule
from contract.shares import WEIGHTS, Hashed, Shares, SharesError, Stride, shares_for, shares_of
from contract.units import Rate, Seconds

SCHEDULE = Schedule(Law("poisson"), 1, 3, Rate(100.0), Seconds(200.0))
WEIGHTED = st.lists(st.integers(1, WEIGHTS), min_size=1, max_size=40).map(tuple)


def hashed(weights: tuple[int, ...], seed: int = 1, probe: int = 3) -> Hashed:
    return Hashed(weights, (seed, probe))


def assert_exact(shares: Shares) -> None:
    """The shares together are the whole, index by index, at the whole's due times."""
    whole = SCHEDULE.times()
    owned = np.full(len(whole), -1)
    for position in range(shares.count):
        for first, due_ns in SCHEDULE.chunks():
            indices, own_ns = shares.own(position, first, due_ns)
            assert (owned[indices] == -1).all()
            owned[indices] = own_ns
    assert len(whole) > 2 * CHUNK
    assert np.array_equal(owned, whole)


@pytest.mark.parametrize("count", [1, 2, 7, 333])
def test_strides_are_the_whole_index_by_index(count: int) -> None:
    assert_exact(Stride(count))


@settings(max_examples=25, deadline=None)
@given(WEIGHTED, st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_shares_by_weight_are_the_whole_index_by_index(
    weights: tuple[int, ...], seed: int, probe: int
) -> None:
    assert_exact(hashed(weights, seed, probe))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 2000), st.integers(0, 2**32))
def test_up_to_2000_workers_of_any_weight_own_each_index_once(count: int, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(1, WEIGHTS + 1, count)
    shares = hashed(tuple(weights.tolist()), seed)
    due_ns = np.arange(CHUNK, dtype=np.int64)
    owned = np.concatenate([shares.own(p, 5 * CHUNK, due_ns)[0] for p in range(count)])
    assert np.array_equal(np.sort(owned), np.arange(5 * CHUNK, 6 * CHUNK))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.floats(1.0, 1e5), min_size=1, max_size=30), min_size=2, max_size=5))
def test_fleets_that_change_from_probe_to_probe_own_each_index_once_in_each(
    fleets: list[list[float]],
) -> None:
    due_ns = np.arange(CHUNK, dtype=np.int64)
    for probe, rates in enumerate(fleets):
        shares = shares_of(shares_for(rates), len(rates), (1, probe))
        owned = np.concatenate([shares.own(p, CHUNK, due_ns)[0] for p in range(len(rates))])
        assert np.array_equal(np.sort(owned), np.arange(CHUNK, 2 * CHUNK))
        assert sum(shares.owed(p, 2 * CHUNK) for p in range(len(rates))) == 2 * CHUNK


def test_the_share_of_a_worker_is_that_of_the_schedule() -> None:
    shares = hashed((4096, 1000, 3000))
    for position in range(3):
        parts = list(SCHEDULE.share(position, shares))
        indices = np.concatenate([part for part, _ in parts])
        assert np.array_equal(np.concatenate([due for _, due in parts]), SCHEDULE.times()[indices])
        assert (np.diff(indices) > 0).all()


@given(st.integers(1, 50), st.integers(0, 500))
def test_what_a_stride_owes_is_its_number_of_indices(count: int, below: int) -> None:
    for position in range(count):
        assert Stride(count).owed(position, below) == len(range(position, below, count))


@settings(max_examples=40, deadline=None)
@given(WEIGHTED, st.integers(0, 3 * CHUNK))
def test_what_a_share_by_weight_owes_is_its_number_of_indices(
    weights: tuple[int, ...], below: int
) -> None:
    shares = hashed(weights)
    plain = np.bincount(shares.owners(0, below), minlength=len(weights))
    assert [shares.owed(position, below) for position in range(len(weights))] == plain.tolist()


@settings(max_examples=20, deadline=None)
@given(WEIGHTED, st.lists(st.lists(st.integers(0, CHUNK), min_size=1), min_size=1, max_size=8))
def test_counting_on_from_report_to_report_finds_the_same(
    weights: tuple[int, ...], steps: list[list[int]]
) -> None:
    shares = hashed(weights)
    owes, reached = shares.counter(), [0] * len(weights)
    for step in steps:
        for position in range(len(weights)):
            reached[position] += step[position % len(step)]
            assert owes(position, reached[position]) == shares.owed(position, reached[position])


def test_counting_on_keeps_only_what_somebody_has_yet_to_pass() -> None:
    owes = hashed((4096, 2048)).counter()
    for below in range(0, 40 * CHUNK, CHUNK // 2):
        assert owes(0, below) + owes(1, below) == below
    assert len(owes.__self__._spans) <= 2  # type: ignore[attr-defined]


def test_an_index_far_beyond_any_probe_is_not_counted_to() -> None:
    owes = hashed((4096, 2048)).counter()
    assert owes(0, 2**60) < 2**22


def test_shares_follow_the_weights() -> None:
    weights = (4096, 2048, 1024)
    counts = np.bincount(hashed(weights).owners(0, 700_000))
    assert counts == pytest.approx([400_000, 200_000, 100_000], rel=0.01)
    assert [hashed(weights).relative(p) * 700_000 / 3 for p in range(3)] == pytest.approx(
        [400_000, 200_000, 100_000]
    )


@pytest.mark.parametrize(("seed", "probe"), [(1, 4), (2, 3)])
def test_another_probe_has_other_owners(seed: int, probe: int) -> None:
    here = hashed((1, 1)).owners(0, 1000)
    there = hashed((1, 1), seed, probe).owners(0, 1000)
    assert 400 < int((here != there).sum()) < 600


def test_owners_are_the_same_in_every_release() -> None:
    shares = hashed((4096, 2048, 1024), seed=2026, probe=7)
    assert shares.owners(0, 16).tolist() == [2, 1, 2, 1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 0, 1]
    assert shares.owners(2**40, 4).tolist() == [2, 0, 0, 0]


@pytest.mark.parametrize(
    ("rates", "weights"),
    [
        ([3000.0], ()),
        ([3000.0, 2800.0, 3250.0], ()),
        ([0.0, 0.0], ()),
        ([3000.0, 0.0, 3100.0], ()),
        ([4000.0, 2000.0], (4096, 2048)),
        ([4000.0, 4000.0, 3000.0], (4096, 4096, 3072)),
        ([4000.0, 0.0, 2000.0], (4096, 3072, 2048)),
        ([1e9, 1.0], (4096, 1)),
        ([4000.0, float("inf"), 2000.0], (4096, 3072, 2048)),
    ],
)
def test_workers_that_are_alike_get_equal_shares_and_others_by_their_rate(
    rates: list[float], weights: tuple[int, ...]
) -> None:
    assert shares_for(rates) == weights


@pytest.mark.parametrize(("position", "count"), [(0, 0), (-1, 2), (2, 2)])
def test_a_position_outside_the_fleet_is_refused_at_once(position: int, count: int) -> None:
    with pytest.raises(SharesError, match=f"position {position} of count {count}"):
        SCHEDULE.share(position, Stride(count))


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ((1, 2, 3), "3 weights for 2 workers"),
        ((0, 1), "weight 0 of worker 0 must be from 1 to 4096"),
        ((1, 4097), "weight 4097 of worker 1"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: tuple[int, ...], says: Any) -> None:
    with pytest.raises(SharesError, match=says):
        shares_of(weights, 2, (1, 3))
