"""What may stand in the signals of a goal, and where is what is not said?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from contract.address import AddressError, host_port
from contract.objectives import Objective
from controller.api.schemas.fields import PatternField, PresetField, SignalsUrlField
from controller.api.schemas.reading import Rules, refuse
from controller.errors import Fault
from controller.search.goal import SignalSource
from controller.search.presets import PRESETS
from controller.search.signal_objectives import SignalObjective


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SignalsDocument(BaseModel):
    """Where the target's own metrics are, and which of them are watched; empty: none."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    url: Annotated[
        list[SignalsUrlField],
        Field(description="Page of the metrics, or a list; default is the preset's."),
        BeforeValidator(
            _one_or_many, json_schema_input_type=SignalsUrlField | list[SignalsUrlField]
        ),
    ] = []
    preset: PresetField | None = None
    metrics: Annotated[
        dict[str, PatternField],
        Field(description="Expressions by signal, beside those of the preset."),
    ] = {}

    @field_validator("metrics")
    @classmethod
    def _named(cls, metrics: dict[str, str]) -> dict[str, str]:
        wrong = [name for name in metrics if not (name.isidentifier() and name.isascii())]
        fix = "is not a name: write letters, digits and underscores, such as gpu_utilization"
        if wrong:
            refuse(*(Fault(f"signals.metrics.{name}", name, fix) for name in wrong))
        return metrics

    @property
    def expressions(self) -> dict[str, str]:
        """All of them, by signal."""
        preset = {} if self.preset is None else PRESETS[self.preset].metrics
        return {**preset, **self.metrics}


def source_of(signals: SignalsDocument, targets: Sequence[str]) -> SignalSource | None:
    """What is to be read; None when the goal watches nothing."""
    expressions = signals.expressions
    if not expressions:
        return None
    return SignalSource(urls_of(signals, targets), tuple(expressions.items()))


def urls_of(signals: SignalsDocument, targets: Sequence[str]) -> tuple[str, ...]:
    """The pages: as given, else /metrics of every target, at the preset's port if it has one."""
    if signals.url:
        return tuple(signals.url)
    port = None if signals.preset is None else PRESETS[signals.preset].port
    pages = (_page_of(target, port) for target in targets)
    return tuple(dict.fromkeys(pages))


def signal_faults(
    signals: SignalsDocument,
    slo: Iterable[Objective | SignalObjective],
    targets: Sequence[str],
) -> list[Fault]:
    """What does not fit together: a page without metrics, an objective of an unknown signal."""
    known = tuple(signals.expressions)
    if signals.url and not known:
        fix = "says what to watch nowhere: add preset or metrics"
        return [Fault("signals.url", ", ".join(signals.url), fix)]
    if known and any(target.startswith("sim://") for target in targets):
        fix = "a simulated target has no signals: leave signals and their objectives out"
        return [Fault("signals", "(given)", fix)]
    return [
        Fault(f"slo.{place}", objective.text, _undefined(objective.signal, known))
        for place, objective in enumerate(slo)
        if isinstance(objective, SignalObjective) and objective.signal not in known
    ]


def address_faults(signals: SignalsDocument, targets: Sequence[str], rules: Rules) -> list[Fault]:
    """Pages that nobody named, and that may not be asked."""
    if signals.url or not signals.expressions:
        return []
    faults = []
    for page in urls_of(signals, targets):
        try:
            rules.check_target(page)
        except ValueError as error:
            text = str(error).removeprefix(f"{page!r} ")
            faults.append(Fault("signals.url", page, f"{text}, or write signals.url"))
    return faults


def _page_of(target: str, port: int | None) -> str:
    if port is None:
        url = urlsplit(target)
        return f"{url.scheme}://{url.netloc}/metrics"
    try:
        host = host_port(target).rpartition(":")[0]
    except AddressError:  # the target's own fault says so
        host = "127.0.0.1"
    return f"http://{host}:{port}/metrics"


def _undefined(name: str, known: tuple[str, ...]) -> str:
    if not known:
        return (
            f"no signal {name!r} is defined: write signals: {{preset: triton}}, or "
            f"signals: {{metrics: {{{name}: EXPRESSION}}}}"
        )
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"no signal {name!r} is defined: {fix}"
