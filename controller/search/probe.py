"""What is put to the target, and what came of it?

A Probe is one offered rate and how long it is held; an Outcome is its verdict together with
the evidence the search learns from. Both are journalled as they are: resume never recomputes.

    time    0 ────── ramp_s ─────── judged_from_s ───────────── duration_s
            ramp, not judged        settle, not judged          measured
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from contract.report import Connected, Ledger
from contract.units import Rate, Seconds
from contract.warp import RateOverTime, ramped
from controller.search.answer import Course
from controller.search.health import State

Cause = Literal["generator", "network", "queueing", "gpu", "errors"]
"""What a failure may come of (`controller.search.signals`)."""
Purpose = Literal["scale", "warm_up", "search", "closing", "check", "soak", "sentinel"]
"""Why a probe is sent: find the scale (evidence discarded), warm up, search, confirm the
estimate, check that the target still answers at all, hold the rate of a soak, or see that the
target is still the same (sentinel)."""


class Verdict(StrEnum):
    """What a probe says of the target; VOID says nothing of it and never moves the search."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate put to the target. `number` counts from 1; the schedule's seed is (seed, number).

    `rest_s` is waited before it, so that the target can work off what the last one left.
    `why` is one sentence for people. `streams` above 0 closes the loop: so many arrivals at most
    are in flight, see `controller.search.streams`. `profile` is the rate over time where it does not
    stay: (s since the epoch, ratio of `rate`), linear between, after the ramp.
    """

    number: int
    purpose: Purpose
    rate: Rate
    ramp_s: Seconds
    settle_s: Seconds
    measure_s: Seconds
    ramp_from: Rate = Rate(0.0)
    rest_s: Seconds = Seconds(0.0)
    why: str = ""
    streams: int = 0
    profile: tuple[tuple[float, float], ...] = ()

    @property
    def peak(self) -> Rate:
        """The highest rate of the schedule."""
        highest = self.rate * max((ratio for _, ratio in self.profile), default=1.0)
        return Rate(max(highest, self.ramp_from if self.ramp_s > 0 else 0.0))

    def expected(self, from_s: float, until_s: float) -> float:
        """Arrivals due between two times after the epoch, on average."""
        knots = ramped(self.rate, self.ramp_s, self.ramp_from, self.profile)
        over_time = RateOverTime(knots)
        return over_time.count(until_s) - over_time.count(from_s)

    @property
    def judged_from_s(self) -> Seconds:
        """Arrivals due from here on are judged, from the epoch."""
        return Seconds(self.ramp_s + self.settle_s)

    @property
    def duration_s(self) -> Seconds:
        """Nothing is due after this, from the epoch."""
        return Seconds(self.ramp_s + self.settle_s + self.measure_s)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of one metric over the judged arrivals, in seconds; nan when there were none."""

    p50_s: float
    p90_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Stall:
    """A spell without completions although work was in flight; times in s after the epoch.

    `expected` is how many completions were due in it. `recovered_s` is None while it may still
    recover. `judged` and `bad` count the arrivals it held up, one entry per objective, where all of
    them were judged, else they are empty. `replica` names who stalled, where answers say. `failed`
    of the judged were answered with an error: those are bad however short the stall was.
    """

    begun_s: Seconds
    ended_s: Seconds
    recovered_s: Seconds | None
    expected: float
    in_flight: int
    judged: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()
    replica: str = ""
    failed: int = 0

    @property
    def seconds(self) -> Seconds:
        """How long nothing was completed."""
        return Seconds(self.ended_s - self.begun_s)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the posterior learns from a probe; one entry per objective where it is a tuple.

    Those of signals come last and count windows, the others arrivals.

    `offered_per_s` is realised: judged arrivals over their time. `clustering` is the variance
    of bad counts over a binomial's (1 = independent). `censored`: the probe was stopped early
    as failing, so bad counts are lower bounds. `saturated_per_s`: completions per second while
    the target was saturated, None when it was not. `relaxation_s`: autocorrelation time of the
    number in flight, too small in short probes (`controller.search.relaxation`), None when it
    could not be estimated. A curtailed probe (R1) knows its bad count out of all it planned, and
    an objective that a stopped probe says nothing of has 0 judged.

    What lies in `stalls` is in neither `judged` nor `bad`, errors included. `watched_s` is how long a stall would
    have been seen, ramp included; `burst` how many completions the target's ordinary gaps lack.
    `clustering` is of the times over the probe's own p95, `bad_clustering` of the bad arrivals
    themselves, None where they are too few. `median_s` and `mean_s` are of the service time.
    `planned_s` is how long would have been measured had nothing stopped the probe.
    `in_flight_variance` is of the number in flight, of which `relaxation_s` tells. `quick_s` is the
    10 % quantile of the service time, of a warm-up that of its steady part.
    """

    offered_per_s: Rate
    judged: tuple[int, ...]
    bad: tuple[int, ...]
    clustering: tuple[float | None, ...]
    censored: bool = False
    saturated_per_s: Rate | None = None
    relaxation_s: Seconds | None = None
    measured_s: Seconds = Seconds(0.0)
    median_s: Seconds | None = None
    stalls: tuple[Stall, ...] = ()
    watched_s: Seconds = Seconds(0.0)
    burst: float = 0.0
    bad_clustering: tuple[float | None, ...] = ()
    mean_s: Seconds | None = None
    planned_s: Seconds = Seconds(0.0)
    in_flight_variance: float = 0.0
    quick_s: Seconds | None = None


@dataclass(frozen=True, slots=True)
class SignalSummary:
    """One of the target's own metrics over the windows of a probe that saw it."""

    name: str
    mean: float
    highest: float


@dataclass(frozen=True, slots=True)
class Window:
    """A slice of the judged part of a probe, `from_s` after that began.

    `judged` and `bad` have one entry per objective; quantiles are of response times, nan without
    any; `in_flight` is a mean.
    """

    from_s: Seconds
    judged: tuple[int, ...]
    bad: tuple[int, ...]
    bad_ratio: float
    p50_s: float
    p99_s: float
    in_flight: float
    achieved_per_s: Rate


@dataclass(frozen=True, slots=True)
class Outcome:
    """Verdict of one probe, why, and what it cost.

    `rule` names the rule that decided (R1 curtail, R2 backlog, R4 safety, R5 accept, end, void);
    for a warm-up how it went (flat, warm_up, slowdown, cyclic, not_steady, fixed). `seconds` is
    wall time including rest, drain and overhead; the conductor fills it in. `error_ratio` is of the
    judged arrivals; `errors` the commonest kinds. `health` is that at its end; `cause` is what the
    signals make likely of a failure, never the reason alone. `windows` are kept for strategies that
    look inside a probe (`controller.search.windows`). `levels` are mean ln(service time) per second of a steady warm-up or a sentinel.
    `front_cut_s`: so much of the front was another regime and is not judged. `phases` and
    `connections` are of the whole probe (`controller.search.connected`).
    """

    probe: Probe
    verdict: Verdict
    rule: str
    reason: str
    evidence: Evidence | None = None
    response_time: Quantiles | None = None
    service_time: Quantiles | None = None
    sent_per_s: Rate = Rate(0.0)
    achieved_per_s: Rate = Rate(0.0)
    requests: int = 0
    bad_requests: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    send_lag_p99_s: Seconds = Seconds(0.0)
    error_ratio: float = 0.0
    errors: tuple[tuple[str, int], ...] = ()
    in_flight_at_end: int = 0
    steady: bool | None = None
    seconds: Seconds = Seconds(0.0)
    health: State | None = None
    signals: tuple[SignalSummary, ...] = ()
    cause: Cause | None = None
    windows: tuple[Window, ...] = ()
    course: Course | None = None
    levels: tuple[float, ...] = ()
    front_cut_s: Seconds = Seconds(0.0)
    phases: tuple[tuple[str, Quantiles], ...] = ()
    connections: tuple[Connected, ...] = ()
