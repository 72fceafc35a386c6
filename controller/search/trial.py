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
from controller.search import explain, stalls, steadiness, stop_rules, tally, void_rules
from controller.search.capacity import Search
from controller.search.clustering import blocks, clustering, exceedance_clustering
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Verdict
from controller.search.relaxation import autocorrelation_s
from controller.search.stop_rules import Stop
from controller.search.tally import Setting, Tally

END_GRACE_S = 1.0
SCALE_TIMES, SCALE_FEWEST = 3.0, 2
"""A scale probe is no verdict: it fails at so many budgets, and more than a cold start's few."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A probe and what was reported of it."""

    setting: Setting
    tally: Tally


def begin(search: Search, probe: Probe) -> Trial:
    """Nothing reported yet; carries what the stop rules need of the search."""
    beliefs = search.strategy.beliefs()
    setting = Setting(
        probe,
        search.goal,
        beliefs,
        search.saturated_per_s,
        unloaded_s=search.unloaded_s,
        burst=search.burst,
    )
    return Trial(setting, tally.empty(setting))


def feed(trial: Trial, report: FleetReport) -> Trial:
    """Add a merged report; those of one probe come in order."""
    return replace(trial, tally=tally.fed(trial.setting, trial.tally, report))


def decide(trial: Trial) -> Outcome | None:
    """The outcome once it is certain; None: keep measuring."""
    setting, seen = trial.setting, trial.tally
    if not seen.samples:
        return None
    wrong = void_rules.voided(setting, seen, ended=False)
    if wrong is not None:
        return void(trial, wrong)
    stop = stop_rules.stopped(setting, seen)
    if stop is not None:
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
    seen = tally.without(seen, found.buckets)
    reason = _judged_reason(replace(trial, tally=seen))
    if found.stalls:
        reason += explain.outside_stalls(found.stalls)
    return _sound(trial, Stop("end", reason, passed=_passed(setting, seen)))


def void(trial: Trial, reason: str) -> Outcome:
    """The probe says nothing of the target, for `reason`."""
    return _outcome(trial, Verdict.VOID, "void", reason)


def _sound(trial: Trial, stop: Stop) -> Outcome:
    """The outcome of `stop`, unless the generator was not up to the probe."""
    wrong = void_rules.voided(trial.setting, trial.tally, ended=True)
    if wrong is not None:
        return void(trial, wrong)
    verdict = Verdict.PASS if stop.passed else Verdict.FAIL
    outcome = _outcome(trial, verdict, stop.rule, stop.reason)
    if not (trial.tally.decided or any(trial.tally.known) or stop.spoiled):
        return void(trial, "no arrival was judged: the probe was too short for its rate")
    return replace(outcome, evidence=_evidence(trial, stop))


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
        steady=found.kind != "not_steady",
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
    median_s = tally.service_times(seen).quantile(0.5)
    return Evidence(
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
    )


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
        _error_clustering(trial) if objective.kind == "error_ratio" else of_times
        for objective in trial.setting.goal.objectives
    )


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
    return Outcome(
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
    )


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
