"""Which recorded times does a goal document replay, and which rate do they have of their own?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contract.arrivals import ArrivalsError
from contract.laws import Law
from contract.recorded import Recorded, parse_times
from controller.errors import Fault

FIELD = "workload.arrivals"
_NO_UNIT = (
    "the unit of its times is not told, and so no rate of their own: name the field t_s, t_ms, "
    "t_us or t_ns, or leave speed out and write search.rate"
)
_TWO_RATES = "speed gives the rate: leave one of them out"


def replayed(document: Any) -> Law | None:
    """The law of a document whose arrivals are a replay; None of any other, or a wrong one."""
    workload = document.get("workload") if isinstance(document, dict) else None
    value = workload.get("arrivals") if isinstance(workload, dict) else None
    if not isinstance(value, dict) or "replay" not in value:
        return None
    try:
        return Law.parse(value)
    except ArrivalsError:
        return None  # the document's own fault


def with_own_rate(
    document: dict[str, Any], law: Law, data: bytes
) -> tuple[dict[str, Any], Recorded | None, tuple[Fault, ...]]:
    """The document with the rate of the recorded times where it asks for that, and the times.

    Those of a wrong file are None; then the faults say what is wrong, and the rate is any.
    """
    try:
        recorded = parse_times(data)
    except ArrivalsError as error:
        return _rated(document, law, 1.0), None, (Fault(FIELD, law.times, str(error)),)
    if law.speed is None:
        return document, recorded, ()
    if recorded.rate_per_s is None:
        return _rated(document, law, 1.0), None, (Fault(FIELD, law.times, _NO_UNIT),)
    search = document.get("search")
    if isinstance(search, Mapping) and "rate" in search:
        fault = Fault("search.rate", str(search["rate"]), _TWO_RATES)
        return document, None, (fault,)
    return _rated(document, law, law.speed * recorded.rate_per_s), recorded, ()


def absent(document: dict[str, Any], law: Law) -> dict[str, Any]:
    """The document where the times are not there: what else is wrong with it can be told."""
    return _rated(document, law, 1.0)


def _rated(document: dict[str, Any], law: Law, rate_per_s: float) -> dict[str, Any]:
    search = document.get("search")
    if law.speed is None or not isinstance(search, dict) or "rate" in search:
        return document
    if search.get("strategy") != "soak":
        return document
    return {**document, "search": {**search, "rate": f"{rate_per_s:.6f}/s"}}
