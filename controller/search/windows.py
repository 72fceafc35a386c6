"""How did a probe go, slice by slice, and how do hours of reports stay small?

A soak is looked at by the minute, `vanguard` counts the windows of two seconds that violate an
objective; other strategies look at probes as wholes. The due buckets of a soak are merged by the
minute once there are many, for each holds two histograms of 16 kB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from contract.latency import Histogram
from contract.report import BUCKET_NS, FATES, DueBucket
from contract.units import Rate, Seconds
from controller.search.goal import Goal
from controller.search.probe import Probe, Window

if TYPE_CHECKING:
    from controller.search.tally import Sample, Tally

SOAK_WINDOW_S = Seconds(60.0)
SPIKE_WINDOW_S = Seconds(2.0)
MOST_BUCKETS = 1024
"""Due buckets of a soak held apart: two minutes of them, with their late parts."""
_BUCKET_S = BUCKET_NS / 1e9
_COUNTS = (*FATES, "bad_any")


def width_s(goal: Goal, probe: Probe) -> Seconds | None:
    """How long a window of `probe` is; None where nobody looks at them."""
    if probe.purpose == "soak":
        return SOAK_WINDOW_S
    if goal.strategy == "vanguard" and probe.purpose == "search":
        return SPIKE_WINDOW_S
    return None


def windows_of(goal: Goal, probe: Probe, tally: Tally) -> tuple[Window, ...]:
    """The windows of the judged part so far; a last one that is not half full is left out."""
    long_s = width_s(goal, probe)
    if long_s is None:
        return ()
    until_s = min(float(tally.through_s), float(probe.duration_s)) - probe.judged_from_s
    count = max(0, math.floor(until_s / long_s + 0.5))
    parts: list[list[DueBucket]] = [[] for _ in range(count)]
    for bucket in tally.buckets:
        place = math.floor((bucket.index * _BUCKET_S - probe.judged_from_s) / long_s + 1e-9)
        if 0 <= place < count:
            parts[place].append(bucket)
    slices = _samples(tally.samples, float(probe.judged_from_s), float(long_s), count)
    return tuple(
        _window(Seconds(place * long_s), part, seen)
        for place, (part, seen) in enumerate(zip(parts, slices, strict=True))
        if part and len(seen) > 1
    )


def compacted(probe: Probe, buckets: tuple[DueBucket, ...]) -> tuple[DueBucket, ...]:
    """The same counts in fewer due buckets, where a soak has gathered many."""
    if probe.purpose != "soak" or len(buckets) <= MOST_BUCKETS:
        return buckets
    parts: dict[int, list[DueBucket]] = {}
    for bucket in buckets:
        minute = math.floor((bucket.index * _BUCKET_S - probe.judged_from_s) / SOAK_WINDOW_S)
        parts.setdefault(minute, []).append(bucket)
    return tuple(merged(part) for _, part in sorted(parts.items()))


def merged(buckets: Sequence[DueBucket]) -> DueBucket:
    """One due bucket with the sums of several, at the place of the last."""
    return DueBucket(
        index=max(bucket.index for bucket in buckets),
        judged=_columns(bucket.judged for bucket in buckets),
        bad=_columns(bucket.bad for bucket in buckets),
        response_time=Histogram.summed(bucket.response_time for bucket in buckets),
        service_time=Histogram.summed(bucket.service_time for bucket in buckets),
        **{name: sum(getattr(bucket, name) for bucket in buckets) for name in _COUNTS},
    )


def _window(from_s: Seconds, part: Sequence[DueBucket], seen: Sequence[Sample]) -> Window:
    times = Histogram.summed(bucket.response_time for bucket in part)
    decided = sum(b.succeeded + b.failed + b.timed_out + b.shed_overdue for b in part)
    span_s = seen[-1].through_s - seen[0].through_s
    done = seen[-1].succeeded - seen[0].succeeded
    return Window(
        from_s=from_s,
        judged=_columns(bucket.judged for bucket in part),
        bad=_columns(bucket.bad for bucket in part),
        bad_ratio=sum(bucket.bad_any for bucket in part) / decided if decided else 0.0,
        p50_s=times.quantile(0.5),
        p99_s=times.quantile(0.99),
        in_flight=sum(sample.in_flight for sample in seen) / len(seen),
        achieved_per_s=Rate(done / span_s if span_s > 0 else 0.0),
    )


def _samples(
    samples: Sequence[Sample], from_s: float, long_s: float, count: int
) -> list[list[Sample]]:
    """The samples of each window, the one at its beginning too."""
    found: list[list[Sample]] = [[] for _ in range(count)]
    for sample in samples:
        place = (sample.through_s - from_s) / long_s
        last = math.floor(place - 1e-9)
        first = math.floor(place + 1e-9)
        for index in {first, last}:
            if 0 <= index < count:
                found[index].append(sample)
    return found


def _columns(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*rows, strict=True))
