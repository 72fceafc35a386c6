"""What does a search say where a share of the arrivals fails whatever the load?"""

from __future__ import annotations

import pytest

from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.answer import Capacity
from controller.sim.run import simulate
from tests.sim.offering import goal_for

pytestmark = pytest.mark.anyio

QUEUE = "sim://mm1?mean=10ms"
BATCH = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"


async def found(url: str, *slo: str, seed: int = 1) -> Capacity:
    goal = goal_for(
        url,
        objectives=tuple(parse_objective(line) for line in slo),
        strategy="bayes",
        low=Rate(5.0),
        high=Rate(1000.0),
        require=Rate(20.0),
        seed=seed,
        budget_s=Seconds(1800.0),
    )
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
