"""What may stand in a goal file, field by field, and which Goal does it make?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)

from contract.arrivals import Law
from contract.objectives import Objective
from contract.units import Rate, Seconds, format_duration, format_rate
from controller.api.schemas.arriving import LawField, ProfileField
from controller.api.schemas.by_strategy import NEEDS, by_strategy, idle, misfit
from controller.api.schemas.connections import ConnectionsDocument, connection_faults
from controller.api.schemas.fields import (
    BundleField,
    DurationField,
    ObjectiveField,
    PrecisionField,
    PriorField,
    RateField,
    RequestsField,
    ResponseHeaderField,
    SpikesField,
    StrategyField,
    SwitchField,
    TargetField,
    UrlField,
    UserField,
    UserHashField,
    WarmUpField,
)
from controller.api.schemas.headers import header_faults, option_faults
from controller.api.schemas.reading import NOT_GIVEN, Rules, refuse
from controller.api.schemas.signals import (
    SignalsDocument,
    address_faults,
    signal_faults,
    source_of,
)
from controller.errors import Fault
from controller.search.features import Features
from controller.search.goal import Goal, Spikes, StrategyName, WarmUp, Workload, time_out_s
from controller.search.signal_objectives import SignalObjective

_SEED_END = 2**64


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _object_or_nothing(value: Any) -> Any:
    return {} if value is None else value


def _written_default(text: str) -> Any:
    return Field(json_schema_extra={"default": text})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WorkloadDocument(_Part):
    """Which user offers the load, when its tasks start, and what it sends."""

    user: UserField = "plain_http"
    options: Annotated[
        dict[str, JsonValue], Field(description="Passed to the user as they are.")
    ] = {}
    arrivals: Annotated[LawField, _written_default("poisson")] = Law("poisson")
    profile: ProfileField | None = None
    requests: RequestsField | None = None
    timeout: DurationField | None = None
    replica_header: ResponseHeaderField | None = None
    user_sha256: UserHashField | None = None
    bundle: BundleField | None = None
    connections: Annotated[
        ConnectionsDocument,
        BeforeValidator(_object_or_nothing),
        Field(default_factory=ConnectionsDocument),
    ]

    @field_validator("options")
    @classmethod
    def _no_secrets(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        faults = tuple(option_faults("workload.options", options))
        if faults:
            refuse(*faults)
        return options


class FeaturesDocument(_Part):
    """Switches of the method's features, to measure what each is worth; on or off."""

    warm_up: SwitchField = True
    replay: SwitchField = True
    signals: SwitchField = True
    objectives: SwitchField = True
    batching: SwitchField = True
    open_loop: SwitchField = True


class SearchDocument(_Part):
    """Between which rates, how precisely, how long; or which rate is held, or who is asked."""

    model_config = ConfigDict(json_schema_extra=NEEDS)

    strategy: StrategyField = "bayes"
    low: Annotated[RateField, by_strategy("from")] = NOT_GIVEN
    high: Annotated[RateField, by_strategy("to")] = NOT_GIVEN
    precision: Annotated[PrecisionField, _written_default("8%")] = 0.08
    budget: Annotated[DurationField, _written_default("10min")] = Seconds(600.0)
    seed: Annotated[int, Field(ge=0, lt=_SEED_END)] = 1
    closing_probes: Annotated[int, Field(ge=0, le=5)] = 1
    rate: Annotated[RateField, by_strategy("rate")] = NOT_GIVEN
    url: Annotated[UrlField, by_strategy("url")] = cast("str", NOT_GIVEN)

    @field_validator("low", "high", "rate", "url")
    @classmethod
    def _fits_the_strategy(cls, value: Rate | str, info: ValidationInfo) -> Rate | str:
        fault = misfit(str(info.field_name), value, info.data.get("strategy"))
        if fault is not None:
            refuse(fault)
        return value

    @field_validator("precision", "closing_probes")
    @classmethod
    def _means_something(cls, value: float, info: ValidationInfo) -> float:
        fault = idle(str(info.field_name), value, info.data.get("strategy"))
        if fault is not None:
            refuse(fault)
        return value

    gentle: SwitchField = False
    prior: PriorField | None = None
    features: Annotated[
        FeaturesDocument,
        BeforeValidator(_object_or_nothing),
        Field(default_factory=FeaturesDocument),
    ]

    @field_validator("high")
    @classmethod
    def _above_from(cls, high: Rate, info: ValidationInfo) -> Rate:
        low = info.data.get("low")
        if low is not None and low >= high:
            fix = f"is not below search.to, {format_rate(high)}: write the lowest rate to try"
            refuse(Fault("search.from", format_rate(low), fix))
        return high


class GoalDocument(_Part):
    """One capacity question, as a goal file asks it."""

    model_config = ConfigDict(title="Tonnage goal")

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    target: Annotated[
        list[TargetField],
        Field(min_length=1, description="URL of the target, or a list of its replicas."),
        BeforeValidator(_one_or_many, json_schema_input_type=TargetField | list[TargetField]),
    ]
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    headers: Annotated[
        dict[str, str],
        Field(description="Secrets as ${NAME}: taken from the workers' environment."),
    ] = {}
    slo: Annotated[list[ObjectiveField], Field(min_length=1)]
    workload: Annotated[
        WorkloadDocument,
        BeforeValidator(_object_or_nothing),
        Field(default_factory=WorkloadDocument),
    ]
    search: SearchDocument
    warm_up: WarmUpField = "auto"
    spikes: SpikesField = "count"
    require: RateField | None = None
    replicas: Annotated[int, Field(ge=1, le=100_000)] = 1
    signals: Annotated[
        SignalsDocument,
        BeforeValidator(_object_or_nothing),
        Field(default_factory=SignalsDocument, validate_default=True),
    ]

    @field_validator("headers")
    @classmethod
    def _safe_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        faults = [f for name, value in headers.items() for f in header_faults(name, value)]
        if faults:
            refuse(*faults)
        return headers

    @field_validator("workload")
    @classmethod
    def _fits_objectives_and_targets(
        cls, workload: WorkloadDocument, info: ValidationInfo
    ) -> WorkloadDocument:
        largest_s = _largest_limit_s(info.data.get("slo", ()))
        if workload.timeout is not None and workload.timeout < largest_s:
            fix = (
                f"is below the largest limit of slo, {format_duration(largest_s)}: write at "
                "least that"
            )
            refuse(Fault("workload.timeout", format_duration(workload.timeout), fix))
        faults = connection_faults(workload.connections, info.data.get("target", ()))
        if faults:
            refuse(*faults)
        return workload

    @field_validator("slo")
    @classmethod
    def _of_arrivals(
        cls, slo: list[Objective | SignalObjective]
    ) -> list[Objective | SignalObjective]:
        if not any(isinstance(objective, Objective) for objective in slo):
            fix = (
                "a signal says nothing of the arrivals: add one of theirs, such as "
                "p99 response_time <= 150ms"
            )
            refuse(Fault("slo", slo[0].text, fix))
        return slo

    @field_validator("signals")
    @classmethod
    def _known_signals(
        cls, signals: SignalsDocument, info: ValidationInfo[Rules]
    ) -> SignalsDocument:
        faults = signal_faults(signals, info.data.get("slo", ()), info.data.get("target", ()))
        faults = faults or address_faults(signals, info.data.get("target", ()), info.context)
        if faults:
            refuse(*faults)
        return signals

    def to_goal(self) -> Goal:
        """The goal this document asks for.

        Raises:
            GoalInvalid: it contradicts itself in a way no single field shows.
        """
        name = self.name or self.model or urlsplit(self.target[0]).netloc
        warm_up: WarmUp = self.warm_up
        spikes: Spikes = self.spikes
        strategy: StrategyName = self.search.strategy
        soak = strategy == "soak"
        return Goal(
            name=name,
            targets=tuple(self.target),
            objectives=self._objectives(),
            low=self.search.rate if soak else self.search.low,
            high=self.search.rate if soak else self.search.high,
            workload=self._workload(),
            model=self.model,
            headers=tuple(self.headers.items()),
            strategy=strategy,
            precision=self.search.precision,
            budget_s=self.search.budget,
            seed=self.search.seed,
            closing_probes=self.search.closing_probes,
            warm_up=warm_up,
            spikes=spikes,
            require=self.require,
            replicas=self.replicas,
            signals=source_of(self.signals, self.target),
            signal_objectives=tuple(o for o in self.slo if isinstance(o, SignalObjective)),
            advisor=self.search.url or None,
            features=Features(**self.search.features.model_dump()),
            gentle=self.search.gentle,
            prior=self.search.prior,
        )

    def _objectives(self) -> tuple[Objective, ...]:
        """In the order given; where one alone decides, the first of latency leads."""
        of_arrivals = tuple(o for o in self.slo if isinstance(o, Objective))
        if self.search.features.objectives:
            return of_arrivals
        return tuple(sorted(of_arrivals, key=lambda objective: objective.limit_s is None))

    def _workload(self) -> Workload:
        return Workload(
            user=self.workload.user,
            options=json.dumps(self.workload.options, sort_keys=True),
            law=self.workload.arrivals,
            profile=self.workload.profile or (),
            requests=self.workload.requests,
            timeout_s=self.workload.timeout or time_out_s(self._objectives()),
            replica_header=self.workload.replica_header,
            connections=self.workload.connections.policy(),
            user_sha256=self.workload.user_sha256,
            bundle=self.workload.bundle,
        )


def _largest_limit_s(objectives: Iterable[Objective | SignalObjective]) -> float:
    limits_s = (o.limit_s for o in objectives if isinstance(o, Objective))
    return max((float(limit_s) for limit_s in limits_s if limit_s is not None), default=0.0)
