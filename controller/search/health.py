"""How near its limits is the target, second by second?

A window is about a second of a probe. Its ratio is the largest metric / limit over all objectives,
not clipped: 1.3 is 30 % over a limit.

    healthy      below 0.8
    warn         0.8 to 1
    unhealthy    violated now and then: in this window, or in two of the last five
    critical     violated in three windows in a row
    overloaded   that, and falling behind: fewer achieved than offered while in flight grows

The state gets worse after two windows in a row that are worse, and better after three that are
better, each time as far as the mildest (the worst) of them. Health is shown and slows the ramp; it
is no verdict.

Source: the states and the hysteresis of arXiv 2606.22013, section 2.3; the ratio is unclipped and
of the worst objective, for a weighted sum hides one that is violated behind others that are idle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from contract.latency import Histogram
from contract.objectives import Objective

State = Literal["healthy", "warn", "unhealthy", "critical", "overloaded"]

STATES: tuple[State, ...] = get_args(State)
WARN_RATIO = 0.8
REMEMBERED, INTERMITTENT, SUSTAINED = 5, 2, 3
"""Windows that are looked back on; violated ones among them; violated ones in a row."""
WORSE, BETTER = 2, 3
"""So many windows in a row change the state."""
_FROM_DUE = ("response_time", "e2e")


@dataclass(frozen=True, slots=True)
class Window:
    """About a second of a probe; `ratio` is None when nothing could be held against a limit."""

    ratio: float | None
    offered_per_s: float
    achieved_per_s: float
    in_flight: int


@dataclass(frozen=True, slots=True)
class Health:
    """The state, the latest windows, and the levels of those in a row that speak against it."""

    state: State = "healthy"
    recent: tuple[Window, ...] = ()
    streak: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """What the arrivals of a window showed; tuples have one entry per objective.

    `overdue` are those in flight already over the limit.
    """

    judged: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()
    overdue: tuple[int, ...] = ()
    response_time: Histogram = field(default_factory=Histogram)
    service_time: Histogram = field(default_factory=Histogram)


def assessed(health: Health, window: Window) -> Health:
    """The health after one more window."""
    if window.ratio is None:
        return health
    recent = (*health.recent, window)[-REMEMBERED:]
    level, standing = _level(recent), STATES.index(health.state)
    if level == standing:
        return Health(health.state, recent)
    worse = level > standing
    same_side = bool(health.streak) and (health.streak[-1] > standing) == worse
    streak = (*(health.streak if same_side else ()), level)
    if len(streak) < (WORSE if worse else BETTER):
        return Health(health.state, recent, streak)
    return Health(STATES[min(streak) if worse else max(streak)], recent)


def limit_ratio(objectives: Sequence[Objective], seen: Slice) -> float | None:
    """Largest metric / limit of a window; None when no objective judged anything in it."""
    ratios = [
        ratio
        for index, objective in enumerate(objectives)
        if (ratio := _ratio(objective, index, seen)) is not None
    ]
    return max(ratios, default=None)


def _level(recent: tuple[Window, ...]) -> int:
    """Index into STATES of what the newest window, with those before it, says."""
    violated = [window.ratio is not None and window.ratio > 1 for window in recent]
    last = recent[-SUSTAINED:]
    if len(last) == SUSTAINED and all(violated[-SUSTAINED:]):
        return STATES.index("overloaded" if _falls_behind(last) else "critical")
    if violated[-1] or sum(violated) >= INTERMITTENT:
        return STATES.index("unhealthy")
    ratio = recent[-1].ratio
    return STATES.index("warn" if ratio is not None and ratio >= WARN_RATIO else "healthy")


def _falls_behind(last: tuple[Window, ...]) -> bool:
    in_flight = [window.in_flight for window in last]
    grows = all(earlier < later for earlier, later in pairwise(in_flight))
    return grows and sum(w.achieved_per_s for w in last) < sum(w.offered_per_s for w in last)


def _ratio(objective: Objective, index: int, seen: Slice) -> float | None:
    """Quantile / limit, or bad share / budget where the quantile is not known or too kind.

    It is too kind when failures or arrivals in flight spend the budget: they have no time.
    """
    known = seen.judged[index] + seen.overdue[index]
    share = (seen.bad[index] + seen.overdue[index]) / known if known else None
    spent = None if share is None else share / max(objective.budget, 1e-9)
    quantile = _quantile_ratio(objective, seen)
    if quantile is None:
        return spent
    too_kind = quantile <= 1 and spent is not None and spent > 1
    return spent if too_kind else quantile


def _quantile_ratio(objective: Objective, seen: Slice) -> float | None:
    if objective.limit_s is None or objective.quantile is None or objective.request_name:
        return None
    times = seen.response_time if objective.metric in _FROM_DUE else seen.service_time
    if objective.metric not in (*_FROM_DUE, "service_time") or not times.count:
        return None
    return times.quantile(objective.quantile) / objective.limit_s
