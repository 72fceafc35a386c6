"""How are `workload.arrivals` and `workload.profile` read, and what is their JSON schema?"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from contract.arrivals import MOST_RATIO, check_profile
from contract.laws import RANGES, Law
from contract.units import UnitError, parse_duration
from contract.warp import Knots

MOST_KNOTS = 1000
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s?%\s*")
_EXAMPLE = "[[0s, 100%], [60s, 150%]]"


def read_law(value: Any) -> Law:
    law = Law.parse(value)
    if law.kind == "replay":
        raise UnitError("replaying recorded times is not offered yet: write another law")
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


def _one(kind: str, inner: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [kind],
        "additionalProperties": False,
        "properties": {kind: inner},
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
        "of dispersion of counts over a long time, burst the high rate over the low one."
    ),
    "anyOf": [
        {"enum": ["poisson", "constant"]},
        _one("gamma", _numbers("cv")),
        _one("mmpp", _numbers("dispersion", "burst")),
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
