"""How are `workload.arrivals` and `workload.profile` read, and what is their JSON schema?"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from contract.arrivals import MOST_RATIO, check_profile
from contract.laws import RANGES, Law
from contract.units import UnitError, parse_duration
from contract.warp import Knots
from controller.api.schemas.reading import Rules

MOST_KNOTS = 1000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s?%\s*")
_EXAMPLE = "[[0s, 100%], [60s, 150%]]"


def read_law(value: Any, info: ValidationInfo[Rules]) -> Law:
    law = Law.parse(value)
    if law.kind == "replay" and not (info.context.simulating or _DIGEST.fullmatch(law.times)):
        raise UnitError(
            f"{law.times!r} is not an artefact: upload the recorded times with "
            "PUT /api/v1/artefacts/{sha256} and give its sha256 here (tonnage search does both)"
        )
    return law


def read_profile(value: Any) -> Knots:
    """Pairs of a time and a percentage, as (s, ratio)."""
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_KNOTS:
        raise UnitError(
            f"is not a list of 1 to {MOST_KNOTS} pairs of a time and a percentage of the rate: "
            f"write {_EXAMPLE}"
        )
    knots = tuple(_knot(entry, number) for number, entry in enumerate(value, start=1))
    check_profile(knots)
    return knots


def _knot(entry: Any, number: int) -> tuple[float, float]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise UnitError(
            f"entry {number} is not a time and a percentage of the rate: write {_EXAMPLE}"
        )
    at, ratio = entry
    percent = _PERCENT.fullmatch(ratio) if isinstance(ratio, str) else None
    if percent is None:
        raise UnitError(f"entry {number}: {ratio!r} is not a percentage: write one such as 150%")
    try:
        return float(parse_duration(at)), float(percent[1]) / 100
    except UnitError as error:
        raise UnitError(f"entry {number}: {error}") from error


def _one(
    kind: str, inner: dict[str, Any], optional: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [kind],
        "additionalProperties": False,
        "properties": {kind: inner, **(optional or {})},
    }


def _numbers(*names: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(names),
        "additionalProperties": False,
        "properties": {name: _number(name) for name in names},
    }


def _number(name: str) -> dict[str, Any]:
    least, most = RANGES[name]
    return {"type": "number", "minimum": least, "maximum": most}


LAW_SCHEMA: dict[str, Any] = {
    "description": (
        "The arrival process. cv is the coefficient of variation of the gaps; dispersion the index "
        "of dispersion of counts over a long time, burst the high rate over the low one; replay "
        "recorded times, over the API the sha256 of an artefact, speed how many times as fast as "
        "they came."
    ),
    "anyOf": [
        {"enum": ["poisson", "constant"]},
        _one("gamma", _numbers("cv")),
        _one("mmpp", _numbers("dispersion", "burst")),
        _one("replay", {"type": "string", "minLength": 1}, {"speed": _number("speed")}),
    ],
}
LawField = Annotated[Law, PlainValidator(read_law), WithJsonSchema(LAW_SCHEMA)]
ProfileField = Annotated[
    Knots,
    PlainValidator(read_profile),
    WithJsonSchema(
        {
            "type": "array",
            "description": (
                "Of a soak, its rate over time: [TIME, PERCENT OF THE RATE], linear between, from "
                f"0s on; up to {MOST_RATIO:.0%}. Two entries at one time are a step."
            ),
            "minItems": 1,
            "maxItems": MOST_KNOTS,
            "items": {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
            "examples": [[["0s", "100%"], ["60s", "150%"]]],
        }
    ),
]
