"""Is the published Algorithm 1 done as published, where it stops too soon included?"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.search.answer import Capacity, Interval
from controller.search.capacity import observe, propose, start
from controller.search.goal import Goal, SignalSource
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Stall, Verdict, Window
from controller.search.signal_objectives import parse_signal_objective
from controller.search.strategies.vanguard import Vanguard, spikes, worst_ratio
from controller.search.strategy import Ask, Finding, Strategy
from tests.helpers.builders import a_goal, a_probe, an_outcome

TRUTH = 774.0
LIMIT_S = 0.15


def goal(low: float, high: float) -> Goal:
    return a_goal(strategy="vanguard", low=Rate(low), high=Rate(high))


def outcome_of(ask: Ask, ratio: float, violated: int = 10, *, stopped: bool = False) -> Outcome:
    """A probe of 20 s whose p99 is `ratio` of the limit, `violated` of its 10 windows over it."""
    fails = ratio > 1
    judged = round(ask.rate * 20)
    bad = judged // 20 if fails else 0
    windows = tuple(
        _window(2.0 * index, judged // 10, violated=fails and index < violated)
        for index in range(10)
    )
    probe = Probe(1, "search", ask.rate, Seconds(1.0), Seconds(1.0), ask.measure_s)
    return Outcome(
        probe,
        Verdict.FAIL if fails else Verdict.PASS,
        "R1 curtail" if stopped else "end",
        "",
        Evidence(ask.rate, (judged,), (bad,), (1.0,), censored=stopped),
        response_time=Quantiles(0.01, 0.02, ratio * LIMIT_S),
        windows=windows,
    )


def _window(from_s: float, judged: int, *, violated: bool) -> Window:
    bad = judged // 10 if violated else 0
    return Window(
        Seconds(from_s), (judged,), (bad,), bad / judged, 0.01, 0.1, 3.0, Rate(judged / 2)
    )


def noise_free(asked: Goal, truth: float) -> tuple[Strategy, list[float]]:
    """Until it ends, against a target whose p99 over the limit is rate over truth."""
    strategy: Strategy = Vanguard.knowing_nothing(asked)
    rates = []
    while isinstance(ask := strategy.ask(), Ask):
        rates.append(float(ask.rate))
        strategy = strategy.observe(outcome_of(ask, ask.rate / truth))
        assert len(rates) < 50
    return strategy, rates


def test_from_100_to_1000_it_returns_550_where_774_is_true() -> None:
    strategy, rates = noise_free(goal(100.0, 1000.0), TRUTH)
    assert rates == [100.0, 325.0, 550.0, 775.0, 550.0]
    assert strategy.ask() == Finding("answered")
    standing = strategy.standing()
    assert standing is not None
    assert standing.interval == Interval(Rate(550.0), Rate(550.0), Rate(775.0))


def test_from_50_to_1000_it_returns_762() -> None:
    strategy, rates = noise_free(goal(50.0, 1000.0), TRUTH)
    assert rates == [50.0, 287.5, 525.0, 762.5, 881.25, 762.5]
    standing = strategy.standing()
    assert standing is not None
    assert standing.interval.estimate == 762.5
    assert math.floor(standing.interval.estimate) == 762


def test_a_search_answers_with_best_and_says_that_its_bracket_is_of_verdicts() -> None:
    search = start(goal(100.0, 1000.0))
    while isinstance(step := propose(search), Probe):
        ask = Ask("search", step.rate, step.measure_s, "")
        search = observe(search, replace(outcome_of(ask, step.rate / TRUTH), probe=step))
    assert isinstance(step, Capacity)
    assert step.status == "answered"
    assert (step.estimate, step.low, step.high) == (550.0, 550.0, 775.0)
    assert "by single verdicts" in step.reason


def test_from_10_to_1000_its_defect_costs_everything() -> None:
    """Three equal values of best after one overshoot of the first step."""
    strategy, rates = noise_free(goal(10.0, 1000.0), 230.0)
    assert rates == [10.0, 257.5, 10.0]
    standing = strategy.standing()
    assert standing is not None
    assert standing.interval.estimate == 10.0


def test_little_headroom_halves_the_step() -> None:
    strategy = Vanguard.knowing_nothing(goal(100.0, 1000.0))
    rates = []
    for ratio in (0.5, 0.81, 0.79):
        ask = strategy.ask()
        assert isinstance(ask, Ask)
        rates.append(ask.rate)
        strategy = strategy.observe(outcome_of(ask, ratio))
    assert rates == [100.0, 325.0, 437.5]
    assert strategy.rate == 550.0


def test_a_few_spikes_are_climbed_past_with_half_a_step() -> None:
    strategy = Vanguard.knowing_nothing(goal(100.0, 1000.0))
    ask = strategy.ask()
    assert isinstance(ask, Ask)
    after = strategy.observe(outcome_of(ask, 1.2, violated=2))
    assert (after.rate, after.step, after.best) == (212.5, 225.0, None)
    after = strategy.observe(outcome_of(ask, 1.2, violated=3))
    assert (after.rate, after.step) == (100.0, 112.5)


def test_a_probe_stopped_in_overload_is_no_spike() -> None:
    strategy = Vanguard.knowing_nothing(goal(100.0, 1000.0))
    ask = strategy.ask()
    assert isinstance(ask, Ask)
    stopped = outcome_of(ask, 1.2, violated=1, stopped=True)
    assert spikes(strategy.goal, stopped) == math.inf
    assert strategy.observe(stopped).rate == 100.0


def test_all_above_the_truth_is_at_most_and_all_below_at_least() -> None:
    strategy, rates = noise_free(goal(100.0, 1000.0), 50.0)
    found = strategy.ask()
    assert isinstance(found, Finding)
    assert (found.status, rates) == ("at_most", [100.0] * 3)
    strategy, rates = noise_free(goal(100.0, 1000.0), 5000.0)
    assert strategy.ask() == Finding("at_least")
    assert rates[-3:] == [1000.0] * 3


def test_at_most_says_that_it_stands_on_verdicts_of_one_rate_and_what_was_measured() -> None:
    search = start(replace(goal(100.0, 1000.0), require=Rate(120.0)))
    while isinstance(step := propose(search), Probe):
        ask = Ask("search", step.rate, step.measure_s, "")
        failed = replace(outcome_of(ask, 2.0), probe=step, reason="p99 was 300ms")
        search = observe(search, failed)
    assert isinstance(step, Capacity)
    assert (step.status, step.exit_status) == ("at_most", 1)
    assert step.binding_objective == search.goal.objectives[0].text
    assert "search.from, 100/s, fail 3 rounds by single verdicts" in step.reason
    assert "in the latest p99 was 300ms" in step.reason


def test_stopping_below_any_failure_gives_best_without_a_bracket() -> None:
    """Headroom below 20 % from the first rate on: the step shrinks to nothing."""
    strategy = Vanguard.knowing_nothing(goal(100.0, 1000.0))
    while isinstance(ask := strategy.ask(), Ask):
        strategy = strategy.observe(outcome_of(ask, 0.9))
    assert strategy.standing() is None
    assert ask.status == "answered"
    assert ask.told is not None
    assert (ask.told.estimate, ask.told.high) == (strategy.best, None)
    assert "nothing bounds it from above" in ask.told.reason


def test_stalls_are_counted_in_a_best_without_a_bracket() -> None:
    stall = Stall(Seconds(5.0), Seconds(5.3), Seconds(6.0), 60.0, 5, judged=(150,), bad=(40,))
    search = start(goal(100.0, 1000.0))
    while isinstance(step := propose(search), Probe):
        outcome = outcome_of(Ask("search", step.rate, step.measure_s, ""), 0.9)
        assert outcome.evidence is not None
        seen = replace(outcome.evidence, stalls=(stall,), watched_s=Seconds(120.0))
        search = observe(search, replace(outcome, probe=step, evidence=seen))
    assert isinstance(step, Capacity)
    assert (step.status, step.high, step.stalls) == ("answered", None, search.probes)
    assert step.estimate is not None
    assert step.strict is not None
    assert step.safe is not None
    assert step.safe <= step.strict < 0.95 * step.estimate
    assert "the target stalled" in step.reason


@pytest.mark.parametrize(
    ("slo", "bad", "expected"),
    [
        ("p99 response_time <= 150ms", 0, 0.1 / 0.15),
        ("p50 response_time <= 20ms", 0, 0.5),
        ("p95 response_time <= 150ms", 20, 0.4),
        ("error_ratio <= 2%", 8, 0.4),
        ("goodput >= 98%", 40, 2.0),
        ("p99 response_time <= 150ms", 30, 3.0),
        ("p99 service_time <= 100ms", 2, 0.2),
    ],
)
def test_the_ratio_is_that_of_the_metric_or_of_the_budget_and_never_clipped(
    slo: str, bad: int, expected: float
) -> None:
    asked = a_goal(objectives=(parse_objective(slo),))
    outcome = an_outcome(
        probe=a_probe(),
        evidence=Evidence(Rate(100.0), (1000,), (bad,), (1.0,)),
        response_time=Quantiles(0.01, 0.02, 0.1),
    )
    assert worst_ratio(asked, outcome) == pytest.approx(expected)


def test_an_objective_of_a_signal_counts_by_its_budget_of_windows() -> None:
    busy = parse_signal_objective("max gpu_utilization <= 95%")
    source = SignalSource(("http://127.0.0.1:9100/metrics",), (("gpu_utilization", "gpu"),))
    asked = a_goal(signals=source, signal_objectives=(busy,))
    outcome = an_outcome(
        probe=a_probe(),
        evidence=Evidence(Rate(100.0), (1000, 20), (0, 2), (1.0, 1.0)),
        response_time=Quantiles(0.01, 0.02, 0.03),
    )
    assert worst_ratio(asked, outcome) == pytest.approx(2 / 20 / 0.05)
