"""Which windows does a line of the SLO about a signal call bad, and how many may be?

    [max] SIGNAL <= NUMBER [except PERCENT of windows]      max gpu_utilization <= 95%
    [min] SIGNAL >= NUMBER [except PERCENT of windows]      free_blocks >= 100 except 1% of windows

A window is about a second of a probe; it is bad when the signal's value in it is beyond the limit.
The budget is the share of windows that may be bad, 5 % unless the line says otherwise. 95% is the
number 0.95. Such a line stands beside objectives of arrivals, never alone.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Literal

from contract.objectives import METRICS, ObjectiveError
from contract.units import UnitError, format_ratio, parse_ratio

BUDGET = 0.05
"""Share of windows that may be bad where the line does not say."""

_LINE = re.compile(
    r"(?:(?P<word>max|min)\s+)?(?P<signal>[A-Za-z_]\w*)\s*(?P<operator><=|>=|≤|≥|==|=|<|>)\s*"
    r"(?P<limit>.+?)(?:\s+except\s+(?P<budget>.+?)\s+of\s+windows)?",
    re.ASCII,
)
_PERCENTILE = re.compile(r"p\d+(\.\d+)?", re.ASCII)
_NUMBER = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_WORDS_OF_ARRIVALS = ("error_ratio", "goodput", *METRICS)
_WORD_OF = {"<=": "max", ">=": "min"}


@dataclass(frozen=True, slots=True)
class SignalObjective:
    """One such line; `budget` is the share of windows that may be bad.

    `text` is canonical: `parse_signal_objective(objective.text) == objective`.
    """

    text: str
    signal: str
    at_least: bool
    limit: float
    budget: float = BUDGET

    @property
    def kind(self) -> Literal["signal"]:
        """Tells it from the kinds of `contract.objectives.Objective`."""
        return "signal"

    def is_bad(self, value: float) -> bool:
        """Whether a window with this value is beyond the limit."""
        return value < self.limit if self.at_least else value > self.limit

    def ratio(self, value: float) -> float:
        """How near the limit it is: above 1 it is bad, not clipped."""
        if self.at_least:
            return self.limit / value if value > 0 else math.inf
        return value / self.limit if self.limit > 0 else (0.0 if value <= 0 else math.inf)


def reads_as_signal(text: object) -> bool:
    """Whether the line is about a signal, right or wrong, rather than about arrivals."""
    found = _LINE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return False
    name = found["signal"].lower()
    if found["word"]:
        return True
    return not (
        _PERCENTILE.fullmatch(name) or difflib.get_close_matches(name, _WORDS_OF_ARRIVALS, n=1)
    )


def parse_signal_objective(text: str) -> SignalObjective:
    """Read a line that `reads_as_signal`.

    Raises:
        ObjectiveError: the line cannot be read; the message names it and what would be right.
    """
    found = _LINE.fullmatch(text.strip())
    if found is None:
        raise ObjectiveError(
            f"{text!r} is not an objective of a signal: write 'max gpu_utilization <= 95%'"
        )
    operator = found["operator"].replace("≤", "<=").replace("≥", ">=")
    word = _WORD_OF.get(operator)
    if word is None or found["operator"] != operator or found["word"] not in (None, word):
        right = {"max": "<=", "min": ">="}.get(found["word"] or "", "<=' or '>=")
        raise ObjectiveError(f"{text!r}: {found['operator']!r} does not fit here: write '{right}'")
    limit = _number(text, found["limit"])
    budget = BUDGET if found["budget"] is None else _budget(text, found["budget"])
    canonical = f"{word} {found['signal']} {operator} {''.join(found['limit'].split())}"
    if budget != BUDGET:
        canonical += f" except {format_ratio(budget)} of windows"
    return SignalObjective(canonical, found["signal"], operator == ">=", limit, budget)


def _number(text: str, written: str) -> float:
    try:
        number = parse_ratio(written) if written.endswith("%") else _plain(written)
    except UnitError as error:
        raise ObjectiveError(f"{text!r}: {error}") from error
    if number is None:
        raise ObjectiveError(
            f"{text!r}: {written!r} is not a number: write one without a unit, such as 95% or 12"
        )
    return number


def _plain(written: str) -> float | None:
    return float(written) if _NUMBER.fullmatch(written) else None


def _budget(text: str, written: str) -> float:
    try:
        budget = parse_ratio(written)
    except UnitError as error:
        raise ObjectiveError(f"{text!r}: {error}") from error
    if not 0 < budget < 1:
        raise ObjectiveError(
            f"{text!r}: {written!r} is not a share of windows: write one above 0% and below 100%"
        )
    return budget
