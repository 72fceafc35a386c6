"""What do the controller and a worker say to each other?

    worker      Hello      every second, in FLEET_HELLO
    controller  Prepare    load this user against this target, check it, size the pool
    worker      Ready      loaded, or why not
    controller  Plan       one probe: this schedule from that instant of the Redis clock
    worker      Report     every cadence while the probe lasts (contract.report)
    controller  Stop       end this probe now (`probe` given) or the whole run (`probe` None)
    worker      Drained    the probe is over and nothing of it is in flight

A worker obeys a message only if it is named in `workers` and `fence` is not below the
highest it has seen for that run. Of many workers no names are sent: `roster` says where a worker
looks its place up (contract.roster).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from contract.arrivals import Due, Law, Schedule
from contract.connections import Connections
from contract.recorded import Recorded
from contract.report import Health, Ledger
from contract.shares import Shares, shares_of
from contract.units import Rate, Seconds

BEAT_S = 0.25
"""The conductor renews its beat this often: a connection may fail for 2 s and no load stops."""
DEAD_MAN_S = 3.0
"""A worker that has seen no new beat for this long, on its own clock, stops."""

FEWEST_IN_FLIGHT = 8
"""Least cap of a worker: a burst at a very low rate is no overload."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker is there. `run` names the run it is prepared for; `targets` its own allow-list.

    `rate_per_s` is what it can send with the quickest client, by its self-test; `kinds` the same by
    client. 0: not known.
    `key_id` is the id of its fleet key (contract.signing), empty when it has none.
    """

    worker: str
    boot: str
    host: str
    pid: int
    version: str
    rate_per_s: Rate
    targets: tuple[str, ...] = ()
    run: str | None = None
    probe: int | None = None
    health: Health = field(default_factory=Health)
    key_id: str = ""
    kinds: tuple[tuple[str, Rate], ...] = ()


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load `user` (a name in locustfiles/ or a path) and be able to send `max_rate` together.

    `headers` values may contain ${NAME}, replaced on the worker from its own environment and
    never logged; names that begin with TONNAGE_ are refused. `options` is a JSON object as
    text. `allowed_targets` are HOST:PORT; the worker enforces them, and its own list, at
    connect(). The worker named `check_by` also asks the ready check and sends one arrival.
    `replica_header` is the response header that names the replica, None: it is not looked for.
    `connections` is the policy of the goal; its authority is an artefact, like the recording.
    `times_sha256` are the recorded times of a law that replays. With `bundle_sha256`, `user` is a path in
    that bundle (contract.bundle).
    """

    run: str
    fence: int
    workers: tuple[str, ...]
    user: str
    targets: tuple[str, ...]
    model: str | None
    headers: tuple[tuple[str, str], ...]
    options: str
    requests_sha256: str | None
    objectives: tuple[str, ...]
    timeout_s: Seconds
    seed: int
    allowed_targets: tuple[str, ...]
    max_rate: Rate
    check_by: str
    replica_header: str | None = None
    connections: Connections = field(default_factory=Connections)
    times_sha256: str | None = None
    bundle_sha256: str | None = None
    roster: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """The answer to Prepare. `error` says in one sentence why the worker cannot take part."""

    run: str
    fence: int
    worker: str
    boot: str
    error: str | None = None
    user_sha256: str | None = None
    warnings: tuple[str, ...] = ()
    rate_per_s: Rate = Rate(0.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """One probe. Worker `workers[p]` owns the arrivals that `contract.shares` gives position p.

    `epoch_us` is the instant of the Redis clock the schedule's offsets count from.
    `in_flight_cap` and `rate_ceiling` are those of a mean share; a schedule above the ceiling is
    refused. `weights` are the workers' in the order of `workers`; without any they are alike. After `duration_s` nothing is due any more, whatever else happens. `streams` above 0
    closes the loop, to measure what an open one is worth: a worker has at most so many arrivals in
    flight, and while all are the schedule stands still. `profile` is the rate over time after the
    ramp, as (s since the epoch, ratio of `rate`).
    """

    run: str
    fence: int
    probe: int
    workers: tuple[str, ...]
    epoch_us: int
    law: Law
    seed: int
    rate: Rate
    ramp_s: Seconds
    ramp_from: Rate
    duration_s: Seconds
    in_flight_cap: int
    rate_ceiling: Rate
    cadence_s: Seconds = Seconds(0.25)
    streams: int = 0
    weights: tuple[int, ...] = ()
    profile: tuple[tuple[float, float], ...] = ()
    roster: str = ""

    def __post_init__(self) -> None:
        if not self.roster:
            self.shares()

    def shares(self) -> Shares:
        """Who owns which arrival."""
        return shares_of(self.weights, len(self.workers), (self.seed, self.probe))

    def share(self, position: int, recorded: Recorded | None = None) -> Iterator[tuple[Due, Due]]:
        """Indices and due times in ns of the arrivals of one worker, a chunk at a time."""
        return self.schedule(recorded).share(position, self.shares())

    def in_flight_cap_of(self, position: int) -> int:
        """Most arrivals in flight at a worker, by its share."""
        if not self.weights:
            return self.in_flight_cap
        by_share = math.ceil(self.in_flight_cap * self.shares().relative(position))
        return max(by_share, min(self.in_flight_cap, FEWEST_IN_FLIGHT))

    def schedule(self, recorded: Recorded | None = None) -> Schedule:
        """The whole fleet's arrivals; `recorded` are the times of a law that replays."""
        return Schedule(
            law=self.law,
            seed=self.seed,
            probe=self.probe,
            rate=self.rate,
            duration_s=self.duration_s,
            ramp_s=self.ramp_s,
            ramp_from=self.ramp_from,
            profile=self.profile,
            recorded=recorded,
        )


@dataclass(frozen=True, slots=True)
class Stop:
    """End probe `probe` now, or with None the whole run. Requests in flight may finish."""

    run: str
    fence: int
    workers: tuple[str, ...]
    probe: int | None
    reason: str
    roster: str = ""


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing of the probe is in flight any more; with `probe` None, of the run.

    `reason` says why the load ended: the plan's end, a stop, the dead man's switch.
    """

    run: str
    fence: int
    probe: int | None
    worker: str
    boot: str
    totals: Ledger
    sequence: int
    reason: str
