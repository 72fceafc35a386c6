"""What does a person see while a search runs: a panel in a terminal, plain lines elsewhere?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from contract.units import format_duration

Document = dict[str, Any]
QUIET_S = 5.0
"""Plain output repeats the measurement of the probe in progress this often."""


class Watch(Protocol):
    """Shows views as they come."""

    def draw(self, view: Document) -> None: ...

    def say(self, text: str) -> None: ...


@contextmanager
def watching(console: Console) -> Iterator[Watch]:
    """A panel that is redrawn in a terminal; plain lines when output is not one."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(Text("starting"), console=console, refresh_per_second=4, transient=True) as live:
        yield LivePanel(live)


class LivePanel:
    """The run as a panel: where it stands, the probe in progress, the last verdicts."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def draw(self, view: Document) -> None:
        lines = [Text(standing(view), style="bold"), Text(spending(view), style="dim")]
        current = measuring(view)
        if current:
            lines.append(Text(current))
        lines += [Text(verdict(p), style=_style(p)) for p in view["probes"][-6:]]
        title = f"{view['name']} · {view['state']}"
        self._live.update(Panel(Group(*lines), title=title, expand=False))

    def say(self, text: str) -> None:
        self._live.console.print(text, style="dim", markup=False, highlight=False)


class Lines:
    """One line per thing that happened, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = ""
        self._probes = 0
        self._notes: set[tuple[float, str]] = set()
        self._measured_at = 0.0

    def draw(self, view: Document) -> None:
        if view["state"] != self._state:
            self._state = view["state"]
            self.say(f"{view['name']}: {self._state}")
        for note in view["notes"]:
            if (key := (note["at"], note["text"])) not in self._notes:
                self._notes.add(key)
                self.say(note["text"])
        for probe in view["probes"][self._probes :]:
            self.say(f"{verdict(probe)}; {standing(view)}; {spending(view)}")
        self._probes = len(view["probes"])
        if view["curve"] and time.monotonic() - self._measured_at >= QUIET_S:
            self._measured_at = time.monotonic()
            self.say(measuring(view))

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def standing(view: Document) -> str:
    """Interval and bracket so far; of a soak how it went."""
    strategy = ((view.get("goal") or {}).get("search") or {}).get("strategy", "bayes")
    if strategy == "soak":
        return soaking(view)
    if view["estimate"] is not None and view["low"] is not None:
        within = "90 % in" if strategy == "bayes" else "bracketed by"
        interval = (
            f"capacity about {view['estimate']:.1f}/s, "
            f"{within} {view['low']:.1f}–{view['high']:.1f}/s"
        )
    else:
        interval = "no interval yet"
    passed = [p["rate"] for p in view["probes"] if _is(p, "pass")]
    failed = [p["rate"] for p in view["probes"] if _is(p, "fail")]
    floor = f"{max(passed):.1f}" if passed else "–"
    above = [rate for rate in failed if not passed or rate > max(passed)]
    ceiling = f"{min(above):.1f}" if above else "–"
    return f"{interval} · passed {floor}/s, failed {ceiling}/s"


def soaking(view: Document) -> str:
    """How long a soak has held its rate, and how many bad arrivals that had."""
    held = [p for p in view["probes"] if p["purpose"] == "soak" and p["verdict"] != "void"]
    if not held:
        return "not soaking yet"
    seconds = format_duration(round(sum(p["seconds"] for p in held)))
    bad, sent = sum(p["bad_requests"] for p in held), sum(p["requests"] for p in held)
    return f"held {held[-1]['rate']:.1f}/s for {seconds}: {bad:,} of {sent:,} requests bad"


def spending(view: Document) -> str:
    """Seconds and requests spent, and what is left of the budget at worst."""
    started = view["started_at"] or view["created_at"] or time.time()
    spent = max(0.0, (view["ended_at"] or time.time()) - started)
    requests = view["cost"]["requests"]
    left = max(0.0, (view["budget_s"] or 0.0) - spent)
    return (
        f"{format_duration(round(spent))} and {requests:,} requests spent, "
        f"at most {format_duration(round(left))} left"
    )


def measuring(view: Document) -> str:
    """The probe in progress, empty when there is none."""
    probe, curve = view["current"], view["curve"]
    if not probe:
        return ""
    head = f"probe {probe['number']} ({probe['purpose'].replace('_', '-')}): {probe['rate']:.1f}/s"
    if not curve:
        return f"{head}: {probe['why']}" if probe["why"] else head
    now = curve[-1]
    tail = [f"{now['in_flight']} in flight"]
    if now.get("health"):
        tail.append(str(now["health"]))
    tail += [f"{name} {value:.3g}" for name, value in list((now.get("signals") or {}).items())[:4]]
    return (
        f"{head}, offered {_whole(now['offered_per_s'])}, "
        f"achieved {_whole(now['achieved_per_s'])}/s, "
        f"p50 {_ms(now['p50_ms'])}, p90 {_ms(now['p90_ms'])}, p99 {_ms(now['p99_ms'])} ms, "
        f"{', '.join(tail)}"
    )


def verdict(probe: Document) -> str:
    """One decided probe in a line."""
    head = f"probe {probe['number']} ({probe['purpose'].replace('_', '-')})"
    return f"{head}: {probe['rate']:.1f}/s {probe['verdict']}: {probe['reason']}"


def _is(probe: Document, wanted: str) -> bool:
    return bool(probe["verdict"] == wanted and probe["purpose"] != "scale")


def _style(probe: Document) -> str:
    return {"pass": "cyan", "fail": "red", "void": "yellow"}[probe["verdict"]]


def _ms(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds:.0f}"


def _whole(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.0f}"
