"""What is the verdict of one probe, and when is it due?

The inner fold: reports are fed as they come, and the trial decides as soon as a rule does
(`controller.search.stop_rules`, `void_rules`, `steadiness`), else at the end: every judged
arrival decided, or those in flight bad already for every objective.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from contract.latency import Histogram
from contract.objectives import Objective
from contract.report import FleetReport
from contract.units import Rate, Seconds
from controller.search import explain, stalls, steadiness, stop_rules, tally, void_rules, watching
from controller.search.capacity import Search
from controller.search.clustering import blocks, clustering, exceedance_clustering
from controller.search.estimate import Belief
from controller.search.fronts import front_cut_s
from controller.search.journal import Measured
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Verdict
from controller.search.relaxation import autocorrelation_s
from controller.search.stop_rules import Stop
from controller.search.tally import Setting, Tally
from controller.search.watching import Watch
from controller.search.windows import windows_of

END_GRACE_S = 1.0
FEWEST_BAD = 5
"""Of fewer bad arrivals nobody can tell whether they come in clusters."""
SCALE_TIMES, SCALE_FEWEST = 3.0, 2
"""A scale probe is no verdict: it fails at so many budgets, and more than a cold start's few."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A probe and what was reported of it."""

    setting: Setting
    tally: Tally
    watch: Watch = Watch()  # noqa: RUF009 - frozen
    signal_beliefs: tuple[Belief, ...] = ()


def begin(search: Search, probe: Probe) -> Trial:
    """Nothing reported yet; carries what the stop rules need of the search."""
    beliefs, of_arrivals = search.strategy.beliefs(), len(search.goal.objectives)
    setting = Setting(
        probe,
        search.goal,
        beliefs[:of_arrivals],
        search.saturated_per_s,
        unloaded_s=search.unloaded_s,
        burst=search.burst,
        batching=search.goal.features.batching,
        idle_s=search.idle_s or Seconds(0.0),
    )
    return Trial(setting, tally.empty(setting), signal_beliefs=beliefs[of_arrivals:])


def feed(trial: Trial, report: FleetReport) -> Trial:
    """Add a merged report; those of one probe come in order."""
    return replace(trial, tally=tally.fed(trial.setting, trial.tally, report))


def watch(trial: Trial, window: Measured) -> tuple[Trial, Measured]:
    """Take in a window of about a second; it comes back with the health after it."""
    seen, window = watching.watched(trial.watch, trial.setting.goal, window)
    return replace(trial, watch=seen), window


def decide(trial: Trial) -> Outcome | None:
    """The outcome once it is certain; None: keep measuring."""
    setting, seen = trial.setting, trial.tally
    if not seen.samples:
        return None
    wrong = void_rules.voided(setting, seen, ended=False)
    if wrong is not None:
        return void(trial, wrong)
    stop = stop_rules.stopped(setting, seen)
    if stop is not None and (not stop.passed or _agreed(trial)):
        return _sound(trial, stop)
    if setting.probe.purpose == "warm_up":
        return _warmed(trial)
    return conclude(trial) if _over(setting, seen) else None


def conclude(trial: Trial) -> Outcome:
    """The reports ended before a decision: judge what there is, void when the end is missing."""
    setting, seen = trial.setting, trial.tally
    if seen.through_s < setting.probe.duration_s - 1e-6:
        return void(trial, "the reports ended before the probe did; see the workers' logs")
    if setting.probe.purpose == "warm_up":
        return _warmed(trial) or void(trial, "the reports ended before the warm-up did")
    found = stalls.found(setting, seen)
    cut_s = _front_cut_s(trial, found.buckets)
    if cut_s > 0:
        trial = _behind(trial, cut_s)
    judged = replace(trial, tally=tally.without(trial.tally, found.buckets))
    reason = _judged_reason(judged)
    if found.stalls:
        reason += explain.outside_stalls(found.stalls)
    stop = Stop("end", reason, passed=_passed(judged.setting, judged.tally))
    return replace(_sound(trial, stop), probe=setting.probe, front_cut_s=cut_s)


def _front_cut_s(trial: Trial, stalled: frozenset[int]) -> Seconds:
    probe = trial.setting.probe
    if probe.purpose not in ("search", "closing"):
        return Seconds(0.0)
    first = math.ceil(probe.judged_from_s / tally.BUCKET_S - 1e-6)
    clear = tally.without(trial.tally, stalled)
    return front_cut_s(tally.judged_levels(clear, first), tally.BUCKET_S)


def _behind(trial: Trial, cut_s: Seconds) -> Trial:
    """The trial as if it had settled for so much longer."""
    probe = trial.setting.probe
    settle_s, measure_s = Seconds(probe.settle_s + cut_s), Seconds(probe.measure_s - cut_s)
    later = replace(probe, settle_s=settle_s, measure_s=measure_s)
    setting = replace(trial.setting, probe=later)
    return replace(trial, setting=setting, tally=tally.behind(trial.tally, later.judged_from_s))


def void(trial: Trial, reason: str) -> Outcome:
    """The probe says nothing of the target, for `reason`."""
    return _outcome(trial, Verdict.VOID, "void", reason)


def _sound(trial: Trial, stop: Stop) -> Outcome:
    """The outcome of `stop`, unless the generator was not up to the probe."""
    wrong = void_rules.voided(trial.setting, trial.tally, ended=True)
    if wrong is not None:
        return void(trial, wrong)
    signals, reason = _signals(trial), stop.reason
    verdict = Verdict.PASS if stop.passed and signals.passed else Verdict.FAIL
    if stop.passed and not signals.passed:
        reason = watching.reason(trial.setting.goal, signals)
    outcome = _outcome(trial, verdict, stop.rule, reason)
    if not (trial.tally.decided or any(trial.tally.known) or stop.spoiled):
        return void(trial, "no arrival was judged: the probe was too short for its rate")
    outcome = replace(outcome, evidence=_evidence(trial, stop))
    if trial.setting.probe.purpose == "sentinel":
        return replace(outcome, levels=steadiness.level_windows(trial.setting, trial.tally))
    return outcome


def _warmed(trial: Trial) -> Outcome | None:
    found = steadiness.settled(trial.setting, trial.tally)
    if found is None:
        return None
    wrong = void_rules.voided(trial.setting, trial.tally, ended=True)
    if wrong is not None:
        return void(trial, wrong)
    # An unsteady target passes too: what it lacks is steadiness, a lower rate would not help.
    outcome = _outcome(trial, Verdict.PASS, found.kind, found.reason)
    return replace(
        outcome,
        evidence=_evidence(trial, Stop(found.kind, found.reason, passed=True)),
        steady=found.steady,
        course=found.course,
        levels=found.levels,
    )


def _over(setting: Setting, seen: Tally) -> bool:
    past_s = seen.through_s - setting.probe.duration_s
    if past_s < -1e-6 or seen.late:
        return False
    if seen.waiting == 0 or past_s >= setting.goal.workload.timeout_s + END_GRACE_S:
        return True
    # Those that hang may yet fail: to stop without them would be to judge the survivors.
    return past_s >= setting.goal.largest_limit_s + END_GRACE_S and not seen.undecided


def _passed(setting: Setting, seen: Tally) -> bool:
    scale = setting.probe.purpose == "scale"
    times, spare = (SCALE_TIMES, SCALE_FEWEST) if scale else (1.0, 0)
    return all(
        bad <= max(times * objective.budget * known + 1e-9, spare)
        for objective, bad, known in zip(
            setting.goal.objectives, seen.known_bad, seen.known, strict=True
        )
    )


def _evidence(trial: Trial, stop: Stop) -> Evidence:
    setting, whole = trial.setting, trial.tally
    found = stalls.found(setting, whole)
    trial = replace(trial, tally=stop.seen or tally.without(whole, found.buckets))
    seen = trial.tally
    censored = bool(stop.spoiled)
    times = tally.service_times(seen)
    median_s = times.quantile(0.5)
    evidence = Evidence(
        offered_per_s=stop_rules.realised_per_s(setting, seen, to_end=censored),
        judged=_out_of(trial, stop),
        bad=seen.known_bad,
        clustering=_clusterings(trial),
        censored=censored,
        saturated_per_s=stop_rules.saturated_per_s(setting, whole) if censored else None,
        relaxation_s=_autocorrelation_s(trial),
        measured_s=_measured_s(trial),
        median_s=None if math.isnan(median_s) else Seconds(median_s),
        stalls=found.stalls,
        watched_s=whole.through_s,
        burst=found.burst,
        bad_clustering=() if censored else _bad_clusterings(trial),
        mean_s=Seconds(times.sum_s / times.count) if times.count else None,
    )
    return watching.with_signals(evidence, setting.goal, _signals(trial))


def _agreed(trial: Trial) -> bool:
    """Whether the signals leave it at a pass before the probe's end."""
    goal, probe = trial.setting.goal, trial.setting.probe
    found = _signals(trial)
    return found.passed and watching.sure(trial.watch, goal, probe, trial.signal_beliefs)


def _signals(trial: Trial) -> watching.Judged:
    return watching.judged(trial.watch, trial.setting.goal, trial.setting.probe)


def _out_of(trial: Trial, stop: Stop) -> tuple[int, ...]:
    """What the bad ones are out of: a curtailed probe knows its bad count to its planned end."""
    seen = trial.tally
    if not stop.spoiled:
        return seen.known
    left_out = sum(trial.setting.is_judged(index) for index in seen.left_out)
    planned = round(trial.setting.planned - left_out * tally.BUCKET_S * trial.setting.probe.rate)
    whole = max(planned, 1) if stop.rule.startswith("R1") else 0
    return tuple(
        max(known, whole, 1) if index in stop.spoiled else 0
        for index, known in enumerate(seen.known)
    )


def _clusterings(trial: Trial) -> tuple[float | None, ...]:
    windows = [(b.index, b.response_time) for b in trial.tally.buckets if b.response_time.count]
    of_times = exceedance_clustering(windows) if windows else None
    return tuple(
        _error_clustering(trial) if objective.kind == "error_ratio" else _told(objective, of_times)
        for objective in trial.setting.goal.objectives
    )


def _told(objective: Objective, of_times: float | None) -> float | None:
    """Response times say nothing of how the times to tokens cluster."""
    return None if objective.metric in ("ttft", "itl", "tpot") else of_times


def _bad_clusterings(trial: Trial) -> tuple[float | None, ...]:
    buckets = trial.tally.buckets
    if not buckets:
        return ()
    found = []
    for index in range(len(trial.tally.judged)):
        bad = blocks([(b.index, b.bad[index] if b.bad else 0) for b in buckets])
        judged = blocks([(b.index, b.judged[index] if b.judged else 0) for b in buckets])
        enough = sum(bad) >= FEWEST_BAD
        found.append(clustering(judged, bad) if enough else None)
    return tuple(found)


def _error_clustering(trial: Trial) -> float | None:
    buckets = trial.tally.buckets
    if not buckets:
        return None
    faults = blocks([(b.index, b.failed + b.timed_out) for b in buckets])
    decided = blocks([(b.index, b.succeeded + b.failed + b.timed_out) for b in buckets])
    return clustering(decided, faults)


def _autocorrelation_s(trial: Trial) -> Seconds | None:
    probe, samples = trial.setting.probe, trial.tally.samples
    judged = [s for s in samples if probe.judged_from_s < s.through_s <= probe.duration_s + 1e-6]
    if len(judged) < 2:
        return None
    step_s = (judged[-1].through_s - judged[0].through_s) / (len(judged) - 1)
    stalled = trial.tally.left_out
    clear = [s.in_flight for s in judged if int(s.through_s / tally.BUCKET_S - 1e-9) not in stalled]
    return autocorrelation_s(clear, step_s)


def _measured_s(trial: Trial) -> Seconds:
    probe = trial.setting.probe
    until_s = min(trial.tally.through_s, probe.duration_s)
    return Seconds(max(until_s - probe.judged_from_s, 0.0))


def _judged_reason(trial: Trial) -> str:
    setting, seen = trial.setting, trial.tally
    overruns = [
        bad / max(known, 1) / max(objective.budget, 1e-9)
        for objective, bad, known in zip(
            setting.goal.objectives, seen.known_bad, seen.known, strict=True
        )
    ]
    worst = overruns.index(max(overruns))
    objective = setting.goal.objectives[worst]
    quantile_s = _quantile_s(objective, seen)
    return explain.judged(objective, seen.known[worst], seen.known_bad[worst], quantile_s)


def _quantile_s(objective: Objective, seen: Tally) -> float | None:
    if objective.quantile is None or objective.request_name is not None:
        return None
    if objective.metric in ("response_time", "e2e"):
        return tally.response_times(seen).quantile(objective.quantile)
    if objective.metric == "service_time":
        return tally.service_times(seen).quantile(objective.quantile)
    return None


def _outcome(trial: Trial, verdict: Verdict, rule: str, reason: str) -> Outcome:
    setting, seen = trial.setting, trial.tally
    measured_s = _measured_s(trial)
    achieved_per_s = 0.0
    if seen.samples:
        achieved_per_s, _ = tally.per_second(seen.samples, setting.probe.judged_from_s)
    outcome = Outcome(
        probe=setting.probe,
        verdict=verdict,
        rule=rule,
        reason=reason,
        response_time=_quantiles(tally.response_times(seen)),
        service_time=_quantiles(tally.service_times(seen)),
        sent_per_s=Rate(seen.sent / measured_s if measured_s > 0 else 0.0),
        achieved_per_s=Rate(achieved_per_s),
        requests=seen.requests,
        bad_requests=seen.bad_any + seen.over_any,
        ledger=seen.totals,
        send_lag_p99_s=_lag_s(seen.send_lag),
        error_ratio=_error_ratio(seen),
        errors=seen.errors,
        in_flight_at_end=seen.totals.in_flight,
        seconds=Seconds(setting.probe.rest_s + seen.through_s),
        windows=windows_of(setting.goal, setting.probe, seen),
    )
    return watching.completed(outcome, trial.watch, void_rules.lag_limit_s(setting))


def _quantiles(times: Histogram) -> Quantiles:
    return Quantiles(times.quantile(0.5), times.quantile(0.9), times.quantile(0.99))


def _lag_s(lag: Histogram) -> Seconds:
    return Seconds(lag.quantile(0.99) if lag.count else 0.0)


def _error_ratio(seen: Tally) -> float:
    if seen.decided:
        return seen.faults / seen.decided
    faults = seen.totals.failed + seen.totals.timed_out
    decided = faults + seen.totals.succeeded
    return faults / decided if decided else 0.0
