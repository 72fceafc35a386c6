"""Is a share that is bad at every rate told from one that load makes?"""

from __future__ import annotations

import pytest

from contract.units import Rate
from controller.search.constant import constant
from controller.search.probe import Evidence

STOPPED = Evidence(Rate(200.0), (4000,), (240,), (5.0,), censored=True)


def a_probe(rate: float, judged: int, bad: int) -> Evidence:
    return Evidence(Rate(rate), (judged,), (bad,), (1.0,))


@pytest.mark.parametrize(
    ("claim", "probes", "surely"),
    [
        ("three times the budget at half of what was too much", [a_probe(100, 4000, 120), STOPPED], True),
        ("as much as the budget may be chance", [a_probe(100, 4000, 40), STOPPED], False),
        ("half as much again in few arrivals may be too", [a_probe(100, 1000, 15), STOPPED], False),
        ("and in many is none", [*[a_probe(100, 4000, 60)] * 4, STOPPED], True),
        ("near what was too much it is load", [a_probe(180, 4000, 120), STOPPED], False),
        ("the highest of all rates may be load", [a_probe(100, 4000, 120)], False),
        ("below it, it is not", [a_probe(100, 4000, 120), a_probe(160, 4000, 120)], True),
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
