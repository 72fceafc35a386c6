"""Which searches of the demo target met their aims, and how is that shown?"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

ERROR_AIM_RATIO = 0.05
SECONDS_AIM = 180.0


@dataclass(frozen=True, slots=True)
class Row:
    """One search. Rates in arrivals/s; None where the search gave no such number."""

    setting: str
    run: int
    status: str
    reason: str
    estimate: float | None
    low: float | None
    high: float | None
    truth: float
    nominal: float
    seconds: float
    wall_s: float
    probes: int
    requests: int
    bad_requests: int
    void_probes: int
    send_lag_p99_ms: float | None
    busy_ratio: float
    strict: float | None = None
    spikes: int = 0
    off: str = ""
    require: str | None = None
    exit_status: int | None = None

    @property
    def error(self) -> float:
        """Of the estimate, over the truth; NaN without one."""
        return math.nan if self.estimate is None else self.estimate / self.truth - 1

    @property
    def covered(self) -> bool | None:
        """Whether the truth lies in the 90 % interval; None when there is none."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.truth <= self.high

    @property
    def within_aim(self) -> bool:
        expected = "at_most" if self.stalls_alone_break_it else "answered"
        told = not self.stalls_alone_break_it or self.require is None or self.exit_status == 1
        return self.status == expected and told and abs(self.error) <= ERROR_AIM_RATIO

    @property
    def stalls_alone_break_it(self) -> bool:
        """Whether no rate keeps the objective, for the setting stalls too much."""
        return self.setting in ("stalls", "both")


HEAD = (
    f"{'setting':<8}{'run':>4}{'estimate':>10}{'90 % interval':>17}{'truth':>8}{'error':>8}"
    f"{'inside':>8}{'s':>7}{'probes':>8}{'requests':>10}{'bad':>7}{'void':>6}{'busy':>6}  status"
)


def line(row: Row) -> str:
    """A row of the table."""
    strict = "–" if row.strict is None else f"{row.strict:.1f}"
    stalled = f"  {row.spikes} stalls, strict {strict};" if row.spikes else ""
    if row.off:
        stalled += f"  without {row.off};"
    return (
        f"{row.setting:<8}{row.run:>4}{_rate(row.estimate):>10}"
        f"{_rate(row.low) + ' – ' + _rate(row.high):>17}{row.truth:>8.1f}"
        f"{_percent(row.error):>8}{_yes(row.covered):>8}{row.seconds:>7.0f}{row.probes:>8}"
        f"{row.requests:>10}{row.bad_requests:>7}{row.void_probes:>6}{row.busy_ratio:>6.0%}"
        f"{stalled}  {row.status}{'' if row.within_aim else ': ' + row.reason}"
    )


def summary(name: str, rows: list[Row]) -> str:
    """Medians of a setting, and how often the aims were met."""
    errors = [abs(row.error) for row in rows if not math.isnan(row.error)]
    worst = f"{max(errors):.1%}" if errors else "–"
    return (
        f"{name:<8}median of {len(rows)}: {statistics.median(r.seconds for r in rows):.0f} s, "
        f"{statistics.median(r.requests for r in rows):.0f} requests, "
        f"{statistics.median(r.bad_requests for r in rows):.0f} bad; largest error {worst}; "
        f"within {ERROR_AIM_RATIO:.0%}: {sum(r.within_aim for r in rows)} of {len(rows)}; "
        f"truth inside the interval: {sum(r.covered is True for r in rows)}"
    )


def meets_aims(rows: list[Row]) -> bool:
    """Every answer within 5 %, and the median search of every setting within 3 minutes."""
    by_setting = [[r for r in rows if r.setting == name] for name in {r.setting for r in rows}]
    quick = all(statistics.median(r.seconds for r in some) <= SECONDS_AIM for some in by_setting)
    return quick and all(row.within_aim for row in rows)


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1f}"


def _percent(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"{ratio:+.1%}"


def _yes(covered: bool | None) -> str:
    return "–" if covered is None else "yes" if covered else "no"


def read(path: Path) -> list[Row]:
    """Runs done before; none when there is no such file."""
    return [Row(**row) for row in json.loads(path.read_text())] if path.exists() else []


def write(path: Path, rows: list[Row]) -> None:
    """All runs so far, in one step."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    partial.replace(path)
