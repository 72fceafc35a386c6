"""Which goal is met, and what does the table say of it?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Bound:
    """One number of a goal: `limit` is the least it may be, or with `at_most` the most."""

    name: str
    limit: float
    unit: str = ""
    at_most: bool = False

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit

    @property
    def text(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{self.name} {sign} {shown(self.limit, self.unit)}".strip()


@dataclass(frozen=True, slots=True)
class Measured:
    """Values of one bound, one a round."""

    bound: Bound
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool:
        return self.bound.holds(self.median)

    @property
    def text(self) -> str:
        unit, values = self.bound.unit, self.values
        spread = f" ({shown(min(values), '')}–{shown(max(values), '')})" if len(values) > 1 else ""
        return f"{self.bound.name} {shown(self.median, unit)}{spread}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A goal with what was measured; `facts` that must hold as well, by name."""

    goal: str
    what: str
    measured: tuple[Measured, ...]
    reason: str
    busy_ratio: float
    facts: tuple[tuple[str, bool], ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        return all(m.is_met for m in self.measured) and all(holds for _, holds in self.facts)

    @property
    def wanted(self) -> str:
        return ", ".join(
            [*(m.bound.text for m in self.measured), *(name for name, _ in self.facts)]
        )

    @property
    def value(self) -> str:
        facts = [f"{name}: {'yes' if holds else 'no'}" for name, holds in self.facts]
        return ", ".join([*(m.text for m in self.measured), *facts])

    def as_json(self) -> dict[str, Any]:
        return {
            "goal": self.goal,
            "what": self.what,
            "wanted": self.wanted,
            "value": self.value,
            "met": self.is_met,
            "reason": self.reason,
            "busy_ratio": round(self.busy_ratio, 3),
            "values": {m.bound.name: list(m.values) for m in self.measured},
            "detail": self.detail,
        }


HEAD = "| goal | wanted | value | met | machine busy | reason |\n|---|---|---|---|---|---|"


def line(row: Row) -> str:
    """A row of the table, in Markdown."""
    met = "yes" if row.is_met else "**no**"
    cells = (row.what, row.wanted, row.value, met, f"{row.busy_ratio:.0%}", row.reason)
    return "| " + " | ".join(cells) + " |"


def shown(value: float, unit: str) -> str:
    """Three digits, whole numbers with commas."""
    if abs(value) >= 1000:
        text = f"{value:,.0f}"
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return f"{text} {unit}".strip() if unit != "×" else f"{text}×"


def middle(values: Sequence[float]) -> float:
    """The median; 0 of nothing."""
    return statistics.median(values) if values else 0.0
