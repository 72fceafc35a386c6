"""How does a result read in a terminal: the answer first, then what it rests on?"""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from contract.units import format_duration, format_rate

Document = dict[str, Any]

STYLES = {"answered": "bold green", "at_least": "green", "at_most": "yellow"}
SOAKED = {"answered": "held", "at_most": "did not hold"}
WIDE = 120
"""Columns from which the table of probes has room for the reasons."""
MARKS = {"pass": "● pass", "fail": "✕ fail", "void": "○ void"}


def show(result: Document, console: Console) -> None:
    """Print the answer block and the table of probes."""
    console.print(Panel(Group(*_lines(result)), title=_title(result), expand=False))
    if result["probes"]:
        console.print(_probes(result["probes"], reasons=console.width >= WIDE))


def headline(result: Document) -> str:
    """The number and its interval, or the status when there is none."""
    capacity = result.get("capacity") or {}
    estimate = capacity.get("estimate")
    asked = (result.get("goal") or {}).get("search") or {}
    strategy = asked.get("strategy", "bayes")
    if strategy == "soak" and result["status"] in SOAKED:
        return f"{SOAKED[result['status']]} {asked.get('rate', 'search.rate')}"
    if result["status"] == "at_least":
        return f"at least {asked.get('to', 'search.to')}, the highest rate asked for"
    if result["status"] == "at_most" and estimate is not None:
        return f"no rate inside the SLO: stalls alone break it; {_rate(estimate)} between them"
    if result["status"] == "at_most":
        return f"below {asked.get('from', 'search.from')}, the lowest rate asked for"
    if estimate is None:
        return f"no number: {result['status']}"
    if capacity.get("low") is None:
        return f"about {_rate(estimate)}, without an interval"
    ends = f"{_rate(capacity['low'])} and {_rate(capacity['high'])}"
    if strategy == "bayes":
        return f"{_rate(estimate)}, 90 % between {ends}"
    if strategy == "external":
        return f"{_rate(estimate)}, between {ends}"
    return f"{_rate(estimate)}, bracketed by {ends}"


def _title(result: Document) -> Text:
    return Text(str(result["status"]), style=STYLES.get(result["status"], "bold red"))


def _lines(result: Document) -> list[Text]:
    capacity = result.get("capacity") or {}
    lines = [Text(headline(result), style="bold")]
    off = [name for name, is_on in (result.get("features") or {}).items() if not is_on]
    if off:
        warning = f"with {', '.join(off)} off: to measure its worth, no capacity to plan with"
        lines.append(Text(warning, style="yellow"))
    elif capacity.get("safe") is not None and result["status"] == "answered":
        lines.append(Text(f"safe to plan with: {_rate(capacity['safe'])}"))
    if result.get("spikes"):
        statuses = ("answered", "at_most", "no_verdict")
        counted = result["status"] in statuses and capacity.get("low") is not None
        lines.append(Text(_stalls(result["spikes"], capacity.get("strict"), counted=counted)))
    lines.append(Text(str(result["reason"])))
    gate = result.get("gate")
    if gate:
        lines.append(Text(f"require: {gate['reason']}"))
    cost = result["cost"]
    lines.append(
        Text(
            f"cost: {format_duration(cost['seconds'])}, {cost['requests']:,} requests, "
            f"{cost['bad_requests']:,} of them bad",
            style="dim",
        )
    )
    generator = result.get("generator") or {}
    if generator.get("send_lag_p99_ms") is not None:
        lines.append(
            Text(
                f"generator: send lag p99 {generator['send_lag_p99_ms']:.2f} ms, "
                f"{generator['shed']} shed, {generator['missed']} missed, "
                f"{generator['void_probes']} void probes",
                style="dim",
            )
        )
    return lines


def _stalls(spikes: list[Document], strict: float | None, *, counted: bool) -> str:
    longest_s = max(spike["seconds"] for spike in spikes)
    rate = "no rate" if strict is None else _rate(strict)
    times = "once" if len(spikes) == 1 else f"{len(spikes)} times"
    seen = f"stalls: {times}, the longest {format_duration(round(longest_s, 2))}"
    return f"{seen}; with them counted {rate}" if counted or strict is not None else seen


def _probes(probes: list[Document], *, reasons: bool) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("offered/s", "achieved/s", "p50 ms", "p99 ms", "bad", "s", "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    if reasons:
        table.add_column("because", overflow="fold")
    for probe in probes:
        times = (probe.get("metrics") or {}).get("response_time") or {}
        cells = [
            _number(probe["offered_per_s"] or probe["rate"]),
            _number(probe["achieved_per_s"]),
            _number(times.get("p50_ms")),
            _number(times.get("p99_ms")),
            str(probe["bad_requests"]),
            _number(probe["seconds"]),
            MARKS.get(probe["verdict"], probe["verdict"]),
        ]
        table.add_row(*cells, *([str(probe["reason"])] if reasons else []))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _rate(value: float) -> str:
    """Rates of one answer, with enough digits to tell its ends apart."""
    return f"{value:.1f}/s" if value < 1000 else format_rate(value)
