"""Is what a cold target gets wrong in its warm-up taken for what it always gets wrong?"""

from __future__ import annotations

import pytest

from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.sim.run import simulate
from tests.sim.offering import goal_for

pytestmark = pytest.mark.anyio

BATCH = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"


@pytest.mark.parametrize("cold", ["warm_up_amplitude=50%&warm_up_tau=40s", "warm_up_amplitude=75%&warm_up_tau=15s"])  # fmt: skip
@pytest.mark.parametrize("low", [5.0, 100.0])
async def test_a_slow_start_is_no_constant_share(cold: str, low: float) -> None:
    goal = goal_for(
        f"{BATCH}&{cold}",
        objectives=(parse_objective("p99 response_time <= 150ms"),),
        strategy="bayes",
        low=Rate(low),
        high=Rate(1000.0),
        precision=0.15,
        budget_s=Seconds(1200.0),
        warm_up="auto",
    )
    found = (await simulate(goal, conduct=conduct)).view.capacity
    assert found is not None
    assert "whatever the load" not in found.reason
    assert found.status == "answered", found.reason
