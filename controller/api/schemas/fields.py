"""Which type has each field of a goal document: how is it read, and what is its JSON schema?"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from contract.objectives import Objective
from contract.units import Rate, Seconds
from controller.api.schemas.reading import (
    PRIOR_PARTS,
    STRATEGIES,
    read_bundle,
    read_duration,
    read_objective,
    read_pattern,
    read_precision,
    read_preset,
    read_prior,
    read_rate,
    read_requests,
    read_response_header,
    read_sha256,
    read_signals_url,
    read_spikes,
    read_strategy,
    read_switch,
    read_target,
    read_url,
    read_user,
    read_warm_up,
)
from controller.search.earlier import Earlier
from controller.search.goal import Spikes, StrategyName, WarmUp
from controller.search.presets import PRESETS
from controller.search.signal_objectives import SignalObjective


def _text(about: str, example: str, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "description": about, "examples": [example]}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


_RATE_PATTERN = r"^\s*\d+(\.\d+)?\s?[kM]?\s?/\s?(s|min|h)\s*$"
_DURATION_PATTERN = r"^\s*(\d+(\.\d+)?\s?(us|ms|s|min|h)\s?)+\s*$"
_PERCENT_PATTERN = r"^\s*\d+(\.\d+)?\s?%\s*$"

RateField = Annotated[
    Rate, PlainValidator(read_rate), _text("Arrivals per s, min or h.", "10/s", _RATE_PATTERN)
]
DurationField = Annotated[
    Seconds,
    PlainValidator(read_duration),
    _text("A number and a unit of us, ms, s, min or h.", "10min", _DURATION_PATTERN),
]
PrecisionField = Annotated[
    float,
    PlainValidator(read_precision),
    _text(
        "Full width of the 90 % interval over the estimate, 0.5% to 100%.", "8%", _PERCENT_PATTERN
    ),
]
ObjectiveField = Annotated[
    Objective | SignalObjective,
    PlainValidator(read_objective),
    _text(
        "pQUANTILE METRIC <= DURATION, error_ratio <= PERCENT or goodput >= PERCENT; "
        "METRIC is response_time or service_time, in simulate ttft, tpot, itl and e2e too; "
        "'name:' before it for one request name. "
        "Of a signal: max SIGNAL <= NUMBER or min SIGNAL >= NUMBER [except PERCENT of windows].",
        "p99 response_time <= 150ms",
    ),
]
WarmUpField = Annotated[
    WarmUp, PlainValidator(read_warm_up), _text("auto, none or a duration such as 60s.", "auto")
]
SpikesField = Annotated[
    Spikes, PlainValidator(read_spikes), WithJsonSchema({"enum": ["count", "leave_out"]})
]
StrategyField = Annotated[
    StrategyName, PlainValidator(read_strategy), WithJsonSchema({"enum": list(STRATEGIES)})
]
UrlField = Annotated[
    str,
    PlainValidator(read_url),
    _text("URL that strategy external asks for rates.", "http://127.0.0.1:9000/next"),
]
SwitchField = Annotated[
    bool, PlainValidator(read_switch), WithJsonSchema({"enum": [True, False, "on", "off"]})
]
_RATE_SCHEMA = {"type": "string", "examples": ["225/s"], "pattern": _RATE_PATTERN}
PriorField = Annotated[
    Earlier,
    PlainValidator(read_prior),
    WithJsonSchema(
        {
            "description": "An earlier capacity of the same model, with its interval if known.",
            "anyOf": [
                _RATE_SCHEMA,
                {
                    "type": "object",
                    "required": ["estimate"],
                    "additionalProperties": False,
                    "properties": dict.fromkeys(PRIOR_PARTS, _RATE_SCHEMA),
                },
            ],
        }
    ),
]
ResponseHeaderField = Annotated[
    str,
    PlainValidator(read_response_header),
    _text("Response header in which replicas give their names.", "x-replica"),
]
TargetField = Annotated[
    str,
    PlainValidator(read_target),
    _text("URL of the target; sim:// for simulate.", "http://127.0.0.1:9100"),
]
UserField = Annotated[
    str,
    PlainValidator(read_user),
    _text("A file of locustfiles/ by its name, or a path on the workers.", "kserve_v2"),
]
RequestsField = Annotated[
    str,
    PlainValidator(read_requests),
    _text("sha256 of a recording uploaded as an artefact.", "0" * 64, "^[0-9a-f]{64}$"),
]
UserHashField = Annotated[
    str,
    PlainValidator(read_sha256),
    _text("sha256 of the user's file, which the workers must have.", "0" * 64, "^[0-9a-f]{64}$"),
]
BundleField = Annotated[
    str,
    PlainValidator(read_bundle),
    _text("sha256 of a zip of code uploaded as an artefact.", "0" * 64, "^[0-9a-f]{64}$"),
]
PresetField = Annotated[str, PlainValidator(read_preset), WithJsonSchema({"enum": sorted(PRESETS)})]
PatternField = Annotated[
    str,
    PlainValidator(read_pattern),
    _text(
        'NAME{label="glob"}, rate(NAME), sum, max, min or mean of that, A / B, or times a number.',
        "max(nv_gpu_utilization)",
    ),
]
SignalsUrlField = Annotated[
    str,
    PlainValidator(read_signals_url),
    _text("Page of metrics in Prometheus' text format.", "http://127.0.0.1:8002/metrics"),
]
