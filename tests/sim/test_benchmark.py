"""Can the benchmark of the search be believed: is its truth true?"""

import math

import pytest

from benchmarks.search_truth import bad_ratio, capacity
from contract.objectives import parse_objective
from controller.sim.address import parse

SINGLE = "sim://fifo?servers=1&mean=10ms&cv=1"


def test_the_truth_of_an_exponential_server_is_the_closed_form() -> None:
    exact = 100.0 - math.log(100) / 0.200
    found = capacity(
        SINGLE, parse_objective("p99 response_time <= 200ms"), seed=1, arrivals=100_000
    )
    assert found == pytest.approx(exact, rel=0.03)


def test_errors_and_lateness_are_bad_and_the_warm_up_is_left_out() -> None:
    objective = parse_objective("p99 response_time <= 200ms")
    address = parse(f"{SINGLE}&fail_ratio=2%")
    idle = bad_ratio(address, objective, 1.0, seed=1, arrivals=20_000)
    assert idle == pytest.approx(0.02, rel=0.15)
    warming = f"{SINGLE}&warm_up=60s&warm_up_slowdown=50"
    found = capacity(warming, objective, seed=1, arrivals=20_000)
    assert found == pytest.approx(77.0, rel=0.06)
