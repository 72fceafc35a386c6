"""Is a share that is bad at every rate told from one that load makes?"""

from __future__ import annotations

import pytest

from contract.objectives import parse_objective
from contract.units import Rate
from controller.search.constant import Constant, constant
from controller.search.explain_answer import hopeless, hopeless_gate
from controller.search.probe import Evidence

STOPPED = Evidence(Rate(200.0), (4000,), (240,), (5.0,), censored=True)


def a_probe(rate: float, judged: int, bad: int, clumped: float | None = None) -> Evidence:
    return Evidence(Rate(rate), (judged,), (bad,), (1.0,), bad_clustering=(clumped,))


SLOWER = [
    a_probe(35.0, 315, 0),
    a_probe(78.3, 470, 0),
    a_probe(104.5, 627, 5, 3.2),
    a_probe(111.4, 2228, 128, 11.2),
    a_probe(114.8, 1148, 21, 4.6),
    Evidence(Rate(178.0), (720,), (64,), (1.0,), censored=True),
]
"""Seen in a search of a target that lost 40 % of its speed: 178/s before, the others after."""


@pytest.mark.parametrize(
    ("claim", "probes", "surely"),
    [
        ("three times the budget at half of what was too much", [a_probe(100, 4000, 120), STOPPED], True),
        ("as much as the budget may be chance", [a_probe(100, 4000, 40), STOPPED], False),
        ("half as much again in few arrivals may be too", [a_probe(100, 1000, 15), STOPPED], False),
        ("and in many is none", [*[a_probe(100, 4000, 60)] * 4, STOPPED], True),
        ("near what was too much it is load", [a_probe(180, 4000, 120), STOPPED], False),
        ("the highest of all rates may be load", [a_probe(100, 4000, 120)], False),
        ("at half of it, it is not", [a_probe(80, 4000, 120), a_probe(160, 4000, 120)], True),
        ("at more than half it may be load", [a_probe(100, 4000, 120), a_probe(160, 4000, 120)], False),
        ("not where it comes one by one", [a_probe(100, 4000, 120, 1.0), a_probe(160, 4000, 120)], True),
        ("in clumps it may be chance", [a_probe(80, 4000, 120, 20.0), STOPPED], False),
        ("a rate that is clean shows that there is one", [a_probe(40, 470, 0), a_probe(80, 4000, 200), STOPPED], False),
        ("so do two that are together", [a_probe(30, 200, 0), a_probe(40, 200, 0), a_probe(80, 4000, 200), STOPPED], False),
        ("a target that got slower", SLOWER, False),
        ("a share that grows with the rate is load", [a_probe(50, 3000, 9), a_probe(120, 4000, 200), STOPPED], False),
        ("nothing seen says nothing", [], False),
    ],
)  # fmt: skip
def test_a_constant_share(claim: str, probes: list[Evidence], surely: bool) -> None:
    assert (constant(probes, (0.01,)) is not None) is surely, claim


def test_the_objective_and_the_counts_are_named() -> None:
    probe = Evidence(Rate(50.0), (4000, 4000), (0, 200), (1.0, 1.0))
    stopped = Evidence(Rate(200.0), (4000, 1), (240, 1), (5.0, 1.0), censored=True)
    found = constant([probe, stopped], (0.01, 0.01))
    assert found is not None
    assert (found.objective, found.bad, found.judged, found.rate) == (1, 200, 4000, 50.0)


def both(failed: int, slow: int, *, judged: int = 4000) -> list[Evidence]:
    """A limit and the errors, at a quarter of what was too much."""
    low = Evidence(Rate(50.0), (judged, 4000), (failed + slow, failed), (1.0, 1.0))
    return [low, Evidence(Rate(200.0), (4000, 1), (240, 1), (5.0, 1.0), censored=True)]


@pytest.mark.parametrize(
    ("claim", "probes", "budgets", "objective", "failed"),
    [
        ("errors break both: they are named", both(100, 20), (0.01, 0.01), 1, 100),
        ("most are slow: the limit is", both(100, 160), (0.01, 0.01), 0, 100),
        ("errors inside their own budget are counted", both(100, 20), (0.01, 0.05), 0, 100),
        ("but not of other arrivals", both(100, 20, judged=3000), (0.01, 0.05), 0, None),
    ],
)
def test_errors_are_told_from_what_was_slow(
    claim: str,
    probes: list[Evidence],
    budgets: tuple[float, ...],
    objective: int,
    failed: int | None,
) -> None:
    found = constant(probes, budgets, errors=1)
    assert found is not None, claim
    assert (found.objective, found.failed) == (objective, failed), claim


def test_what_a_person_reads_of_it() -> None:
    limit, errors = (
        parse_objective(t) for t in ("p99 response_time <= 200ms", "error_ratio <= 1%")
    )
    found = Constant(0, 120, 4000, Rate(50.0), failed=90)
    assert "which allows 1%, and 75 % of that failed or timed out; find" in hopeless(limit, found)
    assert "timed out" not in hopeless(errors, found)
    assert hopeless_gate(Rate(100.0), found) == "3% is bad at any rate, so 100/s cannot be met"
