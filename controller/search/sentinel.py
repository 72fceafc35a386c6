"""Is the target still the one that was warmed up?

Every EVERY_S of measuring, the rate of the warm-up is put to it again, for REQUESTS arrivals, as far
as that takes less than COST_RATIO of the time spent. Its mean ln(service time) x is compared with
that of the steady part of the warm-up, x0:

    z = (x - x0) / sqrt(e^2 + e0^2 + SWAY^2)
    up = max(0, up + z - k),  down = max(0, down - z - k),   k = 0.5

CUSUM of Page 1954. e and e0 come from batch means; SWAY is what a speed that fluctuates by 3 %,
with a memory of 20 s, does to a difference of such means at half load: without it every search on a
shared machine would see drifts. A sum beyond ALARM together with a shift of more than SHIFT is a
drift: what was learned before it is of another target. ALARM lies below the usual 5, for a search has
two to four looks, not hundreds. Measured: docs/decisions/0012. An answer needs a target that
drifted once at most (MOST_DRIFTS).

A target that was still slow when its warm-up ended is seen sooner. The quick end of the service time
does not grow shorter by load: where a probe at the warm-up's rate or above has it below QUICKER of
the warm-up's, the sentinel looks at once, whatever share of the time that takes. A look that finds
no drift settles the doubt, until a probe is so much quicker again: some targets are quicker under
load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from contract.units import Rate, Seconds, format_rate
from controller.search import explain
from controller.search.answer import Drift
from controller.search.probe import Evidence, Outcome, Probe, Verdict
from controller.search.strategy import Ask

EVERY_S = 150.0
REQUESTS, SPARE_RATIO = 1_000, 1.1
"""Poisson arrivals of a time that holds a tenth more are fewer than REQUESTS once in a thousand times."""
SHORTEST_S, LONGEST_S = 4.0, 120.0
COST_RATIO = 0.1
SPARE_TIMES = 2.0
"""The budget must hold the sentinel so many times, or what it may find comes too late."""
QUICKER, FEWEST_QUICK = 0.8, 100
"""The quick end of fewer arrivals scatters by more than that."""
SLACK, ALARM = 0.5, 3.0
SHIFT = 0.05
SWAY = 0.065
BATCH, FEWEST_LEVELS = 3, 4
MOST_DRIFTS = 1


@dataclass(frozen=True, slots=True)
class Sentinel:
    """What is remembered between looks; `reference` is None before the first steady warm-up.

    `reference` and `error` are in ln(seconds), `unwatched_s` is the time measured since the last
    look, `spent_s` what the looks took. `quick_s` is the quick end of the service time that is
    accounted for, `doubt_s` that of a probe which was too quick for it.
    """

    rate: Rate = Rate(0.0)
    reference: float | None = None
    error: float = 0.0
    unwatched_s: Seconds = Seconds(0.0)
    spent_s: Seconds = Seconds(0.0)
    up: float = 0.0
    down: float = 0.0
    quick_s: Seconds | None = None
    doubt_s: Seconds | None = None
    drifts: tuple[Drift, ...] = ()

    @property
    def steady(self) -> bool:
        """Whether the target stayed the same for long enough to be measured."""
        return len(self.drifts) <= MOST_DRIFTS


@dataclass(frozen=True, slots=True)
class Purse:
    """The time of a search: spent so far, left of its budget, and what a probe takes besides."""

    elapsed_s: Seconds
    remaining_s: Seconds
    overhead_s: Seconds


def referred(sentinel: Sentinel, outcome: Outcome) -> Sentinel:
    """A warm-up ended: from now on compare with its steady part, if it had one."""
    mean, error = _mean(outcome.levels)
    if not outcome.steady or mean is None:
        return replace(sentinel, reference=None, quick_s=None, doubt_s=None)
    return replace(
        sentinel,
        rate=outcome.probe.rate,
        reference=mean,
        error=error,
        unwatched_s=Seconds(0.0),
        up=0.0,
        down=0.0,
        quick_s=None if outcome.evidence is None else outcome.evidence.quick_s,
        doubt_s=None,
    )


def counted(sentinel: Sentinel, outcome: Outcome) -> Sentinel:
    """Another probe was measured meanwhile; it may raise doubt."""
    evidence = outcome.evidence
    if evidence is None:
        return sentinel
    return replace(
        sentinel,
        unwatched_s=Seconds(sentinel.unwatched_s + evidence.measured_s),
        doubt_s=_doubt_s(sentinel, outcome.probe, evidence) or sentinel.doubt_s,
    )


def _doubt_s(sentinel: Sentinel, probe: Probe, evidence: Evidence) -> Seconds | None:
    """The quick end of a probe that is too quick to be of the target that was warmed up."""
    quick_s, known_s = evidence.quick_s, sentinel.quick_s
    if quick_s is None or known_s is None or evidence.censored or probe.rate < sentinel.rate:
        return None
    enough = max(evidence.judged, default=0) >= FEWEST_QUICK
    return quick_s if enough and quick_s < QUICKER * known_s else None


def asked(sentinel: Sentinel, purse: Purse) -> Ask | None:
    """The next look, when one is due and worth its time, or there is doubt."""
    doubted = sentinel.doubt_s is not None
    if sentinel.reference is None or (sentinel.unwatched_s < EVERY_S and not doubted):
        return None
    measure_s = max(SPARE_RATIO * REQUESTS / sentinel.rate, SHORTEST_S)
    cost_s = measure_s + purse.overhead_s
    affordable = doubted or sentinel.spent_s + cost_s <= COST_RATIO * purse.elapsed_s
    if measure_s > LONGEST_S or not affordable or SPARE_TIMES * cost_s > purse.remaining_s:
        return None
    why = f"is the target still what it was after the warm-up: {format_rate(sentinel.rate)}"
    if doubted:
        why = f"probes are answered quicker than the warm-up was; {why}"
    return Ask("sentinel", sentinel.rate, Seconds(measure_s), why)


def observed(sentinel: Sentinel, outcome: Outcome) -> Sentinel:
    """Learn from a look that was not void; a drift is the newest of `drifts`."""
    after = replace(
        sentinel,
        unwatched_s=Seconds(0.0),
        spent_s=Seconds(sentinel.spent_s + outcome.seconds),
        quick_s=sentinel.doubt_s or sentinel.quick_s,
        doubt_s=None,
    )
    mean, error = _mean(outcome.levels)
    if sentinel.reference is None:
        return after
    failed = outcome.verdict is Verdict.FAIL
    if mean is None:
        return _drifted(after, outcome, math.inf) if failed else after
    shift = mean - sentinel.reference
    z = shift / math.sqrt(error**2 + sentinel.error**2 + SWAY**2)
    after = replace(
        after,
        up=max(0.0, sentinel.up + z - SLACK),
        down=max(0.0, sentinel.down - z - SLACK),
    )
    if abs(shift) <= SHIFT or max(after.up, after.down) <= ALARM:
        return after
    return _drifted(after, outcome, math.exp(shift))


def _drifted(sentinel: Sentinel, outcome: Outcome, ratio: float) -> Sentinel:
    return replace(
        sentinel,
        drifts=(*sentinel.drifts, Drift(outcome.probe.number, ratio, _reason(sentinel, ratio))),
        up=0.0,
        down=0.0,
    )


def _reason(sentinel: Sentinel, ratio: float) -> str:
    rate = format_rate(sentinel.rate)
    if math.isinf(ratio):
        return f"at {rate}, carried after the warm-up, it hardly answered"
    side, part = ("slower", ratio - 1) if ratio > 1 else ("faster", 1 - ratio)
    shift = explain.ratio(part) if part < 1 else f"{100 * part:,.0f} %"
    return f"at {rate} it was {shift} {side} than after the warm-up"


def _mean(levels: tuple[float, ...]) -> tuple[float | None, float]:
    """The mean and its standard error: by batches of neighbours, or by single ones if larger."""
    size = len(levels)
    if size < FEWEST_LEVELS:
        return None, 0.0
    series = np.asarray(levels)
    single = float(series.std(ddof=1)) / math.sqrt(size)
    count = size // BATCH
    if count < 3:
        return float(series.mean()), single
    batches = series[-count * BATCH :].reshape(count, BATCH).mean(axis=1)
    return float(series.mean()), max(single, float(batches.std(ddof=1)) / math.sqrt(count))
