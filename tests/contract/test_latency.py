"""Are histograms exact where they say so, and within 0.5 % elsewhere?"""

import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contract.latency import BUCKETS, GAMMA, LONGEST_S, MAX_S, MIN_S, Histogram, HistogramError

repeatable = settings(deadline=None, derandomize=True, database=None)
times = st.lists(st.floats(0, 5000, allow_nan=False), max_size=30)


def lognormal(count: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).lognormal(-3, 1, count)


@repeatable
@given(st.floats(MIN_S, MAX_S))
def test_a_time_is_read_back_within_half_a_percent(value_s: float) -> None:
    histogram = Histogram.of([value_s, 0.0, LONGEST_S])
    assert histogram.quantile(0.5) == pytest.approx(value_s, rel=0.005)


@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_a_quantile_is_within_half_a_percent_of_the_nearest_rank(q: float) -> None:
    values_s = lognormal(20_000)
    exact_s = np.quantile(values_s, q, method="inverted_cdf")
    assert Histogram.of(values_s).quantile(q) == pytest.approx(exact_s, rel=0.005)


@repeatable
@given(times, times, times)
def test_merging_is_exact_in_any_order(a: list[float], b: list[float], c: list[float]) -> None:
    x, y, z = Histogram.of(a), Histogram.of(b), Histogram.of(c)
    whole = Histogram.of(a + b + c)
    assert (x + y) + z == x + (y + z) == z + y + x == whole
    assert Histogram.of(a) == x


def test_merging_leaves_the_other_as_it_was() -> None:
    total, part = Histogram(), Histogram.of([0.1])
    total.merge(part)
    total.merge(Histogram.of([0.2]))
    total.record_many([0.3])
    assert part == Histogram.of([0.1])
    assert total == Histogram.of([0.1, 0.2, 0.3])


def test_equal_counts_of_other_times_are_not_equal() -> None:
    assert Histogram.of([0.1000]) != Histogram.of([0.1001])
    assert Histogram.of([0.1]) != Histogram()
    assert Histogram() == Histogram()
    assert Histogram() != 0


def test_count_sum_and_ends_are_exact() -> None:
    histogram = Histogram.of([0.1, 0.2, 7200.0, 1e-6])
    assert (histogram.count, histogram.sum_ns) == (4, 7_200_300_001_000)
    assert histogram.sum_s == 7200.300001
    assert (histogram.min_s, histogram.max_s) == (1e-6, 7200.0)
    assert histogram.counts.sum() == 4


def test_a_sum_beyond_64_bits_is_exact() -> None:
    assert Histogram.of([LONGEST_S] * 100).sum_ns == 100 * 10**18


def test_times_outside_the_range_are_in_the_first_and_last_bucket() -> None:
    histogram = Histogram.of([0.0, 1e-7, 4000.0, 9000.0])
    assert (histogram.counts[0], histogram.counts[BUCKETS - 1]) == (2, 2)
    assert histogram.quantile(1.0) <= 9000.0


def test_an_empty_histogram_has_no_quantile_and_merges_as_nothing() -> None:
    empty = Histogram()
    assert (empty.count, empty.sum_s, empty.count_above(0.0)) == (0, 0.0, 0)
    assert all(math.isnan(x) for x in (empty.min_s, empty.max_s, empty.quantile(0.5)))
    assert all(math.isnan(x) for x in empty.quantile_bounds(0.5))
    assert empty + Histogram.of([1.0]) == Histogram.of([1.0])
    assert Histogram.of([]) == empty
    assert empty.counts.shape == (BUCKETS,)


@pytest.mark.parametrize("wrong", [math.nan, -1e-9, math.inf, -math.inf, 2 * LONGEST_S])
def test_what_is_no_time_is_refused_and_nothing_counted(wrong: float) -> None:
    histogram = Histogram()
    with pytest.raises(HistogramError, match="cannot be counted"):
        histogram.record_many([0.1, wrong])
    assert histogram == Histogram()


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_a_quantile_outside_one_is_refused(q: float) -> None:
    with pytest.raises(HistogramError, match=f"q {q}"):
        Histogram.of([1.0]).quantile(q)
    with pytest.raises(HistogramError, match=f"q {q}"):
        Histogram.of([1.0]).quantile_bounds(q)
    with pytest.raises(HistogramError, match=f"confidence {q}"):
        Histogram.of([1.0]).quantile_bounds(0.5, q)


@pytest.mark.parametrize("limit_s", [0.0, 0.01, 0.05, 0.2, 1.0, 100.0])
def test_count_above_errs_by_its_own_bucket_at_most(limit_s: float) -> None:
    values_s = lognormal(5000)
    low = (values_s > limit_s * GAMMA).sum()
    high = (values_s > limit_s / GAMMA).sum()
    assert low <= Histogram.of(values_s).count_above(limit_s) <= high


def test_count_above_a_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(HistogramError, match="limit_s is NaN"):
        Histogram.of([1.0]).count_above(math.nan)


@pytest.mark.parametrize(("count", "q"), [(20, 0.5), (200, 0.95), (2000, 0.99)])
def test_bounds_hold_the_true_quantile_as_often_as_they_claim(count: int, q: float) -> None:
    draw = np.random.default_rng(5)
    true_s = -math.log(1 - q)
    held = 0
    for _ in range(400):
        low_s, high_s = Histogram.of(draw.exponential(1.0, count)).quantile_bounds(q)
        held += low_s <= true_s <= high_s
    assert 0.87 <= held / 400 <= 0.98


def test_bounds_of_a_median_are_those_of_the_tables() -> None:
    # n = 20, 90 %: ranks 6 and 15 (Conover 1999, table A3: P(B <= 5) = 0.0207, P(B <= 6) = 0.0577)
    low_s, high_s = Histogram.of(np.arange(1, 21)).quantile_bounds(0.5, 0.9)
    assert low_s == pytest.approx(6, rel=0.011)
    assert high_s == pytest.approx(15, rel=0.011)
    assert low_s <= 6
    assert high_s >= 15


def test_too_few_times_do_not_bound_a_high_quantile() -> None:
    low_s, high_s = Histogram.of([1.0] * 20).quantile_bounds(0.99)
    assert (low_s, high_s) == (1.0, math.inf)
    assert Histogram.of([1.0] * 2).quantile_bounds(0.5) == (0.0, math.inf)


@repeatable
@given(times)
def test_bytes_bring_back_the_same_histogram(values_s: list[float]) -> None:
    histogram = Histogram.of(values_s)
    assert Histogram.from_bytes(histogram.to_bytes()) == histogram


@pytest.mark.parametrize("repeats", [1, 300, 70_000])
def test_counts_of_every_width_come_back(repeats: int) -> None:
    histogram = Histogram.of(np.repeat([1e-5, 0.1, 3000.0], [1, repeats, 2]))
    assert Histogram.from_bytes(histogram.to_bytes()) == histogram


def test_a_thousand_times_take_less_than_a_kilobyte() -> None:
    assert len(Histogram.of(lognormal(1000)).to_bytes()) < 1000
    assert len(Histogram().to_bytes()) < 64


def patched(offset: int, layout: str, value: object) -> Callable[[bytes], bytes]:
    def patch(data: bytes) -> bytes:
        changed = bytearray(data)
        struct.pack_into(layout, changed, offset, value)
        return bytes(changed)

    return patch


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: b"", "too few"),
        (lambda data: data[:-1], "do not hold"),
        (lambda data: data + b"\0", "do not hold"),
        (patched(0, "<2s", b"XX"), "not a histogram"),
        (patched(2, "<B", 2), "schema 2 is not 1"),
        (patched(3, "<B", 3), "widths 3"),
        (patched(5, "<d", 1.02), "gamma 1.02"),
        (patched(13, "<d", 1e-6), "from 1e-06 s"),
        (patched(21, "<H", 1980), "above the last"),
        (patched(21, "<H", 100), "contradict"),
        (patched(25, "<Q", 1), "sum contradicts"),
        (patched(41, "<d", math.nan), "not times in order"),
        (patched(49, "<d", 0.01), "not times in order"),
        (patched(49, "<d", 0.9), "contradict"),
        (patched(57, "<B", 0), "named twice"),
        (patched(58, "<B", 0), "count is not from 1"),
    ],
)
def test_other_bytes_are_refused(change: Callable[[bytes], bytes], reason: str) -> None:
    data = Histogram.of([0.1, 0.2]).to_bytes()
    with pytest.raises(HistogramError, match=reason):
        Histogram.from_bytes(change(data))


@repeatable
@given(st.binary(max_size=120))
def test_no_bytes_raise_anything_else(tail: bytes) -> None:
    header = Histogram.of([0.1, 0.2]).to_bytes()[:21]
    for data in (tail, header + tail):
        try:
            Histogram.from_bytes(data)
        except HistogramError:
            continue
