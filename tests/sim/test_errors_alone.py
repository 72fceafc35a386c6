"""Is a capacity found that nothing but errors limits, before they come?"""

from __future__ import annotations

import pytest

from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.goal import Workload
from controller.sim.run import simulate
from tests.sim.offering import goal_for

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("timeout_s", [2.0, 10.0])
@pytest.mark.parametrize(
    ("url", "most_per_s"),
    [
        ("sim://fifo?servers=8&mean=40ms&cv=0.6", 200.0),
        ("sim://batch?base=20ms&per_item=2.5ms&max_batch=16", 266.7),
    ],
)
async def test_a_target_is_not_taken_for_faster_than_it_completes(
    url: str, most_per_s: float, timeout_s: float
) -> None:
    """It queues without a bound: nothing fails until the queue is a time-out long."""
    goal = goal_for(
        url,
        objectives=(parse_objective("error_ratio <= 1%"),),
        strategy="bayes",
        low=Rate(10.0),
        high=Rate(2000.0),
        precision=0.15,
        workload=Workload(timeout_s=Seconds(timeout_s)),
        budget_s=Seconds(1800.0),
    )
    done = await simulate(goal, conduct=conduct)
    found = done.view.capacity
    assert found is not None
    assert found.status == "answered"
    assert found.estimate == pytest.approx(most_per_s, rel=0.08)
    assert done.bad < 0.05 * done.sent.sent
