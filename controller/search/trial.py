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
from controller.search.estimate import Belief
from controller.search.evidence import evidence_of, measured_s, quick_s
from controller.search.fronts import front_cut_s
from controller.search.journal import Measured
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Verdict
from controller.search.stop_rules import Stop
from controller.search.tally import Setting, Tally
from controller.search.times import judged_levels, response_times, service_times
from controller.search.watching import Watch
from controller.search.windows import windows_of

END_GRACE_S = 1.0
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
    return front_cut_s(judged_levels(clear.buckets, first), tally.BUCKET_S)


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
    evidence = _evidence(trial, Stop(found.kind, found.reason, passed=True))
    steady_s = None if found.course is None else found.course.time_to_steady_s
    if steady_s:
        since_s = trial.setting.probe.ramp_s + steady_s
        evidence = replace(evidence, quick_s=quick_s(trial.tally, since_s))
    return replace(
        outcome,
        evidence=evidence,
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
    evidence = evidence_of(trial.setting, trial.tally, stop)
    return watching.with_signals(evidence, trial.setting.goal, _signals(trial))


def _agreed(trial: Trial) -> bool:
    """Whether the signals leave it at a pass before the probe's end."""
    goal, probe = trial.setting.goal, trial.setting.probe
    found = _signals(trial)
    return found.passed and watching.sure(trial.watch, goal, probe, trial.signal_beliefs)


def _signals(trial: Trial) -> watching.Judged:
    return watching.judged(trial.watch, trial.setting.goal, trial.setting.probe)


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
        return response_times(seen.buckets).quantile(objective.quantile)
    if objective.metric == "service_time":
        return service_times(seen.buckets).quantile(objective.quantile)
    return None


def _outcome(trial: Trial, verdict: Verdict, rule: str, reason: str) -> Outcome:
    setting, seen = trial.setting, trial.tally
    judged_s = measured_s(setting, seen)
    achieved_per_s = 0.0
    if seen.samples:
        achieved_per_s, _ = tally.per_second(seen.samples, setting.probe.judged_from_s)
    outcome = Outcome(
        probe=setting.probe,
        verdict=verdict,
        rule=rule,
        reason=reason,
        response_time=_quantiles(response_times(seen.buckets)),
        service_time=_quantiles(service_times(seen.buckets)),
        sent_per_s=Rate(seen.sent / judged_s if judged_s > 0 else 0.0),
        achieved_per_s=Rate(achieved_per_s),
        requests=seen.requests + seen.totals.in_flight,
        bad_requests=seen.bad_any + seen.over_any,
        ledger=seen.totals,
        send_lag_p99_s=_lag_s(seen.send_lag),
        error_ratio=_error_ratio(seen),
        errors=seen.errors,
        in_flight_at_end=seen.totals.in_flight,
        seconds=Seconds(setting.probe.rest_s + seen.through_s),
        windows=windows_of(setting.goal, setting.probe, seen),
        phases=tuple((name, _quantiles(times)) for name, times in seen.phases),
        connections=seen.connections,
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
