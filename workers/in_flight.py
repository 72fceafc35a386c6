"""What is in flight, how old is it, and which objectives has it broken already?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from contract.report import BUCKET_NS, InFlight
from workers.columns import buckets_of, counted
from workers.judge import Judge
from workers.permit import Permit


def in_flight_of(
    permits: Sequence[Permit], judge: Judge, epoch_ns: int, now_ns: int
) -> tuple[InFlight, ...]:
    """Arrivals in flight by slice of their due time."""
    silent = [permit for permit in permits if not (permit.requests or permit.failed)]
    due_ns = np.fromiter((p.due_ns for p in silent), np.int64, len(silent))
    start_ns = np.fromiter((p.start_ns for p in silent), np.int64, len(silent))
    columns = buckets_of(due_ns, epoch_ns), judge.overdue(due_ns, start_ns, now_ns)
    masks = Counter(dict(counted(*columns)))
    for permit in permits:
        if permit.requests or permit.failed:
            bucket = (permit.due_ns - epoch_ns) // BUCKET_NS
            masks[bucket, judge.over_limit(permit, now_ns)] += 1
    counts: Counter[int] = Counter()
    over: dict[int, list[int]] = {}
    for (bucket, mask), arrivals in masks.items():
        counts[bucket] += arrivals
        places = over.setdefault(bucket, [0] * judge.count)
        for place in range(judge.count):
            places[place] += arrivals * (mask >> place & 1)
    return tuple(InFlight(b, counts[b], tuple(over[b])) for b in sorted(counts))
