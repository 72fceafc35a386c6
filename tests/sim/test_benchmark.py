"""Can the benchmark of the search be believed: is its truth true?"""

from __future__ import annotations

import math

import pytest

from benchmarks.long_run import shares
from contract.objectives import parse_objective
from controller.sim.address import parse

LIMIT = parse_objective("p99 response_time <= 200ms")


@pytest.mark.parametrize("rate", [70.0, 80.0])
def test_the_bad_share_of_an_exponential_server_is_the_closed_form(rate: float) -> None:
    (found,) = shares(parse("sim://mm1?mean=10ms"), [LIMIT], rate, seed=1, arrivals=300_000)
    assert found == pytest.approx(math.exp(-(100.0 - rate) * 0.2), rel=0.25)


def test_errors_and_lateness_are_bad() -> None:
    failing = parse("sim://mm1?mean=10ms&fail_ratio=2%")
    ratios = shares(
        failing, [LIMIT, parse_objective("error_ratio <= 0.1%")], 1.0, seed=1, arrivals=60_000
    )
    assert ratios == pytest.approx([0.02, 0.02], rel=0.1)
