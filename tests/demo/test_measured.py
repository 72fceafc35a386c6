"""Are the demo server's batches and answers counted once, and exported whole?"""

from typing import Any

import pytest

from deploy.demo import measured
from deploy.demo.batching import Timing
from deploy.demo.measured import Measured, Tally

TIMING = Timing(0.020, 0.0025, 16)


def exported(kept: Measured) -> dict[str, Any]:
    return kept.durations(max_batch=16)


def test_durations_are_summed_up_by_batch_size() -> None:
    kept = Measured()
    for duration_s in (0.030, 0.032):
        kept.batch(4, duration_s, warm=True)
    kept.batch(16, 0.060, warm=True)
    kept.delivery(0.001)
    document = exported(kept)
    assert document["batches"] == 3
    assert document["by_size"]["4"] == {
        "count": 2,
        "mean_s": 0.031,
        "std_s": 0.001,
        "samples_us": [32_000, 30_000],
    }
    assert document["by_size"]["16"]["samples_us"] == [60_000]
    assert document["delivery"]["mean_s"] == 0.001


def test_batches_of_the_warm_up_are_counted_but_not_measured() -> None:
    kept = Measured()
    kept.batch(4, 0.120, warm=False)
    document = exported(kept)
    assert (document["batches"], document["warm_batches"], document["by_size"]) == (1, 0, {})


def test_only_the_latest_batches_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "BATCHES_KEPT", 3)
    kept = Measured()
    for number in range(1, 6):
        kept.batch(2, number / 1000, warm=True)
    assert exported(kept)["by_size"]["2"]["samples_us"] == [5_000, 4_000, 3_000]


def test_nothing_measured_is_exported_as_nothing() -> None:
    document = exported(Measured())
    assert document["by_size"] == {}
    assert document["delivery"] == {"count": 0, "mean_s": None, "std_s": None, "samples_us": []}


def test_a_histogram_counts_at_or_below_each_bound() -> None:
    tally = Tally((1, 2))
    for value in (1, 1.5, 2, 9):
        tally.add(value)
    assert tally.lines("n", "Meaning.") == [
        "# HELP n Meaning.",
        "# TYPE n histogram",
        'n_bucket{le="1"} 1',
        'n_bucket{le="2"} 3',
        'n_bucket{le="+Inf"} 4',
        "n_sum 13.5",
        "n_count 4",
    ]


def test_the_exposition_names_statuses_queue_and_batches() -> None:
    kept = Measured()
    kept.status(200)
    kept.status(200)
    kept.status(503)
    kept.batch(3, 0.0275, warm=True)
    lines = kept.exposition(TIMING, queued=5, in_flight=8).splitlines()
    assert 'served_model_requests_total{status="200"} 2' in lines
    assert 'served_model_requests_total{status="503"} 1' in lines
    assert "served_model_queue_length 5" in lines
    assert "served_model_in_flight 8" in lines
    assert 'served_model_batch_size_bucket{le="4"} 1' in lines
    assert "served_model_batch_duration_seconds_sum 0.0275" in lines
