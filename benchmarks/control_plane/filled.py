"""What do reports of a busy worker look like, with a ledger that is exact against its share?

Arrival i belongs to worker i mod N, as in a plan of equal workers; a worker has 100 arrivals a
second, and all succeed. Times are drawn once a second of the probe, the same for all workers, so
that building reports is cheap; names, places and sequences are each worker's own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from contract import codec
from contract.latency import Histogram
from contract.report import DueBucket, Health, Ledger, Report, Tick

RUN, FENCE, PROBE = "control-plane", 1, 1
BUCKETS_A_REPORT, TICKS_A_REPORT = 4, 50
EACH_BUCKET, EACH_TICK = 25, 2
REQUESTS = BUCKETS_A_REPORT * EACH_BUCKET
"""Of one worker a second."""
MEDIAN_S, SPREAD, OWN_S = 0.02, 0.4, 0.001
HEALTH = Health(
    0.4, 0.002, 120, 80, 12, send_lag_p99_s=0.0008, rss_bytes=90_000_000, open_files=20_000
)


def name_of(position: int) -> str:
    """Names sort as the positions do, so that the controller gives each its own."""
    return f"simulated-{position:05d}"


def boot_of(position: int) -> str:
    return f"{position:032x}"


def totals(seconds: int) -> Ledger:
    """The ledger of a worker after so many seconds of the probe."""
    done = seconds * REQUESTS
    return Ledger(scheduled=done, sent=done, succeeded=done)


def report(second: int, last: int) -> Report:
    """The report of second 1, 2, …, `last`, of nobody in particular."""
    rng = np.random.default_rng(second)
    buckets = []
    for index in range((second - 1) * BUCKETS_A_REPORT, second * BUCKETS_A_REPORT):
        times_s = MEDIAN_S * np.exp(SPREAD * rng.standard_normal(EACH_BUCKET))
        buckets.append(
            DueBucket(
                index=index,
                scheduled=EACH_BUCKET,
                sent=EACH_BUCKET,
                succeeded=EACH_BUCKET,
                judged=(EACH_BUCKET,),
                bad=(0,),
                response_time=Histogram.of(times_s + OWN_S),
                service_time=Histogram.of(times_s),
            )
        )
    first_tick = (second - 1) * TICKS_A_REPORT
    return Report(
        run=RUN,
        fence=FENCE,
        probe=PROBE,
        worker="",
        boot="",
        sequence=second,
        through_ns=second * 1_000_000_000,
        through_index=0,
        totals=totals(second),
        buckets=tuple(buckets),
        ticks=tuple(
            Tick(index, EACH_TICK, 0) for index in range(first_tick, first_tick + TICKS_A_REPORT)
        ),
        send_lag=Histogram.of(rng.exponential(OWN_S / 4, REQUESTS)),
        requests=REQUESTS,
        health=HEALTH,
        final=second == last,
    )


def through_index(position: int, count: int, second: int) -> int:
    """One behind the worker's last arrival of that second."""
    return position + count * (second * REQUESTS - 1) + 1


def encoded(position: int, count: int, templates: list[Report]) -> list[bytes]:
    """The reports of the worker at `position` of `count`, ready to be sent."""
    worker, boot = name_of(position), boot_of(position)
    return [
        codec.encode(
            replace(
                template,
                worker=worker,
                boot=boot,
                through_index=through_index(position, count, second),
            )
        )
        for second, template in enumerate(templates, 1)
    ]
