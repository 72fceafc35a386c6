"""What does the search learn from a probe that was decided?

Bad counts out of what was judged, outside stalls (`controller.search.stalls`), and how far they can
be trusted: how they cluster (`controller.search.clustering`) and how long the target remembers
(`controller.search.relaxation`).
"""

from __future__ import annotations

import math

import numpy as np

from contract.latency import Histogram
from contract.objectives import Objective
from contract.units import Seconds
from controller.search import stalls, stop_rules, tally
from controller.search.clustering import blocks, clustering, exceedance_clustering
from controller.search.probe import Evidence
from controller.search.relaxation import autocorrelation_s
from controller.search.stop_rules import Stop
from controller.search.tally import Setting, Tally
from controller.search.times import service_times

FEWEST_BAD = 5
"""Of fewer bad arrivals nobody can tell whether they come in clusters."""
QUICK_QUANTILE = 0.1
"""So quick an answer has hardly waited for others, whatever the rate."""


def evidence_of(setting: Setting, whole: Tally, stop: Stop) -> Evidence:
    """The evidence of the arrivals of `whole`, decided by `stop`; signals are not in it yet."""
    found = stalls.found(setting, whole)
    seen = stop.seen or tally.without(whole, found.buckets)
    censored = bool(stop.spoiled)
    times = service_times(seen.buckets)
    median_s = times.quantile(0.5)
    in_flight, step_s = _in_flight(setting, seen)
    return Evidence(
        offered_per_s=stop_rules.realised_per_s(setting, seen, to_end=censored),
        judged=_out_of(setting, seen, stop),
        bad=seen.known_bad,
        clustering=_clusterings(setting, seen),
        censored=censored,
        saturated_per_s=stop_rules.saturated_per_s(setting, whole) if censored else None,
        relaxation_s=autocorrelation_s(in_flight, step_s) if in_flight else None,
        measured_s=measured_s(setting, seen),
        median_s=None if math.isnan(median_s) else Seconds(median_s),
        stalls=found.stalls,
        watched_s=whole.through_s,
        burst=found.burst,
        bad_clustering=() if censored else _bad_clusterings(seen),
        mean_s=Seconds(times.sum_s / times.count) if times.count else None,
        planned_s=setting.probe.measure_s,
        in_flight_variance=float(np.var(in_flight)) if in_flight else 0.0,
        quick_s=_quick_s(times),
    )


def quick_s(whole: Tally, from_s: float) -> Seconds | None:
    """The quick end of the service time of the judged arrivals due from `from_s` on."""
    return _quick_s(service_times(tally.behind(whole, from_s).buckets))


def _quick_s(times: Histogram) -> Seconds | None:
    return Seconds(times.quantile(QUICK_QUANTILE)) if times.count else None


def _out_of(setting: Setting, seen: Tally, stop: Stop) -> tuple[int, ...]:
    """What the bad ones are out of: a curtailed probe knows its bad count to its planned end."""
    if not stop.spoiled:
        return seen.known
    left_out = sum(setting.is_judged(index) for index in seen.left_out)
    planned = round(setting.planned - left_out * tally.BUCKET_S * setting.probe.rate)
    whole = max(planned, 1) if stop.rule.startswith("R1") else 0
    return tuple(
        max(known, whole, 1) if index in stop.spoiled else 0
        for index, known in enumerate(seen.known)
    )


def _clusterings(setting: Setting, seen: Tally) -> tuple[float | None, ...]:
    windows = [(b.index, b.response_time) for b in seen.buckets if b.response_time.count]
    of_times = exceedance_clustering(windows) if windows else None
    return tuple(
        _error_clustering(seen) if objective.kind == "error_ratio" else _told(objective, of_times)
        for objective in setting.goal.objectives
    )


def _told(objective: Objective, of_times: float | None) -> float | None:
    """Response times say nothing of how the times to tokens cluster."""
    return None if objective.metric in ("ttft", "itl", "tpot") else of_times


def _bad_clusterings(seen: Tally) -> tuple[float | None, ...]:
    buckets = seen.buckets
    if not buckets:
        return ()
    found = []
    for index in range(len(seen.judged)):
        bad = blocks([(b.index, b.bad[index] if b.bad else 0) for b in buckets])
        judged = blocks([(b.index, b.judged[index] if b.judged else 0) for b in buckets])
        enough = sum(bad) >= FEWEST_BAD
        found.append(clustering(judged, bad) if enough else None)
    return tuple(found)


def _error_clustering(seen: Tally) -> float | None:
    buckets = seen.buckets
    if not buckets:
        return None
    faults = blocks([(b.index, b.failed + b.timed_out) for b in buckets])
    decided = blocks([(b.index, b.succeeded + b.failed + b.timed_out) for b in buckets])
    return clustering(decided, faults)


def _in_flight(setting: Setting, seen: Tally) -> tuple[list[int], float]:
    """Numbers in flight of the judged samples outside stalls, and how many seconds apart they are."""
    probe, samples = setting.probe, seen.samples
    judged = [s for s in samples if probe.judged_from_s < s.through_s <= probe.duration_s + 1e-6]
    if len(judged) < 2:
        return [], 0.0
    step_s = (judged[-1].through_s - judged[0].through_s) / (len(judged) - 1)
    stalled = seen.left_out
    clear = [s.in_flight for s in judged if int(s.through_s / tally.BUCKET_S - 1e-9) not in stalled]
    return clear, step_s


def measured_s(setting: Setting, seen: Tally) -> Seconds:
    """For how long the probe has judged so far."""
    probe = setting.probe
    until_s = min(seen.through_s, probe.duration_s)
    return Seconds(max(until_s - probe.judged_from_s, 0.0))
