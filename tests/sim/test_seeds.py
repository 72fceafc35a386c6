"""Does a seed change the noise and nothing else?"""

from __future__ import annotations

from functools import cache, partial
from itertools import takewhile
from typing import get_args

import anyio
import pytest

from contract.units import Rate, Seconds
from controller.run.conductor import conduct
from controller.search.capacity import advised, observe, propose, start
from controller.search.goal import Goal, StrategyName
from controller.search.journal import Advised, ProbeDecided
from controller.search.probe import Outcome, Probe
from controller.sim.run import Simulation, simulate
from tests.sim.offering import BATCH, goal_for
from tests.sim.test_every_family import Stepping

SEARCHING = [name for name in get_args(StrategyName) if name != "soak"]


def question(strategy: str, seed: int = 1) -> Goal:
    return goal_for(
        BATCH,
        strategy=strategy,
        low=Rate(20.0),
        high=Rate(800.0),
        warm_up="auto",
        closing_probes=1,
        budget_s=Seconds(200.0),
        seed=seed,
        advisor="http://127.0.0.1:9000/next" if strategy == "external" else None,
    )


@cache
def searched(strategy: str, seed: int) -> Simulation:
    goal = question(strategy, seed)
    return anyio.run(partial(simulate, goal, conduct=partial(conduct, advisor=Stepping())))


def outcomes(strategy: str, seed: int) -> list[Outcome]:
    return [e.outcome for e in searched(strategy, seed).events if isinstance(e, ProbeDecided)]


def placed(probe: Probe) -> tuple[str, float, float]:
    return probe.purpose, float(probe.rate), float(probe.measure_s)


@pytest.mark.parametrize("strategy", SEARCHING)
def test_two_seeds_have_the_same_opening(strategy: str) -> None:
    """As long as the verdicts are the same; counts differ from the first probe on."""
    one, other = outcomes(strategy, 1), outcomes(strategy, 2)
    opening = list(takewhile(lambda o: o.probe.purpose in ("scale", "warm_up"), one))
    assert len(opening) >= 2
    count = len(opening)
    assert [placed(o.probe) for o in one[:count]] == [placed(o.probe) for o in other[:count]]
    assert [o.requests for o in one[:count]] != [o.requests for o in other[:count]]


@pytest.mark.parametrize("strategy", SEARCHING)
def test_probes_differ_only_after_counts_that_differ(strategy: str) -> None:
    """Told what another seed measured, a search proposes what that one did: it has no seed."""
    search, steps = start(question(strategy, seed=99)), 0
    for event in searched(strategy, 1).events:
        if isinstance(event, ProbeDecided):
            assert propose(search) == event.outcome.probe
            search, steps = observe(search, event.outcome), steps + 1
        elif isinstance(event, Advised):
            search = advised(search, event.advice, event.seconds)
    assert steps >= 4
    assert propose(search) == searched(strategy, 1).view.capacity


@pytest.mark.parametrize("strategy", SEARCHING)
def test_one_seed_gives_one_journal(strategy: str) -> None:
    again = anyio.run(
        partial(simulate, question(strategy), conduct=partial(conduct, advisor=Stepping()))
    )
    assert again.events == searched(strategy, 1).events
    assert again.events != searched(strategy, 2).events
