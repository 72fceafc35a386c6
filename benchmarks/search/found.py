"""What came of one search, as it is kept: one JSON object a line.

A line is never changed. Of several lines of one cell the last counts, so a search that broke can be
run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from benchmarks.search.cells import Cell, Question
from benchmarks.search.families import Place

BROKEN = "broken"
"""Status of a search that raised, or took too long on the wall clock."""

Answer = Literal["right", "wrong", "answered", "refused", "none"]


@dataclass(frozen=True, slots=True)
class Found:
    """One search. Rates in arrivals/s, None where there is no such number.

    `truth_error` is a standard error. `strict_truth` None: no stalls; 0: no rate keeps the SLO.
    `overload_s` is how long more than 1.02 x the truth was offered.
    """

    family: str
    disturbance: str
    strategy: str
    setting: str
    seed: int
    digest: str
    place: Place
    truth: float
    truth_error: float
    strict_truth: float | None
    status: str
    reason: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    strict: float | None = None
    safe: float | None = None
    seconds: float = 0.0
    overload_s: float = 0.0
    requests: int = 0
    bad_requests: int = 0
    probes: int = 0
    void_probes: int = 0
    wall_s: float = 0.0
    commit: str = ""

    @property
    def cell(self) -> Cell:
        return Cell(self.family, self.disturbance, self.strategy, self.setting, self.seed)

    @property
    def error(self) -> float | None:
        """Estimate over truth, less 1."""
        return None if self.estimate is None else self.estimate / self.truth - 1

    @property
    def strict_error(self) -> float | None:
        """Strict over its truth, less 1; None without either, or where no rate keeps the SLO."""
        if not self.strict or not self.strict_truth:
            return None
        return self.strict / self.strict_truth - 1

    @property
    def safe_held(self) -> bool | None:
        """Whether `safe` is at or below the strict truth; None without either.

        Where there are no stalls that is the truth itself. Where no rate keeps the SLO it is None too.
        """
        truth = self.truth if self.strict_truth is None else self.strict_truth
        return None if self.safe is None or truth <= 0 else self.safe <= truth

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds the truth; None without one."""
        if self.low is None or self.high is None or self.answer != "answered":
            return None
        return self.low <= self.truth <= self.high

    @property
    def width(self) -> float | None:
        """Of the interval, over the estimate."""
        if self.covered is None or not self.estimate:
            return None
        assert self.low is not None
        assert self.high is not None
        return (self.high - self.low) / self.estimate

    @property
    def answer(self) -> Answer:
        """What the search said: right or wrong where the truth lies outside, else

        answered   a number with an interval, narrow enough or not; also the estimate beside "at most"
                   where stalls alone spend the budget
        refused    a number without an interval, which the search itself does not vouch for
        none       nothing, or that the truth lies outside, which it does not
        """
        if self.place != "inside":
            right = "at_least" if self.place == "above" else "at_most"
            return "right" if self.status == right else "wrong"
        if self.estimate is None or self.status == BROKEN:
            return "none"
        if self.status == "answered" or (self.status == "at_most" and self.strict_truth == 0):
            return "answered"
        if self.status != "no_verdict":
            return "none"
        return "refused" if self.low is None or self.high is None else "answered"


def broken(question: Question, reason: str, wall_s: float, commit: str) -> Found:
    """A search that gave nothing, through no fault of the target."""
    return Found(**asked(question), status=BROKEN, reason=reason, wall_s=wall_s, commit=commit)


def asked(question: Question) -> dict[str, Any]:
    """The fields that say what was asked."""
    known = question.known
    return {
        **asdict(question.cell),
        "digest": question.digest,
        "place": question.place,
        "truth": known.capacity,
        "truth_error": known.error,
        "strict_truth": known.strict,
    }


def line_of(found: Found) -> str:
    return json.dumps(asdict(found), allow_nan=False)


def mend(path: Path) -> None:
    """Take away a last line that was cut off, by a full disk or a kill."""
    if not path.exists():
        return
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with path.open("r+b") as file:
            file.truncate(whole)


def append(path: Path, found: Found) -> None:
    """Add one line; it has left this process when this returns."""
    with path.open("a", encoding="utf-8") as lines:
        lines.write(line_of(found) + "\n")


def read(path: Path) -> Iterator[Found]:
    """Every search of a file, in its order.

    A last line that was cut off, by a full disk or a kill, counts as not run.

    Raises:
        ValueError: another line is not a search; the message names it.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            yield _parsed(line)
        except (ValueError, TypeError) as error:
            if number == len(lines):
                return
            raise ValueError(
                f"{path}, line {number}: not a search of this benchmark: {error}"
            ) from error


def _parsed(line: str) -> Found:
    given = json.loads(line)
    known = {field.name for field in fields(Found)}
    return Found(**{name: value for name, value in given.items() if name in known})


def latest(found: Iterable[Found]) -> list[Found]:
    """The last line of every cell, in the order of cells."""
    last = {one.cell: one for one in found}
    return [last[cell] for cell in sorted(last)]
