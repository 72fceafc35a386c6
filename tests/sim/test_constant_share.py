"""What does a search say where a share of the arrivals fails whatever the load?"""

from __future__ import annotations

from typing import Any

import pytest

from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.answer import Capacity
from controller.search.goal import Workload
from controller.sim.run import simulate
from tests.sim.offering import goal_for

pytestmark = pytest.mark.anyio

QUEUE = "sim://mm1?mean=10ms"
BATCH = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"


async def found(url: str, *slo: str, seed: int = 1, **changes: Any) -> Capacity:
    settings: dict[str, Any] = {
        "objectives": tuple(parse_objective(line) for line in slo),
        "low": Rate(5.0),
        "high": Rate(1000.0),
        "require": Rate(20.0),
        "budget_s": Seconds(1800.0),
    }
    goal = goal_for(url, strategy="bayes", seed=seed, **(settings | changes))
    capacity = (await simulate(goal, conduct=conduct)).view.capacity
    assert capacity is not None
    return capacity


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("url", "slo"),
    [
        (f"{QUEUE}&fail_ratio=2%", ("p99 response_time <= 200ms",)),
        (f"{BATCH}&fail_ratio=1.5%", ("p99 response_time <= 150ms",)),
        (f"{BATCH}&fail_ratio=0.3%", ("p99 response_time <= 150ms", "error_ratio <= 0.1%")),
    ],
)
async def test_more_than_the_budget_fails_at_any_rate(
    url: str, slo: tuple[str, ...], seed: int
) -> None:
    answer = await found(url, *slo, seed=seed)
    assert answer.status != "answered", answer.reason
    assert answer.gate is not None
    assert answer.gate.met is not True
    if answer.status == "at_most":
        assert "whatever the load" in answer.reason


async def test_half_of_the_budget_leaves_a_capacity() -> None:
    answer = await found(f"{BATCH}&fail_ratio=0.5%", "p99 response_time <= 150ms")
    assert answer.status == "answered"
    assert answer.estimate == pytest.approx(233.0, rel=0.06)


async def test_the_gate_says_that_it_is_not_the_load_and_the_errors_are_named() -> None:
    url = "sim://fifo?servers=8&mean=40ms&cv=0.6&fail_ratio=2%"
    slo = ("p99 response_time <= 200ms", "error_ratio <= 1%")
    answer = await found(url, *slo, low=Rate(10.0), high=Rate(2000.0), require=Rate(100.0))
    assert answer.status == "at_most"
    assert answer.binding_objective == "error_ratio <= 1%"
    assert answer.gate is not None
    assert answer.gate.met is False
    assert answer.gate.reason.endswith("is bad at any rate, so 100/s cannot be met")


@pytest.mark.parametrize(
    ("change", "seed"),
    [
        *(("step=-40%&step_at=150s", seed) for seed in (1, 2, 8)),
        ("step=-20%&step_at=150s", 2),
        ("drift=-20%", 1),
        ("drift=-20%", 2),
    ],
)
async def test_a_target_that_got_slower_has_a_rate(change: str, seed: int) -> None:
    answer = await found(
        f"{BATCH}&{change}",
        "p99 response_time <= 150ms",
        seed=seed,
        low=Rate(10.0),
        high=Rate(2000.0),
        budget_s=Seconds(1200.0),
        warm_up="auto",
        workload=Workload(timeout_s=Seconds(1.5)),
    )
    assert answer.status != "at_most", answer.reason
    assert answer.gate is not None
    assert answer.gate.met is not False
