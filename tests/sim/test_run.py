"""Does a whole simulated run find the truth, say how sure it is, and let no trouble mislead it?"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from contract.objectives import parse_objective
from contract.units import Rate
from controller.errors import GoalRefused
from controller.report.result import result_of
from controller.run.conductor import conduct
from controller.search.goal import Goal
from controller.search.journal import ProbeDecided, ProbeStarted, RunEnded
from controller.search.probe import Probe, Verdict
from controller.sim.run import Simulation, simulate, simulate_goal
from controller.sim.trouble import Trouble
from tests.sim.offering import BATCH, goal_for

CAPACITY = 235.7  # of BATCH at p99 <= 150 ms, from 8 million simulated arrivals


def question(**changes: Any) -> Goal:
    settings: dict[str, Any] = {
        "strategy": "bayes",
        "warm_up": "none",
        "high": Rate(2000.0),
        "precision": 0.2,
        "closing_probes": 1,
    }
    return goal_for(**(settings | changes))


def intervals(done: Simulation) -> list[tuple[Probe, Verdict, tuple[float | None, ...]]]:
    return [
        (e.outcome.probe, e.outcome.verdict, (e.low, e.estimate, e.high))
        for e in done.events
        if isinstance(e, ProbeDecided)
    ]


def test_the_interval_covers_the_truth_in_at_least_five_of_six_runs() -> None:
    answers = [
        simulate_goal(question(precision=0.3), conduct=conduct, seed=seed).capacity
        for seed in range(1, 7)
    ]
    covered = 0
    for answer in answers:
        assert answer is not None
        assert answer.status == "answered"
        assert answer.low is not None
        assert answer.high is not None
        assert answer.estimate == pytest.approx(CAPACITY, rel=0.12)
        covered += answer.low <= CAPACITY <= answer.high
    assert covered >= 5


@pytest.mark.anyio
async def test_the_cost_is_all_that_the_target_had_to_bear() -> None:
    done = await simulate(question(precision=0.4), conduct=conduct)
    cost = result_of(done.view)["cost"]
    assert (cost["requests"], cost["bad_requests"]) == (done.sent.sent, done.bad)
    decided = [probe.outcome for probe in done.view.probes]
    assert done.bad > sum(outcome.bad_requests for outcome in decided)


@pytest.mark.parametrize("strategy", ["binary", "sweep"])
def test_the_plain_strategies_bracket_the_truth(strategy: str) -> None:
    goal = question(strategy=strategy, low=Rate(100.0), high=Rate(600.0), warm_up="none")
    answer = simulate_goal(goal, conduct=conduct, seed=4).capacity
    assert answer is not None
    assert answer.status == "answered"
    assert answer.estimate == pytest.approx(CAPACITY, rel=0.2)


def test_a_seed_repeats_its_run_event_by_event() -> None:
    first, again, other = (
        simulate_goal(question(precision=0.4, warm_up="auto"), conduct=conduct, seed=seed)
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first.capacity != other.capacity


@pytest.mark.anyio
@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(lost_at_s=2.0),
        Trouble(gone_at_s=2.0),
        Trouble(missed_ratio=0.02),
        Trouble(lag_s=0.060),
        Trouble(pause_at_s=2.0, pause_s=0.8),
        Trouble(unaccounted=3),
    ],
    ids=["lost", "gone", "missed", "lag", "pause", "unaccounted"],
)
async def test_a_void_probe_never_moves_the_search(trouble: Trouble) -> None:
    troubled = 6

    def trouble_of(probe: Probe) -> Trouble:
        return trouble if probe.number == troubled else Trouble()

    goal = question(warm_up="none", precision=0.4, closing_probes=0)
    done = await simulate(goal, conduct=conduct, trouble_of=trouble_of)
    decided = intervals(done)
    (probe_before, _, before), (probe, verdict, after), (probe_next, _, _) = decided[4:7]
    assert probe_before.number == troubled - 1
    assert verdict is Verdict.VOID
    assert after == before
    assert (probe_next.rate, probe_next.purpose) == (probe.rate, probe.purpose)
    assert probe_next.number == probe.number + 1


@pytest.mark.anyio
async def test_a_fleet_in_lasting_trouble_ends_the_run_with_the_reason() -> None:
    done = await simulate(
        question(), conduct=conduct, trouble_of=lambda probe: Trouble(missed_ratio=0.5)
    )
    capacity = done.view.capacity
    assert capacity is not None
    assert capacity.status == "no_verdict"
    assert capacity.estimate is None
    assert "not started" in capacity.reason


@pytest.mark.anyio
async def test_a_run_accounts_for_every_arrival_and_every_second() -> None:
    done = await simulate(question(precision=0.4), conduct=conduct)
    assert done.sent.balanced
    assert done.sent.in_flight == 0
    assert isinstance(done.events[-1], RunEnded)
    probes = [e.probe.number for e in done.events if isinstance(e, ProbeStarted)]
    assert probes == list(range(1, len(probes) + 1))
    assert all(before.at <= after.at for before, after in pairwise(done.events))
    assert sum(d.outcome.requests for d in done.view.probes) <= done.sent.sent


def test_a_target_that_carries_everything_is_at_least_the_highest_rate() -> None:
    goal = question(targets=("sim://fifo?servers=100&mean=1ms&cv=0",), high=Rate(40.0))
    answer = simulate_goal(goal, conduct=conduct).capacity
    assert answer is not None
    assert answer.status == "at_least"


def test_a_target_that_carries_nothing_is_at_most_the_lowest_rate() -> None:
    goal = question(targets=("sim://fifo?servers=1&mean=1s&cv=0",), high=Rate(40.0))
    answer = simulate_goal(goal, conduct=conduct).capacity
    assert answer is not None
    assert answer.status == "at_most"


def test_an_objective_of_phases_is_rejected() -> None:
    goal = question(objectives=(parse_objective("p99 ttft <= 1s"),))
    answer = simulate_goal(goal, conduct=conduct).capacity
    assert answer is not None
    assert answer.status == "rejected"


def test_a_goal_without_exactly_one_simulated_target_is_refused() -> None:
    goal = question()
    for targets in ((BATCH, BATCH), ("http://127.0.0.1:9",), ("sim://batch?base=x",)):
        with pytest.raises(GoalRefused):
            simulate_goal(replace(goal, targets=targets), conduct=conduct)
