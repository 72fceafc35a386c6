"""Is the choice of rates handed over, and everything else kept, also when the advisor errs?"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.units import Rate, Seconds
from controller.search.advice import Advice, Consult, question, read
from controller.search.answer import Capacity
from controller.search.capacity import Search, advised, observe, propose, start
from controller.search.goal import Goal, GoalInvalid
from controller.search.journal import Advised, Event, ProbeDecided, restore
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Stall, Verdict
from tests.helpers.builders import a_goal

URL = "http://127.0.0.1:9000/next"
GOAL = a_goal(strategy="external", advisor=URL)
CONSULT = Consult(1, URL, Rate(10.0), Rate(1000.0))


def measured(probe: Probe, carries: float = 200.0) -> Outcome:
    judged = round(probe.rate * probe.measure_s)
    fails = probe.rate > carries
    return Outcome(
        probe,
        Verdict.FAIL if fails else Verdict.PASS,
        "end",
        "so it was",
        Evidence(probe.rate, (judged,), (judged // 10 * fails,), (1.0,)),
        response_time=Quantiles(0.01, 0.02, 0.03),
        achieved_per_s=probe.rate,
        requests=judged,
        seconds=Seconds(25.0),
    )


def told(search: Search, *given_advice: Advice) -> tuple[Search, list[Probe]]:
    """Give advice whenever the search consults; measure what it then proposes."""
    probes = []
    for advice in given_advice:
        step = propose(search)
        assert isinstance(step, Consult)
        search = advised(search, advice, Seconds(1.0))
        step = propose(search)
        if isinstance(step, Probe):
            probes.append(step)
            search = observe(search, measured(step))
    return search, probes


def rate(per_s: float) -> Advice:
    return Advice(rate=Rate(per_s))


def ended(search: Search) -> Capacity:
    step = propose(search)
    assert isinstance(step, Capacity)
    return step


def test_rates_are_the_advisors_and_each_is_asked_for_once() -> None:
    search, probes = told(start(GOAL), rate(50.0), rate(300.0), rate(150.0))
    assert [probe.rate for probe in probes] == [50.0, 300.0, 150.0]
    step = propose(search)
    assert isinstance(step, Consult)
    assert (step.number, step.url, step.low, step.high) == (4, URL, 10.0, 1000.0)
    assert [result.verdict for result in step.results] == ["pass", "fail", "pass"]
    assert search.elapsed_s == 3 * 25.0 + 3 * 1.0


def test_a_void_probe_is_repeated_without_asking_again() -> None:
    search = advised(start(GOAL), rate(50.0), Seconds(0.0))
    step = propose(search)
    assert isinstance(step, Probe)
    search = observe(search, Outcome(step, Verdict.VOID, "void", "lost w1"))
    again = propose(search)
    assert isinstance(again, Probe)
    assert (again.rate, again.number) == (50.0, 2)


def test_the_advisors_estimate_is_given_as_its_own() -> None:
    done = Advice(done=True, estimate=Rate(180.0), low=Rate(170.0), high=Rate(200.0))
    search, _ = told(start(replace(GOAL, require=Rate(160.0))), rate(150.0), done)
    answer = ended(search)
    assert (answer.status, answer.exit_status) == ("answered", 0)
    assert (answer.low, answer.estimate, answer.high, answer.safe) == (170.0, 180.0, 200.0, 170.0)
    assert f"180/s, between 170/s and 200/s, says the advisor at {URL}" in answer.reason


def test_without_a_low_end_safe_is_what_was_seen_to_pass() -> None:
    search, _ = told(start(GOAL), rate(150.0), rate(190.0), Advice(done=True, estimate=Rate(180.0)))
    answer = ended(search)
    assert (answer.low, answer.safe) == (None, 150.0)


def stalling(asked: Goal, seconds: float, watched_s: float) -> Capacity:
    """The answer to an estimate of 180/s after one probe that a stall lay in."""
    search = advised(start(asked), rate(150.0), Seconds(0.0))
    step = propose(search)
    assert isinstance(step, Probe)
    stall = Stall(
        Seconds(5.0),
        Seconds(5.0 + seconds),
        Seconds(6.0),
        60.0,
        5,
        judged=(150,),
        bad=(40,),
        failed=7,
    )
    outcome = measured(step)
    assert outcome.evidence is not None
    evidence = replace(outcome.evidence, stalls=(stall,), watched_s=Seconds(watched_s))
    search = observe(search, replace(outcome, evidence=evidence))
    return ended(advised(search, Advice(done=True, estimate=Rate(180.0)), Seconds(0.0)))


def test_stalls_are_counted_in_strict_and_safe_beside_the_advisors_estimate() -> None:
    answer = stalling(replace(GOAL, require=Rate(149.0)), seconds=0.3, watched_s=120.0)
    assert (answer.status, answer.estimate, answer.stalls) == ("answered", 180.0, 1)
    assert answer.stalled_ratio == pytest.approx(0.3 / 120)
    assert answer.strict is not None
    assert answer.safe is not None
    assert answer.safe < answer.strict < 0.95 * 180.0
    assert answer.exit_status == 1
    assert "inside the SLO" in answer.reason
    assert "the target stalled once" in answer.reason
    assert "7 arrivals failed meanwhile" in answer.reason
    assert "between them 180/s, says the advisor" in answer.reason


def test_stalls_that_spend_the_slo_by_themselves_leave_the_advisors_estimate_no_strict_one() -> (
    None
):
    answer = stalling(replace(GOAL, require=Rate(100.0)), seconds=1.5, watched_s=20.0)
    assert (answer.status, answer.estimate, answer.exit_status) == ("at_most", 180.0, 1)
    assert (answer.strict, answer.safe, answer.stalls) == (None, None, 1)
    assert answer.reason.startswith("no rate meets the SLO, for the stalls alone spend its budget")


def test_spikes_left_out_leave_safe_alone_and_strict_still_tells_of_them() -> None:
    answer = stalling(replace(GOAL, spikes="leave_out"), seconds=0.3, watched_s=120.0)
    assert (answer.status, answer.safe) == ("answered", 150.0)
    assert answer.strict is not None
    assert answer.strict < 0.95 * 180.0


def test_without_a_stall_strict_is_the_advisors_estimate() -> None:
    search, _ = told(start(GOAL), rate(150.0), Advice(done=True, estimate=Rate(180.0)))
    answer = ended(search)
    assert (answer.strict, answer.safe, answer.stalls) == (180.0, 150.0, 0)


def test_an_advisor_that_is_done_without_an_estimate_gives_no_verdict() -> None:
    search, _ = told(start(GOAL), Advice(done=True))
    assert ended(search).status == "no_verdict"


def test_a_fault_of_the_advisor_ends_the_run_as_failed_and_says_what_it_was() -> None:
    search, _ = told(start(GOAL), rate(50.0), Advice(fault="did not answer within 10 s"))
    answer = ended(search)
    assert (answer.status, answer.exit_status) == ("failed", 4)
    assert answer.reason.startswith(f"the advisor at {URL} did not answer within 10 s")


def test_a_spent_budget_ends_it_with_the_bracket_of_the_verdicts() -> None:
    goal = replace(GOAL, budget_s=Seconds(90.0))
    search, _ = told(start(goal), rate(50.0), rate(400.0), rate(150.0))
    answer = ended(search)
    assert answer.status == "no_verdict"
    assert "between 150/s and 400/s" in answer.reason


def test_a_journal_gives_the_same_search_without_asking_anybody() -> None:
    search = start(GOAL)
    events: list[Event] = []
    for turn, advice in enumerate((rate(50.0), rate(300.0), rate(150.0))):
        search = advised(search, advice, Seconds(2.0))
        events.append(Advised(float(turn), turn + 1, advice, Seconds(2.0)))
        step = propose(search)
        assert isinstance(step, Probe)
        search = observe(search, measured(step))
        events.append(ProbeDecided(float(turn), measured(step), None, None, None))
    assert restore(GOAL, events) == search


def test_the_question_has_the_last_outcome_and_no_number_that_json_lacks() -> None:
    search, _ = told(start(GOAL), rate(50.0), rate(300.0))
    consult = propose(search)
    assert isinstance(consult, Consult)
    strange = replace(consult.results[-1], p99_s=math.nan)
    document = question("r1", "toy", replace(consult, results=(consult.results[0], strange)))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["run"], document["goal"], document["number"]) == ("r1", "toy", 3)
    assert len(document["probes"]) == 2
    assert document["last"] == {
        "number": 2, "rate": 300.0, "verdict": "fail", "reason": "so it was",
        "offered_per_s": 300.0, "achieved_per_s": 300.0,
        "response_time": {"p50_ms": 10.0, "p90_ms": 20.0, "p99_ms": None},
        "bad_ratio": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"rate": 123.4}, Advice(rate=Rate(123.4))),
        ({"rate": 10, "done": False, "more": [1]}, Advice(rate=Rate(10.0))),
        ({"done": True, "estimate": 120}, Advice(done=True, estimate=Rate(120.0))),
        ({"done": True, "estimate": None}, Advice(done=True)),
        (
            {"done": True, "estimate": 120, "low": 110, "high": 130},
            Advice(None, True, Rate(120.0), Rate(110.0), Rate(130.0)),
        ),
    ],
)
def test_a_right_answer_is_read(document: object, expected: Advice) -> None:
    assert read(document, CONSULT) == expected


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "answered an array of 0 values"),
        ("sk-secret", "answered a text of 9 characters"),
        (None, "answered null"),
        ({}, "answered an object of 0 fields without rate, and without done as true"),
        ({"rate": "100"}, "answered with rate as a text of 3 characters: a number of arrivals/s"),
        ({"rate": True}, "with rate as a truth value"),
        ({"rate": {"a": 1}}, "with rate as an object of 1 fields"),
        ({"rate": math.nan}, "with rate as a number that is not finite and above 0"),
        ({"rate": math.inf}, "would be right"),
        ({"rate": 10**400}, "would be right"),
        ({"rate": -5}, "would be right"),
        ({"rate": 9.9}, "answered the rate 9.9/s: one from search.from, 10/s, to search.to, 1k/s"),
        ({"rate": 1000.1}, "answered the rate 1000.1/s"),
        ({"done": "yes"}, "answered with done as a text of 3 characters"),
        ({"done": True, "estimate": "120"}, "with estimate as a text of 3 characters"),
        ({"done": True, "estimate": 5}, "answered estimate 5/s"),
        (
            {"done": True, "estimate": 120, "low": 130},
            "answered estimate 120/s, low 130/s: low, estimate and high in this order",
        ),
        ({"done": True, "low": 20}, "low, estimate and high in this order"),
    ],
)
def test_a_wrong_answer_is_a_fault_with_the_kind_of_what_came_and_what_would_be_right(
    document: object, said: str
) -> None:
    advice = read(document, CONSULT)
    assert advice.fault is not None
    assert said in advice.fault
    assert (advice.rate, advice.done) == (None, False)


@pytest.mark.parametrize(
    "document",
    [
        "sk-secret",
        ["sk-secret"],
        {"sk-secret": 1},
        {"rate": "sk-secret"},
        {"rate": {"sk-secret": "sk-secret"}},
        {"rate": 5, "sk-secret": "sk-secret"},
        {"done": "sk-secret"},
        {"done": True, "estimate": "sk-secret"},
        {"done": True, "low": 20, "more": "sk-secret"},
    ],
)
def test_no_fault_repeats_what_an_answer_says(document: object) -> None:
    fault = read(document, CONSULT).fault
    assert fault is not None
    assert "secret" not in fault


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["rate", "done", "estimate", "low", "high", "x"]), inner, max_size=6
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_whatever_comes_is_a_rate_in_the_range_an_end_or_a_fault(document: object) -> None:
    advice = read(document, CONSULT)
    assert (advice.rate is not None) + advice.done + (advice.fault is not None) == 1
    for value in (advice.rate, advice.estimate, advice.low, advice.high):
        assert value is None or 10.0 <= value <= 1000.0
    if advice.fault is not None:
        assert advice.fault.isprintable()
        assert len(advice.fault) < 400


def test_an_external_goal_without_an_advisor_is_none() -> None:
    with pytest.raises(GoalInvalid, match=r"search\.url"):
        a_goal(strategy="external")
