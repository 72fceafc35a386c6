"""What did one worker, or a whole fleet, send and see in a slice of a probe?

Every number is an increment since the worker's previous report, except `totals` (this
probe so far) and `in_flight` (now). Offsets count from the probe's epoch: due times on the
schedule, completions on the Redis clock, so buckets of different workers line up.

    scheduled = sent + shed + missed + cancelled
    sent      = succeeded + failed + timed_out + in_flight
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from contract.latency import Histogram

BUCKET_NS = 250_000_000
"""Length of a due-time bucket."""
TICK_NS = 20_000_000
"""Length of a completion tick; the stall test needs this resolution."""
MOST_ADDRESSES = 64
"""Addresses of a target told apart in one report; what comes beyond is `OTHER_ADDRESSES`."""
OTHER_ADDRESSES = "other"
MOST_REPLICAS = 64
"""Replicas of a target told apart by name; what comes beyond is `OTHER_REPLICAS`."""
OTHER_REPLICAS = "other"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Arrivals by fate. `cancelled`: materialised, but due after a stop took effect.

    `shed_overdue` is the part of `shed` that happened while the oldest request in flight was
    over its latency limit: the target's doing, so it counts as bad. `extra_sends` are requests
    on the wire beyond those the task asked for (re-sends, redirects).
    """

    scheduled: int = 0
    sent: int = 0
    shed: int = 0
    shed_overdue: int = 0
    missed: int = 0
    cancelled: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    in_flight: int = 0
    extra_sends: int = 0

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def balanced(self) -> bool:
        """Whether both invariants of the module's docstring hold."""
        started = self.sent + self.shed + self.missed + self.cancelled
        ended = self.succeeded + self.failed + self.timed_out + self.in_flight
        return self.scheduled == started and self.sent == ended


@dataclass(frozen=True, slots=True)
class DueBucket:
    """Arrivals due in the 250 ms slice `index`.

    `judged`, `bad` have one entry per objective of the goal, in its order: arrivals decided
    and the bad ones among them (shed-overdue included in both). `bad_any` counts arrivals
    bad for at least one objective. The histograms hold every decided request of the slice.
    """

    index: int
    scheduled: int = 0
    sent: int = 0
    shed: int = 0
    shed_overdue: int = 0
    missed: int = 0
    cancelled: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    judged: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()
    bad_any: int = 0
    response_time: Histogram = field(default_factory=Histogram)
    service_time: Histogram = field(default_factory=Histogram)


FATES = tuple(f.name for f in fields(DueBucket) if f.name in {f.name for f in fields(Ledger)})
"""Counts of a due bucket that the ledger has too, in the ledger's order."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Requests completed in the 20 ms slice `index` of the Redis clock, errors among them.

    `replica` counts from 1 in the `replicas` of the report; 0: the answers named none. There is
    one tick for each replica that completed something.
    """

    index: int
    completed: int
    errors: int
    replica: int = 0


@dataclass(frozen=True, slots=True)
class InFlight:
    """Arrivals of due bucket `index` still in flight.

    `over_limit` has one entry per objective: those already older than its limit, hence
    already bad for it (0 where the objective has no latency limit).
    """

    index: int
    count: int
    over_limit: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """How the worker's own process is doing.

    `cpu_ratio` is of one core, over the last second. Since the reading before: `loop_lag_s` the
    longest, `gc_s` the time in garbage collection, `waited_s` for a core that others used,
    `throttled_s` by a CPU quota, `refused` the connects that failed as (errno's name, count),
    `retransmits` the TCP segments sent again. `ports_ratio` of the local ports are used towards
    the address `busiest`, `ports` in number; below a quarter it is an upper bound, and no address
    is named. `open_files` is the limit, `users_most` how many users there may be; 0: not known.
    """

    cpu_ratio: float = 0.0
    loop_lag_s: float = 0.0
    clock_offset_us: int = 0
    clock_error_us: int = 0
    users: int = 0
    note: str | None = None
    send_lag_p99_s: float = 0.0
    gc_s: float = 0.0
    refused: tuple[tuple[str, int], ...] = ()
    ports_ratio: float = 0.0
    retransmits: int = 0
    throttled_s: float = 0.0
    rss_bytes: int = 0
    waited_s: float = 0.0
    ports: int = 0
    busiest: str = ""
    open_files: int = 0
    users_most: int = 0


@dataclass(frozen=True, slots=True)
class Connected:
    """Connections to one address of the target, IP:PORT: open now, and what became of others."""

    address: str
    open: int
    opened: int
    closed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Report:
    """One worker's increments, deduplicated by (worker, boot, sequence).

    Everything that happened up to `through_ns` after the epoch is in this report or an
    earlier one. `through_index` is the first global arrival index not yet accounted for, so
    that the controller can recount what this worker owed. `final`: nothing more will come.
    `errors` are (kind, count), the commonest twenty. `replicas` are the names the target's
    answers gave so far in this probe, in the order they were first seen. `phases` are the times of
    parts of requests by name: connect, tls, pool_wait, first_byte; of users that tell.
    """

    run: str
    fence: int
    probe: int
    worker: str
    boot: str
    sequence: int
    through_ns: int
    through_index: int
    totals: Ledger
    buckets: tuple[DueBucket, ...] = ()
    ticks: tuple[Tick, ...] = ()
    in_flight: tuple[InFlight, ...] = ()
    send_lag: Histogram = field(default_factory=Histogram)
    requests: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    health: Health = field(default_factory=Health)
    final: bool = False
    replicas: tuple[str, ...] = ()
    phases: tuple[tuple[str, Histogram], ...] = ()
    connections: tuple[Connected, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetReport:
    """Reports of all workers of a probe for the same slice of time, merged.

    `lost`: workers that died, restarted or fell silent; any makes the probe void; `notes` say
    how, one sentence a worker. `late`: workers whose report is still awaited; their increments come in a later one.
    `unaccounted` counts arrivals the ledgers cannot explain (a lost report). `replicas` keep their
    places for the whole probe, whichever workers saw them. `owed` has for each lost worker its name, the first index it did not
    account for, and how many from there on were its own when it was lost.
    """

    probe: int
    through_ns: int
    workers: int
    totals: Ledger
    buckets: tuple[DueBucket, ...] = ()
    ticks: tuple[Tick, ...] = ()
    in_flight: tuple[InFlight, ...] = ()
    send_lag: Histogram = field(default_factory=Histogram)
    requests: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    health: tuple[tuple[str, Health], ...] = ()
    lost: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    unaccounted: int = 0
    notes: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()
    owed: tuple[tuple[str, int, int], ...] = ()
    phases: tuple[tuple[str, Histogram], ...] = ()
    connections: tuple[Connected, ...] = ()
