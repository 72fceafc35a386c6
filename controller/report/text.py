"""What does a run's answer look like in a terminal, without colours?"""

from __future__ import annotations

from typing import Any

from contract.units import format_duration, format_rate
from controller.report.page import answer
from controller.report.result import Result

_ROW = "{:>4}  {:>9}  {:>9}  {:>10}  {:<7}  {}"


def text_of(result: Result) -> str:
    """The answer, its reason and a line a probe."""
    cost, gate = result["cost"], result["gate"]
    lines = [answer(result), str(result["reason"])]
    if gate is not None:
        lines.append(str(gate["reason"]))
    lines += ["", _ROW.format("#", "offered", "achieved", "p99", "verdict", "because")]
    lines += [_line(probe) for probe in result["probes"]]
    seconds = format_duration(round(cost["seconds"] or 0.0))
    lines += ["", f"{cost['requests']} requests, {cost['bad_requests']} of them bad, in {seconds}"]
    return "\n".join(lines) + "\n"


def _line(probe: dict[str, Any]) -> str:
    p99_ms = (probe["metrics"]["response_time"] or {}).get("p99_ms")
    return _ROW.format(
        probe["number"],
        format_rate(probe["rate"]),
        format_rate(probe["achieved_per_s"] or 0.0),
        "–" if p99_ms is None else format_duration(p99_ms / 1000),
        probe["verdict"],
        probe["reason"],
    )
