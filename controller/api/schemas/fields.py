"""How is each value of a goal document read, and what is told to someone who got it wrong?

Every field's type here parses with `contract` and raises ValueErrors whose text says what would
be right; `faults` turns them into entries of a problem. Checks that need to know where the goal
will run (which targets are allowed, which users exist) take that from the validation context,
which is a `Rules`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, get_args

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from contract.arrivals import Law
from contract.objectives import Objective, ObjectiveError, parse_objective
from contract.units import (
    Rate,
    Seconds,
    UnitError,
    parse_duration,
    parse_rate,
    parse_ratio,
)
from controller.errors import Fault
from controller.search.earlier import Earlier
from controller.search.goal import Spikes, StrategyName, WarmUp
from controller.search.patterns import parse_pattern
from controller.search.presets import PRESETS
from controller.search.signal_objectives import (
    SignalObjective,
    parse_signal_objective,
    reads_as_signal,
)

MEASURED_METRICS = ("response_time", "service_time")
"""Metrics the users of this version time; the others wait for a token-wise client."""

HIDDEN = "(not shown)"
"""Stands for a value that may be a secret, or too long to repeat."""

NOT_GIVEN = Rate(math.nan)
"""Stands for a rate that is not in the document, which no document can say."""

_MIN_PRECISION, _MAX_PRECISION = 0.005, 1.0
_DIGEST = re.compile(r"[0-9a-f]{64}")
_STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)


def _no_url(url: str) -> None:
    raise UnitError(f"{url!r} cannot be asked here: use another strategy")


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_PRIOR_PARTS = ("estimate", "low", "high")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a goal is held to beyond its own text.

    `check_target`, `check_user` and `check_url` (of an advisor) raise ValueError with the fix in
    the text; they see the value as it was given.
    """

    check_target: Callable[[str], None]
    check_user: Callable[[str], None]
    simulating: bool = False
    check_url: Callable[[str], None] = _no_url


def refuse(*faults: Fault) -> NoReturn:
    """Report fields as wrong from a validator that stands elsewhere, such as their parent's."""
    raise PydanticCustomError("goal", "the goal is wrong", {"faults": faults})


def _rate(value: Any) -> Rate:
    return NOT_GIVEN if value is NOT_GIVEN else parse_rate(value)


def _duration(value: Any) -> Seconds:
    seconds = parse_duration(value)
    if seconds <= 0:
        raise UnitError(f"{value!r} must be above zero, such as 10s")
    return seconds


def _precision(value: Any) -> float:
    ratio = parse_ratio(value)
    if not _MIN_PRECISION <= ratio <= _MAX_PRECISION:
        raise UnitError(
            f"{value!r} is not a precision: write the full width of the interval over the "
            "estimate, from 0.5% to 100%, such as 8%"
        )
    return ratio


def _objective(value: Any, info: ValidationInfo[Rules]) -> Objective | SignalObjective:
    if reads_as_signal(value):
        return parse_signal_objective(value)
    objective = parse_objective(value)
    if info.context.simulating:  # the simulated target says in preflight what it has
        return objective
    if objective.metric is not None and objective.metric not in MEASURED_METRICS:
        raise ObjectiveError(
            f"{value!r}: {objective.metric} is not yet measured by this user: "
            f"write {' or '.join(MEASURED_METRICS)}, error_ratio or goodput"
        )
    return objective


def _law(value: Any) -> Law:
    return Law.parse(value)


def _warm_up(value: Any) -> WarmUp:
    match value:
        case "auto":
            return "auto"
        case "none":
            return "none"
    try:
        return _duration(value)
    except UnitError as error:
        raise UnitError(
            f"{value!r} is not a warm-up: write auto, none or a duration such as 60s"
        ) from error


def _spikes(value: Any) -> Spikes:
    match value:
        case "count":
            return "count"
        case "leave_out":
            return "leave_out"
    raise UnitError(
        f"{value!r} is not known: write count (a stall counts against the target) or leave_out"
    )


def _strategy(value: Any) -> StrategyName:
    for name in _STRATEGIES:
        if value == name:
            return name
    known = f"{', '.join(_STRATEGIES[:-1])} or {_STRATEGIES[-1]}"
    raise UnitError(f"{value!r} is not a strategy: write {known}")


def _target(value: Any, info: ValidationInfo[Rules]) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a URL: write one such as http://127.0.0.1:9100")
    info.context.check_target(value)
    return value


def _url(value: Any, info: ValidationInfo[Rules]) -> str:
    if value is NOT_GIVEN:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a URL: write one such as http://127.0.0.1:9000/next")
    info.context.check_url(value)
    return value


def _user(value: Any, info: ValidationInfo[Rules]) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a user: write a name of locustfiles/ or a path")
    info.context.check_user(value)
    return value


def _requests(value: Any, info: ValidationInfo[Rules]) -> str:
    if isinstance(value, str) and (info.context.simulating or _DIGEST.fullmatch(value)):
        return value
    raise UnitError(
        f"{value!r} is not an artefact: upload the recording with "
        "PUT /api/v1/artefacts/{sha256} and give its sha256 here (tonnage search does both)"
    )


def _preset(value: Any) -> str:
    if isinstance(value, str) and value in PRESETS:
        return value
    known = ", ".join(sorted(PRESETS))
    near = difflib.get_close_matches(str(value).lower(), PRESETS, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"write one of {known}, or use metrics"
    raise UnitError(f"{value!r} is not a preset: {fix}")


def _pattern(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not an expression: write the name of a metric")
    parse_pattern(value)
    return value


def _signals_url(value: Any, info: ValidationInfo[Rules]) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a URL: write one such as http://127.0.0.1:8002/metrics")
    if not info.context.simulating:
        info.context.check_target(value)
    return value


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("on", "off"):
        return bool(value == "on")
    raise UnitError(f"{value!r} is not a switch: write on or off")


def _prior(value: Any) -> Earlier:
    if not isinstance(value, dict):
        return Earlier(parse_rate(value))
    if "estimate" not in value or not set(value) <= set(_PRIOR_PARTS):
        raise UnitError(
            "write an earlier capacity, such as 225/s or {estimate: 225/s, low: 214/s, high: 236/s}"
        )
    rates = {name: parse_rate(rate) for name, rate in value.items() if rate is not None}
    low, high = rates.get("low"), rates.get("high")
    if (low is None) != (high is None):
        raise UnitError("has one end of its interval: write both low and high, or neither")
    if low is not None and high is not None and not 0 < low <= rates["estimate"] <= high:
        raise UnitError("low, estimate and high must be above zero and in that order")
    return Earlier(rates["estimate"], low, high)


def _response_header(value: Any) -> str:
    if isinstance(value, str) and _HEADER_NAME.fullmatch(value):
        return value.lower()
    raise UnitError(f"{value!r} is not a header name: write one such as x-replica")


def _text(about: str, example: str, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "description": about, "examples": [example]}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


_RATE_PATTERN = r"^\s*\d+(\.\d+)?\s?[kM]?\s?/\s?(s|min|h)\s*$"
_DURATION_PATTERN = r"^\s*(\d+(\.\d+)?\s?(us|ms|s|min|h)\s?)+\s*$"
_PERCENT_PATTERN = r"^\s*\d+(\.\d+)?\s?%\s*$"

RateField = Annotated[
    Rate, PlainValidator(_rate), _text("Arrivals per s, min or h.", "10/s", _RATE_PATTERN)
]
DurationField = Annotated[
    Seconds,
    PlainValidator(_duration),
    _text("A number and a unit of us, ms, s, min or h.", "10min", _DURATION_PATTERN),
]
PrecisionField = Annotated[
    float,
    PlainValidator(_precision),
    _text(
        "Full width of the 90 % interval over the estimate, 0.5% to 100%.", "8%", _PERCENT_PATTERN
    ),
]
ObjectiveField = Annotated[
    Objective | SignalObjective,
    PlainValidator(_objective),
    _text(
        "pQUANTILE METRIC <= DURATION, error_ratio <= PERCENT or goodput >= PERCENT; "
        "METRIC is response_time or service_time, in simulate ttft, tpot, itl and e2e too; "
        "'name:' before it for one request name. "
        "Of a signal: max SIGNAL <= NUMBER or min SIGNAL >= NUMBER [except PERCENT of windows].",
        "p99 response_time <= 150ms",
    ),
]
LawField = Annotated[
    Law,
    PlainValidator(_law),
    WithJsonSchema(
        {
            "description": "The arrival process; cv is the coefficient of variation of the gaps.",
            "anyOf": [
                {"enum": ["poisson", "constant"]},
                {
                    "type": "object",
                    "required": ["gamma"],
                    "additionalProperties": False,
                    "properties": {
                        "gamma": {
                            "type": "object",
                            "required": ["cv"],
                            "additionalProperties": False,
                            "properties": {
                                "cv": {"type": "number", "minimum": 0.01, "maximum": 10}
                            },
                        }
                    },
                },
            ],
        }
    ),
]
WarmUpField = Annotated[
    WarmUp, PlainValidator(_warm_up), _text("auto, none or a duration such as 60s.", "auto")
]
SpikesField = Annotated[
    Spikes, PlainValidator(_spikes), WithJsonSchema({"enum": ["count", "leave_out"]})
]
StrategyField = Annotated[
    StrategyName, PlainValidator(_strategy), WithJsonSchema({"enum": list(_STRATEGIES)})
]
UrlField = Annotated[
    str,
    PlainValidator(_url),
    _text("URL that strategy external asks for rates.", "http://127.0.0.1:9000/next"),
]
SwitchField = Annotated[
    bool, PlainValidator(_switch), WithJsonSchema({"enum": [True, False, "on", "off"]})
]
_RATE_SCHEMA = {"type": "string", "examples": ["225/s"], "pattern": _RATE_PATTERN}
PriorField = Annotated[
    Earlier,
    PlainValidator(_prior),
    WithJsonSchema(
        {
            "description": "An earlier capacity of the same model, with its interval if known.",
            "anyOf": [
                _RATE_SCHEMA,
                {
                    "type": "object",
                    "required": ["estimate"],
                    "additionalProperties": False,
                    "properties": dict.fromkeys(_PRIOR_PARTS, _RATE_SCHEMA),
                },
            ],
        }
    ),
]
ResponseHeaderField = Annotated[
    str,
    PlainValidator(_response_header),
    _text("Response header in which replicas give their names.", "x-replica"),
]
TargetField = Annotated[
    str,
    PlainValidator(_target),
    _text("URL of the target; sim:// for simulate.", "http://127.0.0.1:9100"),
]
UserField = Annotated[
    str,
    PlainValidator(_user),
    _text("A file of locustfiles/ by its name, or a path on the workers.", "kserve_v2"),
]
RequestsField = Annotated[
    str,
    PlainValidator(_requests),
    _text("sha256 of a recording uploaded as an artefact.", "0" * 64, "^[0-9a-f]{64}$"),
]
PresetField = Annotated[str, PlainValidator(_preset), WithJsonSchema({"enum": sorted(PRESETS)})]
PatternField = Annotated[
    str,
    PlainValidator(_pattern),
    _text(
        'NAME{label="glob"}, rate(NAME), sum, max, min or mean of that, A / B, or times a number.',
        "max(nv_gpu_utilization)",
    ),
]
SignalsUrlField = Annotated[
    str,
    PlainValidator(_signals_url),
    _text("Page of metrics in Prometheus' text format.", "http://127.0.0.1:8002/metrics"),
]
