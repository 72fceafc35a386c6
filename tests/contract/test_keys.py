"""Replies of a fleet are spread over as many streams as it needs."""

from __future__ import annotations

from collections import Counter

import pytest

from contract import keys


@pytest.mark.parametrize(
    ("workers", "shards"), [(1, 1), (1_000, 1), (1_001, 2), (10_000, 10), (50_000, 16)]
)
def test_every_stream_has_about_as_many_workers(workers: int, shards: int) -> None:
    assert keys.shards(workers) == shards
    counts = Counter(keys.shard(position, workers) for position in range(workers))
    assert sorted(counts) == list(range(shards))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_streams_of_a_run_have_names_of_their_own() -> None:
    names = {keys.replies("r1", shard) for shard in range(keys.MOST_SHARDS)}
    assert len(names) == keys.MOST_SHARDS
    assert keys.replies("r1") in names
