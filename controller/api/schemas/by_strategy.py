"""Which fields of `search` does which strategy have?"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic.config import JsonDict

from contract.units import Rate, format_rate, format_ratio
from controller.api.schemas.reading import NOT_GIVEN
from controller.errors import Fault
from controller.search.goal import StrategyName

_OF_FIELD: dict[str, tuple[str, StrategyName | None, str]] = {
    "low": ("from", None, "10/s"),
    "high": ("to", None, "2000/s"),
    "rate": ("rate", "soak", "200/s"),
    "url": ("url", "external", "http://127.0.0.1:9000/next"),
}
"""By field: its name in a goal file, the strategy it belongs to (None: all but soak), an example."""


def _if(strategy: StrategyName) -> JsonDict:
    return {"properties": {"strategy": {"const": strategy}}, "required": ["strategy"]}


NEEDS: JsonDict = {
    "allOf": [
        {
            "if": _if("soak"),
            "then": {},  # a replay may give the rate
            "else": {"required": ["from", "to"]},
        },
        {"if": _if("external"), "then": {"required": ["url"]}},
    ]
}
"""The same for editors, in JSON Schema."""


def by_strategy(name: str) -> Any:
    """A field under that name that some strategies need and the others do not have."""

    def without_default(schema: JsonDict) -> None:
        schema.pop("default", None)

    return Field(alias=name, validate_default=True, json_schema_extra=without_default)


_NOT_OF_A_SOAK = {
    "precision": "a soak gives no interval that could be so narrow: leave it out",
    "closing_probes": "a soak is one long probe and confirms nothing: leave it out",
}


def idle(field: str, value: float, strategy: StrategyName | None) -> Fault | None:
    """What is wrong with a field that was given and has no meaning in a soak."""
    if strategy != "soak":
        return None
    shown = format_ratio(value) if field == "precision" else f"{value:g}"
    return Fault(f"search.{field}", shown, _NOT_OF_A_SOAK[field])


def misfit(field: str, value: Rate | str, strategy: StrategyName | None) -> Fault | None:
    """What is wrong with a field's being there, or not; None also where the strategy is unknown."""
    if strategy is None:
        return None
    name, owner, example = _OF_FIELD[field]
    needed = strategy == owner if owner else strategy != "soak"
    given = value is not NOT_GIVEN and value != ""
    if needed and not given:
        return Fault(f"search.{name}", "(missing)", f"write {name}: {example}")
    if needed or not given:
        return None
    fix = f"belongs to strategy {owner}, and this is {strategy}: leave it out"
    if owner is None:
        fix = "a soak holds one rate: write rate: 200/s, and leave this out"
    return Fault(f"search.{name}", value if isinstance(value, str) else format_rate(value), fix)
