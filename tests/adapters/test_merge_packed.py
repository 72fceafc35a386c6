"""Adding thousands of packed reports gives what adding them one by one gives."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from contract.codec import decode_packed, encode
from contract.latency import GAMMA, Histogram
from contract.packed import PackedReport, packed
from contract.report import FATES, DueBucket, InFlight, Ledger, Report, Tick
from controller.adapters.merge_packed import added, added_in_flight
from controller.adapters.merge_ticks import Ticks

REPLICAS = ("a", "b", "c")


def _times(chance: np.random.Generator, most: int) -> Histogram:
    return Histogram.of(chance.lognormal(-4.0, 1.0, chance.integers(0, most)))


def _report(chance: np.random.Generator, worker: int) -> Report:
    """A report of random numbers, of two objectives; they need not add up."""
    counts = chance.integers(0, 50, size=(4, len(FATES) + 5)).tolist()
    buckets = tuple(
        DueBucket(
            int(index),
            **dict(zip(FATES, row, strict=False)),
            bad_any=row[-1],
            judged=(row[-2], row[-3]),
            bad=(row[-4], row[-5]),
            response_time=_times(chance, 40),
            service_time=_times(chance, 40),
        )
        for index, row in zip(sorted(chance.permutation(8)[:4]), counts, strict=True)
    )
    replicas = tuple(str(name) for name in chance.permutation(REPLICAS)[: chance.integers(0, 4)])
    places = chance.integers(0, len(replicas) + 1, size=10).tolist()
    names = [name for name in ("connect", "tls", "first_byte") if chance.random() < 0.5]
    return Report(
        "r", 1, 1, f"w{worker}", "b", 1, 0, 0, Ledger(),
        buckets=buckets,
        ticks=tuple(Tick(int(chance.integers(0, 20)), 2, 1, place) for place in places),
        in_flight=(InFlight(int(chance.integers(0, 3)), 3, (1, 0)),),
        send_lag=_times(chance, 30),
        replicas=replicas,
        phases=tuple((name, _times(chance, 20)) for name in names),
    )  # fmt: skip


def _summed(histograms: Iterable[Histogram]) -> Histogram:
    return Histogram.summed(histograms)


def _over_the_wire(reports: Sequence[Report]) -> list[PackedReport]:
    read = [decode_packed(encode(report)) for report in reports]
    assert all(isinstance(report, PackedReport) for report in read)
    return [report for report in read if isinstance(report, PackedReport)]


def test_adding_at_once_is_adding_one_by_one(seed: int) -> None:
    chance = np.random.default_rng(seed)
    reports = [_report(chance, worker) for worker in range(30)]
    told = _over_the_wire(reports)
    merged = added(told)
    by_slice: defaultdict[int, list[DueBucket]] = defaultdict(list)
    for report in reports:
        for bucket in report.buckets:
            by_slice[bucket.index].append(bucket)
    assert [bucket.index for bucket in merged.buckets] == sorted(by_slice)
    for bucket in merged.buckets:
        parts = by_slice[bucket.index]
        for name in (*FATES, "bad_any"):
            assert getattr(bucket, name) == sum(getattr(part, name) for part in parts)
        for place in (0, 1):
            assert bucket.judged[place] == sum(part.judged[place] for part in parts)
            assert bucket.bad[place] == sum(part.bad[place] for part in parts)
        assert bucket.response_time == _summed(part.response_time for part in parts)
        assert bucket.service_time == _summed(part.service_time for part in parts)
    assert merged.send_lag == _summed(report.send_lag for report in reports)
    phases = {name for report in reports for name, _ in report.phases}
    assert [name for name, _ in merged.phases] == sorted(phases)
    for name, times in merged.phases:
        assert times == _summed(dict(r.phases)[name] for r in reports if name in dict(r.phases))


def test_ticks_and_what_is_in_flight_are_added_by_slice_and_replica(seed: int) -> None:
    chance = np.random.default_rng(seed)
    reports = [_report(chance, worker) for worker in range(30)]
    told = _over_the_wire(reports)
    expected: Counter[tuple[int, str]] = Counter()
    for report in reports:
        for tick in report.ticks:
            expected[tick.index, ("", *report.replicas)[tick.replica]] += tick.completed
    ticks = Ticks()
    merged = ticks.merged(told)
    names = ("", *ticks.replicas)
    assert {(tick.index, names[tick.replica]): tick.completed for tick in merged} == expected
    assert sum(tick.errors for tick in merged) == 300
    in_flight = added_in_flight(told)
    assert sum(entry.count for entry in in_flight) == 90
    assert sum(entry.over_limit[0] for entry in in_flight) == 30


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99, 0.999])
def test_percentiles_of_ten_thousand_workers_are_those_of_all_their_samples(
    quantile: float,
) -> None:
    chance = np.random.default_rng(7)
    samples = chance.lognormal(-4.0, 0.8, size=(10_000, 25))
    reports = [
        packed(
            Report(
                "r", 1, 1, f"w{worker}", "b", 1, 0, 0, Ledger(),
                buckets=(DueBucket(0, scheduled=25, response_time=Histogram.of(times)),),
            )
        )
        for worker, times in enumerate(samples)
    ]  # fmt: skip
    (bucket,) = added(reports).buckets
    assert bucket.scheduled == bucket.response_time.count == samples.size
    exact = np.quantile(samples, quantile, method="inverted_cdf")
    assert bucket.response_time.quantile(quantile) == pytest.approx(exact, rel=GAMMA**0.5 - 1)


def test_buckets_of_the_same_slice_are_added_whatever_they_tell_of_objectives() -> None:
    one = DueBucket(3, 2, 2, judged=(2, 1), bad=(1, 0), service_time=Histogram.of([0.1]))
    other = DueBucket(3, 1, 1, judged=(1, 1), bad=(0, 1), service_time=Histogram.of([0.2]))
    first = DueBucket(1, 9)
    told = [
        Report("r", 1, 1, "w0", "b", 1, 0, 0, Ledger(), buckets=(bucket,))
        for bucket in (one, first, other)
    ]
    merged = added([packed(report) for report in told]).buckets
    assert [bucket.index for bucket in merged] == [1, 3]
    assert (merged[1].scheduled, merged[1].judged, merged[1].bad) == (3, (3, 2), (1, 1))
    assert merged[1].service_time == Histogram.of([0.1, 0.2])
