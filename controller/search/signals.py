"""What do the target's own metrics say of a probe?

They are judged where the goal has an objective for them, window by window; they slow the ramp; and
they make likely why a probe failed:

    generator   send lag p99 at half of what would void the probe, or more
    errors      at least half of the bad arrivals failed, those that timed out not counted
    gpu         utilisation of 95 % or more
    queueing    more requests wait in the server at the end than at the start, utilisation below 90 %
    network     response time grew, and most of that outside the server

The first that holds is the cause. Without its signals a cause is not guessed, and none is ever a
verdict. Low utilisation with long queues proves that the limit is elsewhere; high utilisation only
says that work is always there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from controller.search.goal import Goal, SignalSource
from controller.search.journal import Measured
from controller.search.probe import Cause, Outcome, SignalSummary
from controller.search.signal_objectives import SignalObjective

STRAINED_UTILISATION = 0.7
"""Mean utilisation of a probe above which the next step is the smaller one."""
BUSY, IDLE = 0.95, 0.9
GREW, GREW_BY = 1.5, 2.0
"""Grown: at least so many times and so many requests more."""
OUTSIDE_RATIO = 0.5
LAG_RATIO, ERRORS_RATIO = 0.5, 0.5
SPARE_WINDOWS = 1
"""One bad window of a short probe says nothing of 5 %."""
CLUSTERING = 1.3
"""Windows of a second are taken as nearly independent; too few come by to measure it."""
_UTILISATION = "utilization"
_WAITING = "queue_depth"
_IN_SERVER_S = "server_time"
_BATCH_SIZE = "batch_size"


@dataclass(frozen=True, slots=True)
class Windows:
    """Judged windows per signal objective, and the bad ones among them."""

    judged: tuple[int, ...]
    bad: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a failed probe besides its windows; the counts are of arrivals."""

    send_lag_p99_s: float
    lag_limit_s: float
    failed: int
    bad: int


def source_of(goal: Goal) -> SignalSource | None:
    """What is to be read for this goal: the one place that decides whether signals are used."""
    return goal.signals if goal.features.signals else None


def counted(
    objectives: Sequence[SignalObjective], windows: Sequence[Measured], from_s: float
) -> Windows:
    """Windows that lie after `from_s` and saw the signal, and the bad ones."""
    judged, bad = [0] * len(objectives), [0] * len(objectives)
    for window in windows:
        if window.through_s <= from_s + 1e-6:
            continue
        values = dict(window.signals)
        for index, objective in enumerate(objectives):
            if objective.signal in values:
                judged[index] += 1
                bad[index] += objective.is_bad(values[objective.signal])
    return Windows(tuple(judged), tuple(bad))


def over_budget(objective: SignalObjective, judged: int, bad: int) -> bool:
    """Whether more windows were bad than the budget allows and chance explains."""
    return bad > max(objective.budget * judged + 1e-9, SPARE_WINDOWS)


def limit_ratio(
    objectives: Sequence[SignalObjective], signals: Sequence[tuple[str, float]]
) -> float | None:
    """Largest value / limit of a window, None when none of them was seen."""
    values = dict(signals)
    ratios = [o.ratio(values[o.signal]) for o in objectives if o.signal in values]
    return max(ratios, default=None)


def summaries(windows: Sequence[Measured]) -> tuple[SignalSummary, ...]:
    """Mean and largest value of every signal, in the order they were first seen."""
    values: dict[str, list[float]] = {}
    for window in windows:
        for name, value in window.signals:
            values.setdefault(name, []).append(value)
    return tuple(
        SignalSummary(name, math.fsum(seen) / len(seen), max(seen)) for name, seen in values.items()
    )


def strained(outcome: Outcome) -> bool:
    """Whether the target was busy or near its limits although the probe passed."""
    busy = any(
        _UTILISATION in signal.name and signal.mean > STRAINED_UTILISATION
        for signal in outcome.signals
    )
    return busy or outcome.health not in (None, "healthy")


def batch_size(outcome: Outcome) -> float:
    """Mean batch of a probe where the target tells it, else 0.

    So many completions come at once: gaps that lack no more are ordinary.
    """
    return next((s.mean for s in outcome.signals if s.name == _BATCH_SIZE), 0.0)


def cause_of(windows: Sequence[Measured], facts: Facts) -> Cause | None:
    """What made the probe fail, as far as its windows tell; those of the ramp left out."""
    if not facts.bad:  # an objective of a signal failed, and says itself what it was
        return None
    if facts.send_lag_p99_s >= LAG_RATIO * facts.lag_limit_s:
        return "generator"
    if facts.failed >= ERRORS_RATIO * facts.bad:
        return "errors"
    if len(windows) < 2:
        return None
    third = max(1, len(windows) // 3)
    early, late = windows[:third], windows[-third:]
    utilisation = _utilisation(late)
    if utilisation is not None and utilisation >= BUSY:
        return "gpu"
    if _queues(early, late, utilisation):
        return "queueing"
    return "network" if _outside(early, late) else None


def _queues(early: Sequence[Measured], late: Sequence[Measured], utilisation: float | None) -> bool:
    before, after = _mean(early, _WAITING), _mean(late, _WAITING)
    if before is None or after is None:
        if utilisation is None:
            return False
        before = math.fsum(window.in_flight for window in early) / len(early)
        after = math.fsum(window.in_flight for window in late) / len(late)
    grew = after >= GREW * before and after >= before + GREW_BY
    return grew and (utilisation is None or utilisation < IDLE)


def _outside(early: Sequence[Measured], late: Sequence[Measured]) -> bool:
    inside, inside_late = _mean(early, _IN_SERVER_S), _mean(late, _IN_SERVER_S)
    whole, whole_late = _median_s(early), _median_s(late)
    if inside is None or inside_late is None or whole is None or whole_late is None:
        return False
    grown_s = whole_late - whole
    return grown_s > OUTSIDE_RATIO * whole and (
        (whole_late - inside_late) - (whole - inside) > OUTSIDE_RATIO * grown_s
    )


def _utilisation(windows: Sequence[Measured]) -> float | None:
    """Mean of the busiest utilisation there is."""
    names = {name for window in windows for name, _ in window.signals if _UTILISATION in name}
    return max((_mean(windows, name) or 0.0 for name in names), default=None)


def _mean(windows: Sequence[Measured], name: str) -> float | None:
    values = [value for window in windows for known, value in window.signals if known == name]
    return math.fsum(values) / len(values) if values else None


def _median_s(windows: Sequence[Measured]) -> float | None:
    values = [window.p50_s for window in windows if math.isfinite(window.p50_s)]
    return math.fsum(values) / len(values) if values else None
