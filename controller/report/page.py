"""What does a run's answer look like on one page that needs nothing else?"""

from __future__ import annotations

from html import escape
from typing import Any

from contract.units import format_rate
from controller.report.result import Result

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #8884; }
th:last-child, td:last-child { text-align: left; }
.answer { font-size: 1.6rem; } .pass { color: #00806f; } .fail { color: #c8401f; }
.void { color: #808080; }
"""
KINDS = {"bayes": "90 % interval", "external": "range"}
"""By strategy; the others have a bracket of verdicts, no probability. The reason says whose range."""
_MARKS = {"pass": "●", "fail": "✕", "void": "○"}
_HEADS = ("#", "offered", "achieved", "p50", "p90", "p99", "requests", "bad", "verdict", "because")


def html_of(result: Result) -> str:
    """The answer, what it cost, and every probe."""
    title = escape(str(result["goal"].get("name") or result["run"]))
    rows = "\n".join(_row(probe) for probe in result["probes"])
    heads = "".join(f"<th scope='col'>{head}</th>" for head in _HEADS)
    cost, generator = result["cost"], result["generator"]
    lag = _number(generator["send_lag_p99_ms"], "ms")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} – Tonnage</title>
<style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<p class="answer">{escape(answer(result))}</p>
<p>{escape(str(result["reason"]))}</p>
{_gate(result["gate"])}
<p>{cost["requests"]} requests, {cost["bad_requests"]} of them bad, in {cost["seconds"] or 0:.0f} s;
send lag p99 {lag}, {generator["shed"]} shed, {generator["missed"]} missed,
{generator["void_probes"]} void probes. Seed {result["seed"]}, run {escape(result["run"])}.</p>
<table><caption>Probes</caption><thead><tr>{heads}</tr></thead><tbody>
{rows}
</tbody></table>
{_signals(result["probes"])}
</body></html>
"""


def answer(result: Result) -> str:
    """The status with its numbers, in a few words; with features off it says so."""
    capacity = result["capacity"]
    off = [name for name, is_on in result["features"].items() if not is_on]
    note = f" (with {', '.join(off)} off: no capacity to plan with)" if off else ""
    return _answer_of(result, capacity) + note


def _answer_of(result: Result, capacity: Result) -> str:
    strategy = (result["goal"].get("search") or {}).get("strategy", "bayes")
    status, estimate = str(result["status"]), capacity["estimate"]
    if status == "answered" and strategy == "soak" and estimate is not None:
        return f"{status}: held {format_rate(estimate)}"
    if estimate is None or capacity["low"] is None or capacity["high"] is None:
        unbounded = status == "answered" and estimate is not None
        return f"{status}: {format_rate(estimate)} (no interval)" if unbounded else status
    kind = KINDS.get(strategy, "bracket")
    return (
        f"{result['status']}: {format_rate(capacity['estimate'])} "
        f"({kind} {format_rate(capacity['low'])} to {format_rate(capacity['high'])})"
    )


def _gate(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return ""
    said = {True: "met", False: "not met", None: "not decided"}[gate["met"]]
    return f"<p>Required {format_rate(gate['require'])}: {said}. {escape(gate['reason'])}</p>"


def _row(probe: dict[str, Any]) -> str:
    times = probe["metrics"]["response_time"] or {}
    verdict = escape(probe["verdict"])
    cells = [
        str(probe["number"]),
        _number(probe["offered_per_s"] or probe["rate"], "/s"),
        _number(probe["achieved_per_s"], "/s"),
        *(_number(times.get(name), "ms") for name in ("p50_ms", "p90_ms", "p99_ms")),
        str(probe["requests"]),
        str(probe["bad_requests"]),
        f"<span class='{verdict}'>{_MARKS.get(verdict, '')} {verdict}</span>",
        escape(probe["reason"]),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _signals(probes: list[dict[str, Any]]) -> str:
    """What the target said of itself, where it did: mean and highest of a probe."""
    names = list(dict.fromkeys(name for probe in probes for name in probe["signals"]))
    if not names:
        return ""
    heads = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    rows = []
    for probe in probes:
        seen = [probe["signals"].get(name) for name in names]
        cells = "".join(f"<td>{_seen(signal)}</td>" for signal in seen)
        rows.append(f"<tr><td>{probe['number']}</td>{cells}<td>{probe['health'] or '–'}</td></tr>")
    return (
        "<table><caption>Signals: mean (highest) of a probe</caption><thead><tr>"
        f"<th scope='col'>#</th>{heads}<th scope='col'>health</th></tr></thead><tbody>"
        f"{''.join(rows)}</tbody></table>"
    )


def _seen(signal: dict[str, float | None] | None) -> str:
    if signal is None or signal["mean"] is None or signal["highest"] is None:
        return "–"
    return f"{signal['mean']:.3g} ({signal['highest']:.3g})"


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.4g} {unit}"
