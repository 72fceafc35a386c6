"""What may stand under `workload.arrivals`, for editors?"""

from __future__ import annotations

from typing import Any

from contract.laws import RANGES


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
