"""Does a target that stalls now and then get the estimate of one that does not?"""

from __future__ import annotations

import pytest

from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.sim.run import simulate
from tests.sim.offering import goal_for

pytestmark = pytest.mark.anyio

FIFO = "sim://fifo?servers=8&mean=40ms&cv=0.6&law=lognormal"
STALLS = "&stall_every=90s&stall=0.5s&spells=random"


@pytest.mark.parametrize("trickle", ["0%", "2%"])
@pytest.mark.parametrize(("url", "capacity"), [(FIFO, 180.2), (f"{FIFO}&queue_bound=24", 186.3)])
async def test_stalls_that_let_some_through_or_turn_some_away_are_left_out(
    url: str, capacity: float, trickle: str
) -> None:
    goal = goal_for(
        f"{url}{STALLS}&stall_speed={trickle}",
        objectives=(parse_objective("p99 response_time <= 200ms"),),
        strategy="bayes",
        low=Rate(5.0),
        high=Rate(900.0),
        seed=2,
        budget_s=Seconds(1800.0),
    )
    found = (await simulate(goal, conduct=conduct)).view.capacity
    assert found is not None
    assert found.status == "answered", found.reason
    assert found.estimate == pytest.approx(capacity, rel=0.06)
    assert found.stalls > 0
