"""Which probe comes next, and when is the capacity known?

The outer fold: `propose` and `observe` are pure, so the same outcomes give the same probes live,
in virtual time and on resume. Rates are the strategy's choice; here is what every strategy needs:
numbering, the opening, the budget, void probes and a target that stopped answering.

    void     repeated; the third in a row ends the search. It moves nothing but counts and the clock.
    dead     a probe with 90 % errors is followed by a check at a rate that once passed; when that
             fails alike, the target is gone and no rate is to blame.
    budget   no probe is started that could not end within it.
"""

from __future__ import annotations

import math
from dataclasses import replace

from contract.units import Rate, Seconds
from controller.search import (
    conclusion,
    explain,
    explain_answer,
    opening,
    pacing,
    profiles,
    sentinel,
    signals,
    streams,
)
from controller.search.advice import ADVICE_TIMEOUT_S, Advice, Consult
from controller.search.answer import Capacity, Interval
from controller.search.conclusion import ended
from controller.search.constant import Constant, constant
from controller.search.goal import Goal
from controller.search.knowledge import Search, Suspicion
from controller.search.probe import Outcome, Probe, Verdict
from controller.search.quote import Quote, quote
from controller.search.strategies import strategy_of
from controller.search.strategies.external import External
from controller.search.strategy import Ask, Finding

__all__ = [
    "Quote",
    "Search",
    "advised",
    "cost_s",
    "ended",
    "interval",
    "observe",
    "propose",
    "quote",
    "rewarm",
    "start",
]

MOST_VOIDS = 3
DEAD_ERROR_RATIO = 0.9
SHORTEST_MEASURE_S = Seconds(4.0)
"""A search probe cut to fit the budget is not worth starting below this."""
OVERHEAD_S = Seconds(2.0)
"""Of a probe, besides its schedule: telling the workers, stopping, draining."""
IDLE_S = 60.0
"""Without load for longer than this, a target may have cooled down."""
BURSTS_KEPT = 9


def start(goal: Goal) -> Search:
    """Nothing known."""
    goal = goal.deciding()
    return Search(goal, strategy_of(goal), opening.opened(goal))


def propose(search: Search) -> Probe | Consult | Capacity:
    """The next probe, whom to ask for it (then call `advised`), or the answer."""
    if search.suspicion is not None and search.suspicion.confirmed:
        return conclusion.dead(search)
    if search.voids >= MOST_VOIDS:
        return ended(search, "no_verdict", explain_answer.voids(search.voids, search.void_reason))
    if search.unmatched:
        return ended(search, "no_verdict", explain_answer.unmatched(search.unmatched))
    always = _constant(search)
    if always is not None:
        return conclusion.hopeless(search, always)
    ask = _ask(search)
    if isinstance(ask, Finding):
        return _longer(search, ask) or conclusion.found(search, ask)
    if isinstance(ask, Consult):
        fits = search.remaining_s > ADVICE_TIMEOUT_S + SHORTEST_MEASURE_S
        return ask if fits else conclusion.spent(search)
    probe = _fitted(search, _planned(search, ask))
    if probe is None:
        return (
            conclusion.found(search, ask.otherwise) if ask.otherwise else conclusion.spent(search)
        )
    return probe


def _constant(search: Search) -> Constant | None:
    if search.goal.strategy != "bayes":  # the others are what they are known for
        return None
    summary = search.opening.summary
    flat = summary is not None and summary.kind == "flat" and not search.sentinel.drifts
    seen = (
        search.watched if flat else search.seen
    )  # a cold target's warm-up is bad for another reason
    judged_by = search.goal.judged_by
    errors = next(
        (n for n, o in enumerate(judged_by) if o.kind == "error_ratio" and o.request_name is None),
        None,
    )
    return constant(seen, (o.budget for o in judged_by), errors)


def _longer(search: Search, finding: Finding) -> Probe | None:
    """One more probe where the answer would be refused for want of a long one, and it fits."""
    ours = finding.status == "answered" and finding.told is None
    look = conclusion.longer_look(search) if ours else None
    if look is None:
        return None
    probe = _planned(search, look)
    return probe if _fitted(search, probe) == probe else None


def observe(search: Search, outcome: Outcome) -> Search:
    """Learn from a decided probe."""
    search = replace(
        search,
        probes=search.probes + 1,
        elapsed_s=Seconds(search.elapsed_s + outcome.seconds),
        requests=search.requests + outcome.requests,
        bad_requests=search.bad_requests + outcome.bad_requests,
    )
    search = replace(search, rest_s=pacing.rest_s(search, outcome))
    idle_s = outcome.seconds - cost_s(search.goal, outcome.probe)
    if idle_s > IDLE_S:
        search = rewarm(search)
    if outcome.verdict is Verdict.VOID:
        return replace(
            search,
            voids=search.voids + 1,
            void_probes=search.void_probes + 1,
            void_reason=outcome.reason,
        )
    search = replace(search, voids=0)
    if outcome.probe.purpose == "check":
        return _checked(search, outcome)
    if outcome.probe.purpose == "sentinel":
        return _watched(search, outcome)
    if idle_s > IDLE_S and outcome.probe.purpose in ("search", "closing"):
        return search  # it met a target that had cooled down
    search = _suspecting(_noted(search, outcome), outcome)
    if outcome.probe.purpose in ("scale", "warm_up"):
        return _opened(search, outcome)
    return _learned(search, outcome)


def advised(search: Search, advice: Advice, seconds: Seconds) -> Search:
    """Learn what the advisor answered, which took `seconds` of the budget."""
    strategy = search.strategy
    assert isinstance(strategy, External)
    elapsed_s = Seconds(search.elapsed_s + seconds)
    return replace(search, elapsed_s=elapsed_s, strategy=strategy.advised(advice))


def rewarm(search: Search) -> Search:
    """The target may have cooled down: the next probe is a warm-up again."""
    supported = search.most_passed[0] if search.most_passed else None
    return replace(search, opening=opening.reopened(search.opening, search.goal, supported))


def interval(search: Search) -> Interval | None:
    """What is known so far, for people to watch; None before there is evidence."""
    standing = search.strategy.standing()
    return None if standing is None else standing.interval


def _ask(search: Search) -> Ask | Finding | Consult:
    if search.suspicion is not None:
        rate = search.least_passed[0] if search.least_passed else search.goal.low
        return Ask("check", rate, SHORTEST_MEASURE_S, explain.check(search.suspicion.rate, rate))
    own = search.again or sentinel.asked(search.sentinel, _purse(search))
    if search.goal.strategy != "bayes":  # the others are what they are known for
        own = None
    return opening.asked(search.opening, search.goal) or own or search.strategy.ask()


def _purse(search: Search) -> sentinel.Purse:
    goal = search.goal
    overhead_s = pacing.RAMP_S + pacing.SHORTEST_SETTLE_S + goal.patience_s + 1.0 + OVERHEAD_S
    return sentinel.Purse(search.elapsed_s, search.remaining_s, Seconds(overhead_s))


def _planned(search: Search, ask: Ask) -> Probe:
    ramp_s, settle_s = pacing.ramp_s(search, ask), pacing.settle_s(search, ask)
    return Probe(
        number=search.probes + 1,
        purpose=ask.purpose,
        rate=ask.rate,
        ramp_s=ramp_s,
        settle_s=settle_s,
        measure_s=pacing.on_grid(ask.measure_s),
        rest_s=search.rest_s,
        why=ask.why,
        streams=streams.streams(search.goal, search.seen, ask.rate),
        profile=profiles.begun_at(ask.profile, ramp_s + settle_s),
    )


def cost_s(goal: Goal, probe: Probe) -> Seconds:
    """Wall time of a probe that runs to its end and then waits for its last arrivals."""
    drain_s = goal.patience_s + 1.0
    return Seconds(probe.rest_s + probe.duration_s + drain_s + OVERHEAD_S)


def _fitted(search: Search, probe: Probe) -> Probe | None:
    """Cut to end within the budget, though its last arrival should wait for its time-out."""
    last_s = probe.rest_s + probe.duration_s + search.goal.workload.timeout_s + OVERHEAD_S
    over_s = max(cost_s(search.goal, probe), last_s) - search.remaining_s
    if over_s <= 0:
        return probe
    left_s = math.floor((probe.measure_s - over_s) / pacing.GRID_S) * pacing.GRID_S
    if left_s < SHORTEST_MEASURE_S:
        return None
    return replace(probe, measure_s=Seconds(left_s))


def _noted(search: Search, outcome: Outcome) -> Search:
    rate, evidence = outcome.probe.rate, outcome.evidence
    saturated = None if evidence is None else evidence.saturated_per_s
    if saturated is not None:
        most = max(saturated, search.saturated_per_s or saturated)
        search = replace(search, saturated_per_s=Rate(most))
    if evidence is not None and outcome.probe.purpose != "scale":
        search = replace(
            search,
            watched=(*search.watched, evidence),
            bursts=(*search.bursts, max(evidence.burst, signals.batch_size(outcome)))[
                -BURSTS_KEPT:
            ],
        )
    if outcome.verdict is not Verdict.PASS:
        return search
    median_s = None if evidence is None else evidence.median_s
    if median_s is not None:
        search = replace(search, unloaded_s=min(median_s, search.unloaded_s or median_s))
    mean_s = None if evidence is None else evidence.mean_s
    if mean_s is not None:
        search = replace(search, idle_s=min(mean_s, search.idle_s or mean_s))
    here = (rate, outcome.probe.number)
    least, most_passed = search.least_passed or here, search.most_passed or here
    return replace(
        search,
        least_passed=here if rate < least[0] else least,
        most_passed=here if rate > most_passed[0] else most_passed,
    )


def _learned(search: Search, outcome: Outcome) -> Search:
    evidence, ledger = outcome.evidence, outcome.ledger
    if evidence is not None:
        ended_here = ledger.succeeded + ledger.failed + ledger.timed_out
        search = replace(
            search,
            seen=(*search.seen, evidence),
            decided=search.decided + (0 if evidence.censored else ended_here),
        )
    return replace(
        search,
        strategy=search.strategy.observe(outcome),
        sentinel=sentinel.counted(search.sentinel, outcome),
        again=None if search.again is not None else _repeated(outcome),
    )


def _repeated(outcome: Outcome) -> Ask | None:
    """The probe once more where its front was cut off."""
    probe = outcome.probe
    if outcome.front_cut_s <= 0:
        return None
    return Ask(probe.purpose, probe.rate, probe.measure_s, explain.repeated(outcome.front_cut_s))


def _watched(search: Search, outcome: Outcome) -> Search:
    """A look of the sentinel; after a drift what was learned is of another target."""
    after = sentinel.observed(search.sentinel, outcome)
    drifted = len(after.drifts) > len(search.sentinel.drifts)
    search = replace(search, sentinel=after)
    if not drifted:
        return search
    supported = search.opening.supported or search.goal.low
    warming = rewarm(search)
    return replace(
        warming,
        strategy=strategy_of(search.goal).placed(supported),
        seen=(),
        decided=0,
        watched=(),
        bursts=(),
        saturated_per_s=None,
        unloaded_s=None,
        idle_s=None,
        least_passed=None,
        most_passed=None,
        again=None,
    )


def _suspecting(search: Search, outcome: Outcome) -> Search:
    if outcome.verdict is not Verdict.FAIL or outcome.error_ratio < DEAD_ERROR_RATIO:
        return search
    if search.goal.strategy == "soak":  # it has no other rate to check, and says when it broke
        return search
    return replace(search, suspicion=_suspicion(outcome))


def _suspicion(outcome: Outcome, *, confirmed: bool = False) -> Suspicion:
    error = outcome.errors[0][0] if outcome.errors else ""
    arrivals = outcome.ledger.succeeded + outcome.ledger.failed + outcome.ledger.timed_out
    return Suspicion(outcome.probe.rate, arrivals, outcome.error_ratio, error, confirmed)


def _checked(search: Search, outcome: Outcome) -> Search:
    if outcome.verdict is Verdict.FAIL and outcome.error_ratio >= DEAD_ERROR_RATIO:
        return replace(search, suspicion=_suspicion(outcome, confirmed=True))
    return replace(search, suspicion=None)


def _opened(search: Search, outcome: Outcome) -> Search:
    after = opening.observed(search.opening, search.goal, outcome)
    search = replace(search, opening=after)
    if outcome.probe.purpose == "warm_up" and after.stage == "done":
        search = replace(search, sentinel=sentinel.referred(search.sentinel, outcome))
    if outcome.probe.purpose == "scale" and after.stage == "warm_up" and after.supported:
        return replace(search, strategy=search.strategy.placed(after.supported))
    return search
