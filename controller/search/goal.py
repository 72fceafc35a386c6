"""What is asked: of which target, under which objectives, between which rates, how precisely?

A Goal is valid once built; `controller.api.schemas` turns the goal file into one and says
which field is wrong. Everything here is in arrivals per second, seconds and ratios.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from contract.arrivals import Law
from contract.connections import Connections
from contract.messages import FEWEST_IN_FLIGHT
from contract.objectives import Objective
from contract.units import Rate, Seconds
from controller.search.earlier import Earlier
from controller.search.features import Features
from controller.search.signal_objectives import SignalObjective

StrategyName = Literal["bayes", "binary", "sweep", "vanguard", "soak", "external"]
WarmUp = Literal["auto", "none"] | Seconds
Spikes = Literal["count", "leave_out"]


_AGED = ("response_time", "service_time", "e2e")
"""Metrics that the age of an arrival in flight can break."""
_TIMEOUT_OVER_LIMIT = 10
_NO_LIMIT_TIMEOUT_S, _STREAM_TIMEOUT_S = Seconds(10.0), Seconds(60.0)
"""Without a latency limit, and at least where all of them are of tokens, which say nothing of how
long a whole answer takes."""


def time_out_s(objectives: Iterable[Objective]) -> Seconds:
    """The time-out of a goal that gives none."""
    limited = [(float(o.limit_s), o.metric) for o in objectives if o.limit_s is not None]
    if not limited:
        return _NO_LIMIT_TIMEOUT_S
    by_limit_s = Seconds(_TIMEOUT_OVER_LIMIT * max(limit_s for limit_s, _ in limited))
    if any(metric in _AGED for _, metric in limited):
        return by_limit_s
    return max(by_limit_s, _STREAM_TIMEOUT_S)


class GoalInvalid(ValueError):
    """The goal contradicts itself. `field` is its place in the goal file, such as search.from."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Workload:
    """Which users offer which load. `options` is a JSON object as text; `requests` a sha256.

    `profile` is a soak's rate over its time, as (s, ratio of the rate), linear between.

    `user_sha256` is the file of the user as the goal's owner has it. With a `bundle`, the sha256 of a
    zip of code, `user` is a path in it.

    `replica_header` is the response header in which the target's replicas give their names.
    """

    user: str = "plain_http"
    options: str = "{}"
    law: Law = Law("poisson")
    requests: str | None = None
    timeout_s: Seconds = Seconds(10.0)
    replica_header: str | None = None
    connections: Connections = field(default_factory=Connections)
    profile: tuple[tuple[float, float], ...] = ()
    user_sha256: str | None = None
    bundle: str | None = None


@dataclass(frozen=True, slots=True)
class SignalSource:
    """Where the target's own metrics are exposed, and what is read there.

    `urls` are pages in Prometheus' text format, one a replica; `metrics` are (signal, expression)
    as `controller.search.patterns` reads them.
    """

    urls: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.metrics)


@dataclass(frozen=True, slots=True)
class Goal:
    """One capacity question.

    `precision` is the full width of the 90 % interval over the estimate. `require`, when
    given, is the rate that the safe capacity must reach. `closing_probes` confirm the
    estimate once the interval is narrow enough. `objectives` are the workers' business,
    `signal_objectives` ours. A soak has one rate, which is `low` and `high`;
    `advisor` is the URL that strategy external asks for rates. `gentle` spares a target that others use
    (`controller.search.gentle`); `prior` is an earlier capacity of the same model. With
    `features.objectives` off, the first objective decides alone.
    """

    name: str
    targets: tuple[str, ...]
    objectives: tuple[Objective, ...]
    low: Rate
    high: Rate
    workload: Workload = field(default_factory=Workload)
    model: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    strategy: StrategyName = "bayes"
    precision: float = 0.08
    budget_s: Seconds = Seconds(600.0)
    seed: int = 1
    closing_probes: int = 1
    warm_up: WarmUp = "auto"
    spikes: Spikes = "count"
    require: Rate | None = None
    replicas: int = 1
    signals: SignalSource | None = None
    signal_objectives: tuple[SignalObjective, ...] = ()
    advisor: str | None = None
    features: Features = field(default_factory=Features)
    gentle: bool = False
    prior: Earlier | None = None

    def __post_init__(self) -> None:
        if not self.targets:
            raise GoalInvalid("target", "missing: name the URL of the target")
        if not self.objectives:
            raise GoalInvalid("slo", "empty: give at least one objective")
        for objective in self.signal_objectives:
            if self.signals is None or objective.signal not in self.signals.names:
                raise GoalInvalid("slo", f"{objective.text!r}: define that signal in signals")
        self._check_rates()
        if not 0.005 <= self.precision <= 1:
            raise GoalInvalid("search.precision", f"{self.precision:.3%} is not in 0.5% to 100%")
        if self.budget_s <= 0:
            raise GoalInvalid("search.budget", f"{self.budget_s:g}s is not above 0")
        if not isinstance(self.warm_up, str) and self.warm_up >= self.budget_s:
            raise GoalInvalid(
                "warm_up", f"{self.warm_up:g}s is not below search.budget, {self.budget_s:g}s"
            )

    def _check_rates(self) -> None:
        if self.low <= 0:
            raise GoalInvalid("search.from", f"{self.low:g}/s is not above 0")
        if self.strategy == "soak":
            if self.low != self.high:
                raise GoalInvalid("search.rate", "a soak has one rate: low and high are that")
        elif self.low >= self.high:
            raise GoalInvalid(
                "search.from", f"{self.low:g}/s is not below search.to, {self.high:g}/s"
            )
        if self.workload.law.speed is not None and self.strategy != "soak":
            fix = "the speed of a replay belongs to strategy soak: the others choose the rate"
            raise GoalInvalid("workload.arrivals", fix)
        if self.workload.profile and self.strategy != "soak":
            raise GoalInvalid(
                "workload.profile", "belongs to strategy soak, the others hold a rate: leave it out"
            )
        if self.strategy == "external" and self.advisor is None:
            raise GoalInvalid("search.url", "missing: name the URL that is to propose the rates")
        if self.prior is not None and self.strategy == "soak":
            raise GoalInvalid("search.prior", "a soak has one rate and begins nowhere else")
        if self.prior is not None and not self._is_ordered(self.prior):
            raise GoalInvalid("search.prior", "low, estimate and high are not in that order")

    @property
    def peak(self) -> Rate:
        """The highest rate that is put to the target, bursts of the arrivals aside."""
        return Rate(self.high * max((1.0, *(ratio for _, ratio in self.workload.profile))))

    @property
    def judged_by(self) -> tuple[Objective | SignalObjective, ...]:
        """All objectives, those of signals last: the order of evidence, posteriors and answers."""
        return (*self.objectives, *self.signal_objectives)

    @staticmethod
    def _is_ordered(prior: Earlier) -> bool:
        low = prior.estimate if prior.low is None else prior.low
        high = prior.estimate if prior.high is None else prior.high
        return 0 < low <= prior.estimate <= high

    @property
    def warms_up(self) -> bool:
        """Whether the target is warmed up, and looked after to stay so."""
        return self.features.warm_up and self.warm_up != "none"

    @property
    def sent_requests(self) -> str | None:
        """The recording that the users send, a sha256; None without one or with replay off."""
        return self.workload.requests if self.features.replay else None

    @property
    def artefacts(self) -> tuple[tuple[str, str], ...]:
        """What the workers need of the store: (field of the goal, sha256)."""
        wanted = (
            ("workload.requests", self.sent_requests),
            ("workload.connections.ca", self.workload.connections.ca_sha256),
            ("workload.arrivals", self.workload.law.times or None),
            ("workload.bundle", self.workload.bundle),
        )
        return tuple((field, sha256) for field, sha256 in wanted if sha256 is not None)

    def deciding(self) -> Goal:
        """The goal by which the search decides: with `features.objectives` off the first alone."""
        if self.features.objectives or len(self.objectives) == 1:
            return self
        return replace(self, objectives=self.objectives[:1], signal_objectives=())

    @property
    def latency_limits_s(self) -> tuple[float, ...]:
        """Limits of the latency objectives, in their order."""
        return tuple(float(o.limit_s) for o in self.objectives if o.limit_s is not None)

    @property
    def tightest_limit_s(self) -> float:
        """Smallest latency limit; without one, a tenth of the time-out."""
        return min(self.latency_limits_s, default=float(self.workload.timeout_s) / 10)

    @property
    def age_limits_s(self) -> tuple[float, ...]:
        """Limits that the age of an arrival can break."""
        return tuple(
            float(o.limit_s)
            for o in self.objectives
            if o.limit_s is not None and o.request_name is None and o.metric in _AGED
        )

    @property
    def largest_limit_s(self) -> float:
        """Largest latency limit; without one, a tenth of the time-out."""
        return max(self.latency_limits_s, default=float(self.workload.timeout_s) / 10)

    @property
    def patience_s(self) -> Seconds:
        """How long after its due time an arrival may leave its verdict open.

        Beyond its limits it is bad for latency and goodput, but whether it fails, which requests
        it makes and how they stream is open until its time-out.
        """
        certain = (
            o.request_name is None and (o.kind == "goodput" or o.metric in _AGED)
            for o in self.objectives
        )
        if self.latency_limits_s and all(certain):
            return Seconds(self.largest_limit_s)
        return self.workload.timeout_s

    @property
    def in_flight_s(self) -> Seconds:
        """Seconds of load that may be in flight: only a target far beyond its limits holds more.

        3 x the largest limit that age can break + 2 s; without one the time-out + 2 s.
        """
        limits_s = self.age_limits_s
        return Seconds(3 * max(limits_s) + 2 if limits_s else self.workload.timeout_s + 2)

    def in_flight_cap(self, share: Rate) -> int:
        """Most arrivals in flight at a worker that offers `share`, by Little (1961)."""
        return max(math.ceil(share * self.in_flight_s), FEWEST_IN_FLIGHT)
