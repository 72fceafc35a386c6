"""How is each value of a goal document read, and what is told to someone who got it wrong?

Values are parsed with `contract`; ValueErrors are raised whose text says what would be right, and
`faults` turns them into entries of a problem. Checks that need to know where the goal
will run (which targets are allowed, which users exist) take that from the validation context,
which is a `Rules`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, get_args

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from contract.bundle import SWITCH
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
STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)


def _no_url(url: str) -> None:
    raise UnitError(f"{url!r} cannot be asked here: use another strategy")


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
PRIOR_PARTS = ("estimate", "low", "high")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a goal is held to beyond its own text.

    `bundles`: the operator lets code be uploaded.

    `check_target`, `check_user` and `check_url` (of an advisor) raise ValueError with the fix in
    the text; they see the value as it was given.
    """

    check_target: Callable[[str], None]
    check_user: Callable[[str], None]
    simulating: bool = False
    bundles: bool = False
    check_url: Callable[[str], None] = _no_url


def refuse(*faults: Fault) -> NoReturn:
    """Report fields as wrong from a validator that stands elsewhere, such as their parent's."""
    raise PydanticCustomError("goal", "the goal is wrong", {"faults": faults})


def read_rate(value: Any) -> Rate:
    return NOT_GIVEN if value is NOT_GIVEN else parse_rate(value)


def read_duration(value: Any) -> Seconds:
    seconds = parse_duration(value)
    if seconds <= 0:
        raise UnitError(f"{value!r} must be above zero, such as 10s")
    return seconds


def read_precision(value: Any) -> float:
    ratio = parse_ratio(value)
    if not _MIN_PRECISION <= ratio <= _MAX_PRECISION:
        raise UnitError(
            f"{value!r} is not a precision: write the full width of the interval over the "
            "estimate, from 0.5% to 100%, such as 8%"
        )
    return ratio


def read_objective(value: Any, info: ValidationInfo[Rules]) -> Objective | SignalObjective:
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


def read_warm_up(value: Any) -> WarmUp:
    match value:
        case "auto":
            return "auto"
        case "none":
            return "none"
    try:
        return read_duration(value)
    except UnitError as error:
        raise UnitError(
            f"{value!r} is not a warm-up: write auto, none or a duration such as 60s"
        ) from error


def read_spikes(value: Any) -> Spikes:
    match value:
        case "count":
            return "count"
        case "leave_out":
            return "leave_out"
    raise UnitError(
        f"{value!r} is not known: write count (a stall counts against the target) or leave_out"
    )


def read_strategy(value: Any) -> StrategyName:
    for name in STRATEGIES:
        if value == name:
            return name
    known = f"{', '.join(STRATEGIES[:-1])} or {STRATEGIES[-1]}"
    raise UnitError(f"{value!r} is not a strategy: write {known}")


def read_target(value: Any, info: ValidationInfo[Rules]) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a URL: write one such as http://127.0.0.1:9100")
    info.context.check_target(value)
    return value


def read_url(value: Any, info: ValidationInfo[Rules]) -> str:
    if value is NOT_GIVEN:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a URL: write one such as http://127.0.0.1:9000/next")
    info.context.check_url(value)
    return value


def read_user(value: Any, info: ValidationInfo[Rules]) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a user: write a name of locustfiles/ or a path")
    info.context.check_user(value)
    return value


def read_requests(value: Any, info: ValidationInfo[Rules]) -> str:
    if isinstance(value, str) and (info.context.simulating or _DIGEST.fullmatch(value)):
        return value
    raise UnitError(
        f"{value!r} is not an artefact: upload the recording with "
        "PUT /api/v1/artefacts/{sha256} and give its sha256 here (tonnage search does both)"
    )


def read_sha256(value: Any) -> str:
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    raise UnitError(f"{value!r} is not a sha256 of 64 hexadecimal digits, such as sha256sum prints")


def read_bundle(value: Any, info: ValidationInfo[Rules]) -> str:
    if not (info.context.bundles or info.context.simulating):
        raise UnitError(
            f"{value!r} is code, and this controller takes none: install the locustfile on the "
            f"workers, or set {SWITCH}=on for the controller and every worker"
        )
    if isinstance(value, str) and (info.context.simulating or _DIGEST.fullmatch(value)):
        return value
    raise UnitError(
        f"{value!r} is not an artefact: upload the zip with "
        "PUT /api/v1/artefacts/{sha256} and give its sha256 here (tonnage search does both)"
    )


def read_preset(value: Any) -> str:
    if isinstance(value, str) and value in PRESETS:
        return value
    known = ", ".join(sorted(PRESETS))
    near = difflib.get_close_matches(str(value).lower(), PRESETS, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"write one of {known}, or use metrics"
    raise UnitError(f"{value!r} is not a preset: {fix}")


def read_pattern(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not an expression: write the name of a metric")
    parse_pattern(value)
    return value


def read_signals_url(value: Any, info: ValidationInfo[Rules]) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{value!r} is not a URL: write one such as http://127.0.0.1:8002/metrics")
    if not info.context.simulating:
        info.context.check_target(value)
    return value


def read_switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("on", "off"):
        return bool(value == "on")
    raise UnitError(f"{value!r} is not a switch: write on or off")


def read_prior(value: Any) -> Earlier:
    if not isinstance(value, dict):
        return Earlier(parse_rate(value))
    if "estimate" not in value or not set(value) <= set(PRIOR_PARTS):
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


def read_response_header(value: Any) -> str:
    if isinstance(value, str) and _HEADER_NAME.fullmatch(value):
        return value.lower()
    raise UnitError(f"{value!r} is not a header name: write one such as x-replica")
