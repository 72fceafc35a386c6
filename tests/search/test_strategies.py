"""How do the strategies choose their rates?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.units import Rate, Seconds
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Verdict
from controller.search.strategies import strategy_of
from controller.search.strategies.bayes import HIGHEST_STEP, Bayes
from controller.search.strategies.binary import Binary
from controller.search.strategies.sweep import Sweep, ladder
from controller.search.strategy import Ask, Finding, Strategy
from tests.helpers.builders import a_goal

GOAL = a_goal(precision=0.1)


def outcome_of(ask: Ask, bad_ratio: float, number: int = 1) -> Outcome:
    """A probe that ran to its end with `bad_ratio` of its arrivals bad."""
    probe = Probe(number, ask.purpose, ask.rate, Seconds(1.0), Seconds(1.0), ask.measure_s)
    judged = round(ask.rate * ask.measure_s)
    bad = round(judged * bad_ratio)
    evidence = Evidence(ask.rate, (judged,), (bad,), (4.0,), measured_s=ask.measure_s)
    verdict = Verdict.PASS if bad <= 0.01 * judged else Verdict.FAIL
    times = Quantiles(0.01, 0.01, 0.01)
    return Outcome(probe, verdict, "end", "", evidence, response_time=times)


def told(strategy: Strategy, verdicts: str) -> tuple[Strategy, list[float]]:
    """Answer its asks with p(ass) and f(ail); give back the rates asked for."""
    rates = []
    for number, verdict in enumerate(verdicts, 1):
        ask = strategy.ask()
        assert isinstance(ask, Ask)
        rates.append(round(ask.rate, 1))
        strategy = strategy.observe(outcome_of(ask, 0.3 * (verdict == "f"), number))
    return strategy, rates


@pytest.mark.parametrize(
    ("claim", "verdicts", "rates"),
    [
        ("doubles until it fails, then halves", "pppffpp", [10, 20, 40, 80, 80, 60, 70]),
        ("a failure must come twice", "ppfpff", [10, 20, 40, 40, 80, 80]),
        ("ends at the highest rate", "ppppppp", [10, 20, 40, 80, 160, 320, 640]),
    ],
)
def test_binary(claim: str, verdicts: str, rates: list[float]) -> None:
    strategy = strategy_of(replace(GOAL, strategy="binary"))
    assert told(strategy, verdicts)[1] == rates, claim


def test_binary_starts_near_the_scale_and_falls_back_to_low() -> None:
    strategy = Binary(GOAL, GOAL.low).placed(Rate(400.0))
    after, rates = told(strategy, "ffp")
    assert rates == [200.0, 200.0, 10.0]
    ask = after.ask()
    assert isinstance(ask, Ask)
    assert ask.rate == 105.0


def test_binary_stops_at_a_narrow_bracket_which_is_its_interval() -> None:
    after, _ = told(Binary(GOAL, GOAL.low), "pppp" + "ff" + "p" * 3)
    assert after.ask() == Finding("answered")
    standing = after.standing()
    assert standing is not None
    assert standing.interval.width <= 0.1
    assert standing.safe == standing.interval.low


def test_binary_does_not_ask_again_where_a_probe_had_to_be_stopped() -> None:
    strategy: Strategy = Binary(GOAL, Rate(100.0))
    ask = strategy.ask()
    assert isinstance(ask, Ask)
    strategy = strategy.observe(outcome_of(ask, 0.0))
    ask = strategy.ask()
    assert isinstance(ask, Ask)
    strategy = strategy.observe(replace(outcome_of(ask, 0.2), rule="R1 curtail"))
    ask = strategy.ask()
    assert isinstance(ask, Ask)
    assert ask.rate == 150.0


@pytest.mark.parametrize(("passing", "most"), [(True, 250.0), (False, 250.0)])
def test_bayes_answers_no_rate_that_it_may_not_try(passing: bool, most: float) -> None:
    """The capacity lies a little above `to`."""
    goal = replace(GOAL, high=Rate(most))
    strategy: Strategy = Bayes.knowing_nothing(goal).placed(Rate(200.0))
    for number in range(20):
        ask = strategy.ask()
        if not isinstance(ask, Ask):
            break
        bad = 0.009 if passing or number % 4 else 0.02
        strategy = strategy.observe(outcome_of(ask, bad * (ask.rate / 252) ** 40, number))
    standing = strategy.standing()
    assert standing is not None
    assert standing.interval.estimate <= most


def test_bayes_looks_at_the_lowest_rate_before_it_answers_below_it() -> None:
    strategy: Strategy = Bayes.knowing_nothing(replace(GOAL, low=Rate(100.0)))
    rates: list[float] = []
    while isinstance(ask := strategy.ask(), Ask) and len(rates) < 20:
        rates.append(ask.rate)
        strategy = strategy.observe(outcome_of(ask, 0.2))
    assert ask == Finding("at_most")
    assert rates[-2:] == [100.0, 100.0]


def test_a_sweep_climbs_its_ladder_until_it_breaks() -> None:
    rungs = [round(rate, 1) for rate in ladder(replace(GOAL, precision=0.5))]
    goal = replace(GOAL, precision=0.5)
    after, rates = told(Sweep(goal), "pppf")
    assert rates == rungs[:4]
    assert after.ask() == Finding("answered")
    standing = after.standing()
    assert standing is not None
    assert standing.interval == pytest.approx((rungs[2], rungs[2], rungs[3]), abs=0.1)


def test_a_sweep_cuts_the_step_where_it_broke_until_it_is_as_narrow_as_asked() -> None:
    rungs = ladder(GOAL)
    after, rates = told(Sweep(GOAL), "pppf" + "fp")
    middle = (rungs[2] * rungs[3]) ** 0.5
    assert rates[4:] == pytest.approx([middle, (rungs[2] * middle) ** 0.5], abs=0.1)
    standing = after.standing()
    assert standing is not None
    assert standing.interval.width <= GOAL.precision
    assert after.ask() == Finding("answered")


def test_a_ladder_spans_the_bounds_and_fits_the_budget() -> None:
    rungs = ladder(GOAL)
    assert (rungs[0], rungs[-1]) == (Rate(10.0), Rate(1000.0))
    assert list(rungs) == sorted(rungs)
    assert len(ladder(replace(GOAL, budget_s=Seconds(150.0)))) == 4


def test_bayes_climbs_from_below_what_the_opening_saw() -> None:
    _, rates = told(Bayes.knowing_nothing(GOAL).placed(Rate(200.0)), "ppp")
    assert rates == [150.0, 195.0, 253.5]


def test_bayes_climbs_from_low_without_an_opening() -> None:
    _, rates = told(Bayes.knowing_nothing(GOAL), "ppp")
    assert rates == [10.0, 20.0, 40.0]


@settings(max_examples=10)
@given(st.lists(st.floats(0, 0.4), min_size=10, max_size=14))
def test_bayes_never_jumps_beyond_what_passed_nor_out_of_bounds(ratios: list[float]) -> None:
    """After the first failure, at most 1.25 times the highest rate that passed."""
    goal = replace(GOAL, precision=0.02)
    strategy: Strategy = Bayes.knowing_nothing(goal).placed(Rate(100.0))
    best, failed = 100.0, False
    for number, ratio in enumerate(ratios):
        ask = strategy.ask()
        if not isinstance(ask, Ask):
            return
        assert goal.low <= ask.rate <= goal.high
        if failed:
            assert ask.rate <= HIGHEST_STEP * best + 1e-9
        outcome = outcome_of(ask, ratio if number % 2 else 0.0, number)
        failed = failed or outcome.verdict is Verdict.FAIL
        best = max(best, ask.rate) if outcome.verdict is Verdict.PASS else best
        strategy = strategy.observe(outcome)


def test_bayes_measures_longer_as_it_narrows() -> None:
    strategy: Strategy = Bayes.knowing_nothing(GOAL).placed(Rate(200.0))
    lengths: list[float] = []
    while isinstance(ask := strategy.ask(), Ask) and len(lengths) < 40:
        lengths.append(ask.measure_s)
        strategy = strategy.observe(outcome_of(ask, 0.5 * (ask.rate > 230)))
    assert lengths[0] <= 6
    assert lengths[-1] == max(lengths) >= 20


def test_bayes_closes_at_the_estimate_and_at_the_low_end() -> None:
    strategy: Strategy = Bayes.knowing_nothing(replace(GOAL, closing_probes=4))
    asks = []
    while isinstance(ask := strategy.ask(), Ask):
        asks.append((ask, strategy.standing()))
        strategy = strategy.observe(outcome_of(ask, 0.5 * (ask.rate > 230)))
        assert len(asks) < 40
    closing = [(ask, standing) for ask, standing in asks if ask.purpose == "closing"]
    assert len(closing) == 4
    for index, (ask, standing) in enumerate(closing):
        assert standing is not None
        known = standing.interval
        assert ask.rate == pytest.approx(known.low if index % 2 else known.estimate)
        assert ask.measure_s >= 20
    assert strategy.narrow()


def test_few_arrivals_a_second_take_longer_probes() -> None:
    goal = replace(GOAL, low=Rate(0.5), high=Rate(100.0))
    ask = Bayes.knowing_nothing(goal).ask()
    assert isinstance(ask, Ask)
    assert ask.measure_s == 60.0
    ask = Bayes.knowing_nothing(replace(goal, low=Rate(10.0))).ask()
    assert isinstance(ask, Ask)
    assert ask.measure_s == 30.0


def at_high(bad_ratio: float, most: int = 8) -> tuple[Ask | Finding, list[Ask]]:
    """What bayes asks for at the highest rate, and how that ends, with so much bad there."""
    strategy: Strategy = Bayes.knowing_nothing(GOAL).placed(GOAL.high)
    asked: list[Ask] = []
    for number in range(1, most + 1):
        ask = strategy.ask()
        assert isinstance(ask, Ask | Finding)
        if isinstance(ask, Finding):
            return ask, asked
        if ask.rate >= GOAL.high:
            asked.append(ask)
        strategy = strategy.observe(outcome_of(ask, bad_ratio, number))
    ended = strategy.ask()
    assert isinstance(ended, Ask | Finding)
    return ended, asked


def test_at_least_takes_a_long_probe_at_the_highest_rate() -> None:
    ended, asked = at_high(0.0)
    assert ended == Finding("at_least")
    assert len(asked) <= 3
    assert max(ask.measure_s for ask in asked) >= 40.0


def test_passes_alone_however_many_are_no_at_least() -> None:
    ended, asked = at_high(0.0098)
    assert ended != Finding("at_least")
    assert len(asked) >= 3
