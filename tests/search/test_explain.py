"""What does a person read?"""

from __future__ import annotations

import pytest

from contract.objectives import parse_objective
from contract.units import Rate
from controller.search import explain, explain_answer
from controller.search.answer import Interval
from tests.helpers.builders import a_goal

P99 = parse_objective("p99 response_time <= 150ms")
ERRORS = parse_objective("error_ratio <= 0.1%")
KNOWN = Interval(Rate(229.0), Rate(236.0), Rate(243.0))
COST = explain_answer.Cost(14, 61_000)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            explain.judged(P99, 4012, 92, 0.171),
            "p99 was 171ms over 4,012 arrivals: 2.3 % were over 150ms, 1 % allowed",
        ),
        (
            explain.judged(ERRORS, 4012, 8, None),
            "over 4,012 arrivals 0.2 % failed, 0.1 % allowed",
        ),
        (
            explain_answer.answered(KNOWN, P99, COST, "bayes"),
            (
                "236/s, 90 % sure between 229/s and 243/s: above it response_time p99 exceeds 150ms;"
                " 14 probes, 61,000 arrivals"
            ),
        ),
        (
            explain_answer.answered(KNOWN, ERRORS, COST, "binary"),
            (
                "236/s, between 229/s and 243/s by single verdicts: above it more than 0.1% of"
                " arrivals fail; 14 probes, 61,000 arrivals"
            ),
        ),
        (
            explain_answer.stopped_answering(
                explain_answer.Silence(1.0, 312, 50.0, "ConnectionRefusedError"), (200.0, 3)
            ),
            (
                "the target stopped answering: 100 % of 312 arrivals at 50/s failed"
                " (ConnectionRefusedError), where probe 3 had passed at 200/s"
            ),
        ),
        (
            explain_answer.spent(a_goal(precision=0.04), KNOWN),
            (
                "the budget of 10min is spent and the probes so far put the capacity between 229/s and"
                " 243/s, 5.9 % wide where 4% was asked for; allow more in search.budget"
            ),
        ),
        (
            explain.backlogged(182, 266.0, 0.15, 4.0),
            (
                "stopped after 4s: 182 in flight and growing while 266/s complete, so a new arrival"
                " waits 684ms, 150ms allowed"
            ),
        ),
    ],
)
def test_sentences(sentence: str, expected: str) -> None:
    assert sentence == expected
