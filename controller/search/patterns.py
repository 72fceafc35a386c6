"""How does a signal follow from what a server exposes?

    EXPRESSION   TERM [/ TERM] [* NUMBER]
    TERM         FOLD(SERIES) or SERIES; FOLD is sum, max, min or mean
    SERIES       NAME[{label="glob", ...}], or rate(of that)

    max(nv_gpu_utilization{gpu_uuid="GPU-*"})
    rate(nv_inference_queue_duration_us) / rate(nv_inference_request_success) * 1e-6

`rate` is the increase per second since the last look, of every series by itself; one that fell was
reset and is left out. Several series make one number by the word before them; without one counters
and rates are added up, of others the largest counts. What cannot be told (no such series, a first
look at a rate, nothing to divide by) is no value. The format read is Prometheus text 0.0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Fold = Literal["sum", "max", "min", "mean"]
Labels = tuple[tuple[str, str], ...]

_TERM = re.compile(
    r"\s*(?:(?P<fold>sum|max|min|mean)\s*(?P<open>\()\s*)?(?:(?P<rate>rate)\s*\(\s*)?"
    r"(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)\s*(?P<braces>\{(?P<labels>[^{}]*)\})?"
    r"(?P<close>(?:\s*\))*)\s*",
    re.ASCII,
)
_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*"([^"]*)"\s*', re.ASCII)
_FACTOR = re.compile(r"\*\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*", re.ASCII)
_SHAPE = 'NAME, NAME{label="glob"}, rate(NAME), max(NAME), A / B or NAME * 0.01'
_FOLDS: Mapping[Fold, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "max": max,
    "min": min,
    "mean": lambda values: math.fsum(values) / len(values),
}


class PatternError(ValueError):
    """An expression cannot be read."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """What was exposed at `at_s`, on any clock that only grows: values by name and labels.

    `counters` are the names of series that only grow.
    """

    at_s: float
    series: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Term:
    """Some series of one name, as one number. `labels` are (label, glob)."""

    name: str
    labels: Labels = ()
    rate: bool = False
    fold: Fold | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression as read; `text` is as written."""

    text: str
    term: Term
    over: Term | None = None
    factor: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the series it needs."""
        return (self.term.name,) if self.over is None else (self.term.name, self.over.name)


def parse_pattern(text: str) -> Pattern:
    """Read an expression.

    Raises:
        PatternError: with the text and what would be right.
    """
    term, position = _term(text, 0)
    over, factor = None, 1.0
    if text[position : position + 1] == "/":
        over, position = _term(text, position + 1)
    if (found := _FACTOR.match(text, position)) is not None:
        factor, position = float(found[1]), found.end()
    if position != len(text):
        raise PatternError(
            f"{text!r} cannot be read from {text[position:][:20]!r} on: write {_SHAPE}"
        )
    return Pattern(text, term, over, factor)


def value_of(pattern: Pattern, now: Scrape, before: Scrape | None) -> float | None:
    """The signal's value by the latest scrape and the one before it; None when there is none."""
    value = _folded(pattern.term, now, before)
    if value is not None and pattern.over is not None:
        divisor = _folded(pattern.over, now, before)
        value = value / divisor if divisor else None
    return None if value is None or not math.isfinite(value) else value * pattern.factor


def _term(text: str, position: int) -> tuple[Term, int]:
    found = _TERM.match(text, position)
    if found is None:
        raise PatternError(f"{text!r} is not the name of a metric: write {_SHAPE}")
    opened = bool(found["fold"]) + bool(found["rate"])
    if found["close"].count(")") != opened:
        raise PatternError(f"{text!r} has a parenthesis too many or too few: write {_SHAPE}")
    labels = tuple(_matchers(text, found["labels"])) if found["braces"] else ()
    fold: Fold | None = next((name for name in _FOLDS if name == found["fold"]), None)
    return Term(found["name"], labels, bool(found["rate"]), fold), found.end()


def _matchers(text: str, labels: str) -> Iterable[tuple[str, str]]:
    for part in labels.rstrip().removesuffix(",").split(","):
        found = _MATCHER.fullmatch(part)
        if found is None:
            raise PatternError(f'{text!r}: {part.strip()!r} is not a label: write model="ranker*"')
        yield found[1], found[2]


def _folded(term: Term, now: Scrape, before: Scrape | None) -> float | None:
    values = list(_rates(term, now, before) if term.rate else _values(term, now).values())
    if not values:
        return None
    adds_up = term.rate or term.name in now.counters
    return _FOLDS[term.fold or ("sum" if adds_up else "max")](values)


def _rates(term: Term, now: Scrape, before: Scrape | None) -> Iterable[float]:
    if before is None or now.at_s <= before.at_s:
        return
    earlier, seconds = _values(term, before), now.at_s - before.at_s
    for labels, value in _values(term, now).items():
        if labels in earlier and value >= earlier[labels]:
            yield (value - earlier[labels]) / seconds


def _values(term: Term, scrape: Scrape) -> Mapping[Labels, float]:
    wanted = [(label, _glob(glob)) for label, glob in term.labels]
    return {
        labels: value
        for labels, value in scrape.series.get(term.name, {}).items()
        if math.isfinite(value) and _fits(dict(labels), wanted)
    }


def _fits(labels: Mapping[str, str], wanted: list[tuple[str, re.Pattern[str]]]) -> bool:
    return all(glob.fullmatch(labels.get(label, "")) for label, glob in wanted)


def _glob(glob: str) -> re.Pattern[str]:
    """`*` stands for any text, `?` for one character."""
    return re.compile(re.escape(glob).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
