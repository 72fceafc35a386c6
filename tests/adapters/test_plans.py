"""Do the workers hear of the goal's switches what they must know, and no more?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.arrivals import Law
from contract.connections import Connections
from contract.messages import FEWEST_IN_FLIGHT
from controller.adapters.plans import Speech
from controller.search.features import Features
from controller.search.goal import Workload
from tests.helpers.builders import a_goal, a_probe

RECORDED = Workload(requests="f" * 64, replica_header="x-replica")
POLICY = Connections(reuse="user", requests=100, ca_sha256="e" * 64)


@pytest.mark.parametrize("replay", [True, False])
def test_workers_fetch_the_recording_only_where_it_is_to_be_sent(replay: bool) -> None:
    goal = a_goal(workload=RECORDED, features=Features(replay=replay))
    message = Speech("r1", goal, 1).prepare(("w1",))
    assert message.requests_sha256 == ("f" * 64 if replay else None)
    assert message.replica_header == "x-replica"


def test_workers_hear_of_the_policy_of_connections() -> None:
    goal = a_goal(workload=Workload(connections=POLICY))
    assert Speech("r1", goal, 1).prepare(("w1",)).connections == POLICY


def test_workers_fetch_the_times_that_they_replay() -> None:
    goal = a_goal(workload=Workload(law=Law("replay", times="f" * 64)))
    assert Speech("r1", goal, 1).prepare(("w1",)).times_sha256 == "f" * 64
    assert goal.artefacts == (("workload.arrivals", "f" * 64),)
    assert Speech("r1", a_goal(), 1).prepare(("w1",)).times_sha256 is None


def test_every_objective_is_judged_by_the_workers_whoever_decides() -> None:
    goal = a_goal(features=Features(objectives=False))
    both = replace(goal, objectives=goal.objectives * 2)
    assert len(Speech("r1", both, 1).prepare(("w1",)).objectives) == 2


def test_the_streams_of_a_closed_loop_are_shared_out() -> None:
    speech = Speech("r1", a_goal(), 1)
    probe = replace(a_probe(), streams=10)
    assert speech.plan(a_probe(), ("w1", "w2", "w3"), 0).streams == 0
    assert speech.plan(probe, ("w1", "w2", "w3"), 0).streams == 4


def test_a_worker_may_hold_in_flight_what_its_weight_says_and_no_less_than_a_burst() -> None:
    speech = Speech("r1", a_goal(), 1)
    workers = ("w1", "w2", "w3")
    plain = speech.plan(a_probe(rate=3000.0), workers, 0)
    assert [plain.in_flight_cap_of(place) for place in range(3)] == [plain.in_flight_cap] * 3
    plan = speech.plan(a_probe(rate=3000.0), workers, 0, (4096, 2048, 1))
    fast, slow, slowest = (plan.in_flight_cap_of(place) for place in range(3))
    assert (fast, slow) == pytest.approx((2 * plan.in_flight_cap, plan.in_flight_cap), rel=0.01)
    assert slowest == FEWEST_IN_FLIGHT
