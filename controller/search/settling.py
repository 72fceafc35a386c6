"""Has a series of levels settled, and how did it get there?

A level is the mean ln(service time) of one window, less what the number of arrivals in this window
and the one before explains: a control variate, which halves the noise of a target that batches. The
series is described in one of two ways, whichever leaves less unexplained for its parameters:

    steps    constant between changes (`changepoint`)
    decay    a + b exp(-t/tau), tau on a grid: what fills up or is compiled bit by bit

and it has settled when what the description leaves open is small:

    decay    what is still to come, b exp(-t/tau), is below REMAINING for every tau as likely
    steps    the last change came in the first half, MSER-5 cuts no more than half off any signal,
             and the slope since, over the newest minute at most, is within min(DRIFT, SLOPE x
             length) with 95 % confidence on either side: equivalence, errors as in Newey and West
             1987. SLOPE is what a target that is half as slow again and warms in two minutes does.

Few answers would take minutes to prove that: from PATIENCE_S on a slope inside its own standard
error will do. At the end of the time allowed the burden is turned round: unsteady is then what
moves more than noise and fluctuations of the speed do.

Classes as in Barrett et al. 2017: flat, warm_up (it became faster), slowdown (slower), cyclic
(`cycle`) and not_steady, theirs being "no steady state". Measured: docs/decisions/0012.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from controller.search.changepoint import PENALTY, changes, neighbour_spread
from controller.search.cycle import FEWEST_CYCLES, is_repeating, period_of
from controller.search.mser import truncation

Floats = NDArray[np.float64]
Kind = Literal["flat", "warm_up", "slowdown", "cyclic", "not_steady"]

FEWEST_WINDOWS, TAIL_WINDOWS = 8, 60
DRIFT, SLOPE_PER_S = 0.06, 0.002
REMAINING = 0.035
LONGEST_CYCLE_S = 30.0
"""A probe near the capacity covers a cycle no longer than this."""
PATIENCE_S, PATIENT_ERRORS = 30.0, 0.6
FASTER, SLOWER = 0.1, 0.15
"""Changes of the level, in ln(seconds), that are more than noise."""
WANDERING, STILL_MOVING, JUMP = 0.12, 0.05, 0.2
"""At the end: between the first and the last third, the second and the last, and of a late step."""
FEW_CHANGES = 2
FILLING_WINDOWS = 5
"""A queue that fills within these is no target that gets slower."""
_CONFIDENCE = 0.95
_TAUS = np.geomspace(3.0, 400.0, 28)
_LIKELY = 2.7
"""Twice the loss of log-likelihood at which a tau is still as likely: chi-squared, 1, 90 %."""
_WINSOR = 4.5
"""Median absolute differences beyond which one is cut: a step of the target."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What was seen per window, oldest first.

    `levels`: mean ln(service time); `arrivals`: how many, of the same length. `tails`: ln of the
    90 % quantile of service time; `achieved`: succeeded over offered; these may begin later.
    """

    levels: Floats
    arrivals: Floats
    tails: Floats
    achieved: Floats


@dataclass(frozen=True, slots=True)
class Description:
    """How a series moves: where its last part begins, what is still to come, and its segments."""

    shape: Literal["steps", "decay"]
    since: int
    remaining: float
    starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """How a series ended. `since` is its first steady window, `period` in windows.

    `initial` is the change of the level since the beginning, in ln(seconds): positive when the
    target was slower at first. `drift` is how much it still moves.
    """

    kind: Kind
    steady: bool
    since: int
    initial: float
    drift: float
    period: float | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """The fitted line's change over a series, its standard error, and a bound of its size."""

    change: float
    error: float
    bound: float


def settled(signals: Signals, window_s: float, *, last: bool) -> Settled | None:
    """How the series settled; None while it has not and may yet. `last`: there will be no more."""
    size = len(signals.levels)
    if size < FEWEST_WINDOWS:
        return Settled("not_steady", False, size, 0.0, math.inf) if last else None
    levels = adjusted(signals.levels, signals.arrivals)
    known = described(levels)
    cycle = _cyclic(levels, known, window_s)
    if cycle is not None and (cycle.steady or (last and _turns(levels, cycle) >= FEWEST_CYCLES)):
        return cycle
    if _slower(levels, known) > SLOWER:
        return _unsettled(levels, known, "slowdown") if last else None
    if cycle is None and _is_settled(signals, levels, known, window_s):
        return _ended(levels, known)
    if not last:
        return None
    return (
        _unsettled(levels, known, "not_steady")
        if _is_moving(levels, known)
        else _ended(levels, known)
    )


def adjusted(levels: Floats, arrivals: Floats) -> Floats:
    """Levels less what the number of arrivals, now and before, explains of their differences."""
    logs = np.log(np.maximum(arrivals, 1.0))
    x = np.column_stack((logs, np.concatenate((logs[:1], logs[:-1]))))
    dx, dy = np.diff(x, axis=0)[1:], np.diff(levels)[1:]
    cut = _WINSOR * float(np.median(np.abs(dy)))
    scale = dx.T @ dx
    if len(dy) < 4 or cut <= 0 or float(np.trace(scale)) < 1e-9:
        return levels
    weights = np.linalg.solve(scale + 1e-9 * np.eye(2), dx.T @ np.clip(dy, -cut, cut))
    less: Floats = levels - (x - x.mean(axis=0)) @ weights
    return less


def described(levels: Floats) -> Description:
    """By steps or by a decay."""
    spread = neighbour_spread(levels)
    starts = changes(levels, spread)
    parts = np.split(levels, starts)
    unexplained = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    steps = Description("steps", starts[-1] if starts else 0, 0.0, starts)
    price = PENALTY * math.log(len(levels)) * spread**2
    decay, left = _decay(levels, spread)
    return decay if left + 1.5 * price < unexplained + len(starts) * price else steps


def trend(levels: Floats) -> Trend:
    """Least squares, with the larger of the plain and the autocorrelation-robust error."""
    size = len(levels)
    x = np.arange(size) - (size - 1) / 2
    across = float(x @ x)
    slope = float(x @ levels) / across
    rest = levels - levels.mean() - slope * x
    scores = x * rest
    lags = math.ceil(size ** (1 / 3))
    robust = float(scores @ scores)
    for lag in range(1, lags + 1):
        robust += 2 * (1 - lag / (lags + 1)) * float(scores[lag:] @ scores[:-lag])
    plain = float(rest @ rest) / max(size - 2, 1) / across
    error = size * math.sqrt(max(plain, robust / across**2))
    quantile = float(stdtrit(max(size - 2, 1), _CONFIDENCE))
    return Trend(slope * size, error, abs(slope * size) + quantile * error)


def _decay(levels: Floats, spread: float) -> tuple[Description, float]:
    """The best decay and the sum of squares it leaves."""
    size = len(levels)
    shapes = np.exp(-(np.arange(size) + 0.5) / _TAUS[:, None])
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    across = (centred**2).sum(axis=1)
    sizes = centred @ levels / across
    left = float(((levels - levels.mean()) ** 2).sum()) - sizes**2 * across
    best = int(np.argmin(left))
    likely = left <= left[best] + _LIKELY * spread**2
    remaining = float(np.max(np.abs(sizes * np.exp(-size / _TAUS))[likely]))
    over = abs(float(sizes[best])) / REMAINING
    since = 0 if over <= 1 else round(float(_TAUS[best]) * math.log(over))
    return Description("decay", min(since, size - FEWEST_WINDOWS), remaining), float(left[best])


def _is_settled(signals: Signals, levels: Floats, known: Description, window_s: float) -> bool:
    size = len(levels)
    if known.shape == "decay":
        return known.remaining < REMAINING
    if 2 * known.since > size or size - known.since < FEWEST_WINDOWS:
        return False
    newest = min(size, TAIL_WINDOWS)
    for series in (levels, signals.tails, signals.achieved):
        if 2 * truncation(series[-newest:]) > len(series[-newest:]):
            return False
    tail = levels[known.since :][-newest:]
    moving = trend(tail)
    allowed = min(DRIFT, SLOPE_PER_S * window_s * newest)
    if moving.bound * newest / len(tail) < allowed:
        return True
    patient = size * window_s >= PATIENCE_S - 1e-6
    return patient and abs(moving.change) < PATIENT_ERRORS * moving.error


def _is_moving(levels: Floats, known: Description) -> bool:
    """Whether a series that may not go on is further from steady than fluctuations make it."""
    if known.shape == "steps" and 4 * known.since > 3 * len(levels):
        before = levels[: known.since]
        at = known.starts[-2] if len(known.starts) > 1 else 0
        if abs(float(levels[known.since :].mean() - before[at:].mean())) > JUMP:
            return True
    first, middle, final = (float(part.mean()) for part in np.array_split(levels, 3))
    error = neighbour_spread(levels) * math.sqrt(6 / len(levels))
    whole, late = final - first, final - middle
    return abs(whole) > WANDERING + 2 * error and late * math.copysign(1, whole) > (
        STILL_MOVING + error
    )


def _slower(levels: Floats, known: Description) -> float:
    """How much slower the last part is than the fastest before; a queue that fills is none."""
    if known.shape == "decay":
        return float(levels[-FEWEST_WINDOWS:].mean() - levels[:FEWEST_WINDOWS].mean())
    parts = [float(part.mean()) for part in np.split(levels, known.starts) if len(part)]
    earlier = parts[:-1] if len(parts) < 2 or known.starts[0] > FILLING_WINDOWS else parts[1:-1]
    error = neighbour_spread(levels) / math.sqrt(FEWEST_WINDOWS / 2)
    return parts[-1] - min(earlier, default=parts[-1]) - 2 * error


def _cyclic(levels: Floats, known: Description, window_s: float) -> Settled | None:
    if known.shape == "decay":
        return None
    if len(known.starts) <= FEW_CHANGES:  # a step or two are no cycle, and hide none behind them
        levels = levels[known.since :]
    period = period_of(levels)
    if period is None:
        return None
    steady = period * window_s <= LONGEST_CYCLE_S and is_repeating(levels, period)
    return Settled("cyclic", steady, 0, 0.0, float(np.ptp(levels)), period)


def _turns(levels: Floats, cycle: Settled) -> float:
    return len(levels) / cycle.period if cycle.period else 0.0


def _ended(levels: Floats, known: Description) -> Settled:
    initial = _initial(levels, known)
    kind: Kind = "warm_up" if initial > FASTER else "flat"
    since = known.since if kind == "warm_up" else 0
    return Settled(
        kind,
        True,
        since,
        initial,
        trend(levels[min(known.since, len(levels) - FEWEST_WINDOWS) :]).change,
    )


def _unsettled(levels: Floats, known: Description, kind: Kind) -> Settled:
    newest = levels[-max(len(levels) // 2, FEWEST_WINDOWS) :]
    drift = trend(newest).change
    if kind == "not_steady" and drift > SLOWER:
        kind = "slowdown"
    return Settled(kind, False, len(levels), _initial(levels, known), drift)


def _initial(levels: Floats, known: Description) -> float:
    """The first windows' level over the last part's, less what noise may make of it."""
    first = levels[:3]
    change = float(first.mean() - levels[known.since :][-TAIL_WINDOWS:].mean())
    noise = 2 * neighbour_spread(levels) / math.sqrt(len(first))
    return math.copysign(max(abs(change) - noise, 0.0), change) if known.since == 0 else change
