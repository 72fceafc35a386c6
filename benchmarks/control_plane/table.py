"""Which goals are met, and how does the benchmark say so?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.control_plane.fleet import Cost
from benchmarks.control_plane.line import Line
from benchmarks.control_plane.locust_master import MasterCost

RUN_WORKERS, FAR_WORKERS = 2_000, 10_000
CONTROLLER_RATIO, REDIS_RATIO = 0.10, 0.10
FAR_CONTROLLER_RATIO, FAR_REDIS_RATIO = 0.50, 0.40
NOTHING_LOST = "workers lost, arrivals unaccounted for"


@dataclass(frozen=True, slots=True)
class Goal:
    """A value and what it may be at most: a ratio of a core, or a count."""

    name: str
    most: float
    value: float

    @property
    def met(self) -> bool:
        return self.value <= self.most

    @property
    def row(self) -> str:
        """Its line of the table."""
        count = self.name == NOTHING_LOST
        told = [f"{v:,.0f}" if count else _percent(v) for v in (self.most, self.value)]
        return f"| {self.name} | {told[0]} | {told[1]} | {'yes' if self.met else '**no**'} |"


def goals(costs: Sequence[Cost], fits: tuple[Line, Line] | None) -> list[Goal]:
    """Those that what was run can speak of."""
    found = []
    for c in costs:
        if c.workers == RUN_WORKERS:
            found.append(Goal("controller, 2,000 workers", CONTROLLER_RATIO, c.controller_ratio))
            found.append(Goal("Redis, 2,000 workers", REDIS_RATIO, c.redis_ratio))
    found.append(Goal(NOTHING_LOST, 0, failures(costs)))
    if fits is not None:
        far = [line.at(FAR_WORKERS) for line in fits]
        found.append(Goal("controller, 10,000 workers, extrapolated", FAR_CONTROLLER_RATIO, far[0]))
        found.append(Goal("Redis, 10,000 workers, extrapolated", FAR_REDIS_RATIO, far[1]))
    return found


def failures(costs: Sequence[Cost]) -> int:
    """Workers lost and arrivals that no report explains, in all configurations."""
    return sum(c.lost + c.unaccounted + abs(c.missing) for c in costs)


def printed(
    costs: Sequence[Cost],
    fits: tuple[Line, Line] | None,
    met: Sequence[Goal],
    masters: Sequence[MasterCost],
) -> str:
    """All of it as Markdown."""
    parts = [_costs(costs)] if costs else []
    if fits is not None:
        parts.append("\n".join(_line(name, f) for name, f in zip(NAMES, fits, strict=True)))
    if met:
        parts.append(_goals(met))
    if masters:
        parts.append(_masters(masters))
    return "\n\n".join(parts)


NAMES = ("controller", "Redis")


def _costs(costs: Sequence[Cost]) -> str:
    names = "workers | controller | Redis | us a report: controller | Redis | merged | late | lost"
    rows = [f"| {names} | unaccounted | prepared | machine busy |", "|" + "---|" * 11]
    for c in costs:
        each_us = [1e6 * ratio / c.workers for ratio in (c.controller_ratio, c.redis_ratio)]
        rows.append(
            f"| {c.workers:,} | {_percent(c.controller_ratio)} | {_percent(c.redis_ratio)} "
            f"| {each_us[0]:.0f} | {each_us[1]:.0f} | {c.merged} | {c.late} | {c.lost} "
            f"| {c.unaccounted + abs(c.missing)} | {c.prepared_s:.1f} s "
            f"| {_percent(c.busy_ratio)} |"
        )
    return "\n".join(rows)


def _line(name: str, line: Line) -> str:
    return (
        f"{name}: {_percent(line.base)} + {1e6 * line.per_worker:.0f} us a worker and second; "
        f"largest residual {_percent(line.residual)}"
    )


def _goals(met: Sequence[Goal]) -> str:
    rows = ["| goal | at most | value | met |", "|---|---|---|---|"]
    rows += [goal.row for goal in met]
    return "\n".join(rows)


def _masters(masters: Sequence[MasterCost]) -> str:
    rows = [
        "| Locust workers | master | us a worker and second | machine busy |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {m.workers:,} | {_percent(m.master_ratio)} | {1e6 * m.master_ratio / m.workers:.0f} "
        f"| {_percent(m.busy_ratio)} |"
        for m in masters
    ]
    return "\n".join(rows)


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.1f} %"
