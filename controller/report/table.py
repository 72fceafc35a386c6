"""What do the probes of a run look like in a spreadsheet?"""

from __future__ import annotations

import csv
import io
from typing import Any

from controller.report.result import Result

COLUMNS = (
    "number",
    "purpose",
    "rate",
    "offered_per_s",
    "sent_per_s",
    "achieved_per_s",
    "requests",
    "bad_requests",
    "response_time_p50_ms",
    "response_time_p90_ms",
    "response_time_p99_ms",
    "verdict",
    "rule",
    "reason",
    "seconds",
    "health",
    "cause",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_of(result: Result) -> str:
    """One line a probe, after RFC 4180."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for probe in result["probes"]:
        times = probe["metrics"]["response_time"] or {}
        row = probe | {f"response_time_{name}": value for name, value in times.items()}
        writer.writerow({name: _cell(row.get(name)) for name in COLUMNS})
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula is quoted for it."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
