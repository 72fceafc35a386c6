"""What would a run of this goal find, against a target that is only simulated?

The conductor and the search are those of real runs; fleet, clock and journal are virtual, so ten
minutes pass in about a second and nothing leaves the process. The conductor is handed in by the
caller, for neither package may know the other:

    from controller.run.conductor import conduct
    view = simulate_goal(goal, conduct=conduct)

`goal.targets` is one sim:// URL (`controller.sim.address`); a goal is read with the API's
`simulation_rules`. `view` is what a real run shows: `view.capacity` has the answer, its
`exit_status` and, through `controller.report`, result.json.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import Protocol

from contract.recorded import Recorded
from contract.report import Ledger
from controller.errors import Fault, GoalRefused
from controller.ports import Clock, Fleet, Journal
from controller.search.answer import Capacity
from controller.search.goal import Goal
from controller.search.journal import Event, RunCreated
from controller.search.view import RunView, view_of
from controller.sim import trouble
from controller.sim.address import Address, parse
from controller.sim.clock import VirtualClock
from controller.sim.compiled import WISH, compile_loops
from controller.sim.fleet import SimulatedFleet
from controller.sim.memory import MemoryJournal
from controller.sim.trouble import TroubleOf

RUN = "simulated"


class Conduct(Protocol):
    """`controller.run.conductor.conduct`."""

    async def __call__(
        self, run: str, goal: Goal, *, fleet: Fleet, journal: Journal, clock: Clock
    ) -> Capacity:
        """Bring the run to its end."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated run that has ended.

    `sent` and `bad` count every arrival of all probes, those after a decision included.
    """

    view: RunView
    events: tuple[Event, ...]
    sent: Ledger
    bad: int


def simulate_goal(
    goal: Goal,
    *,
    conduct: Conduct,
    seed: int | None = None,
    document: str = "{}",
    recorded: Recorded | None = None,
) -> RunView:
    """Run `goal` in virtual time and give what people see of it; call it outside any event loop.

    `seed` takes the place of the goal's; `document` is the goal as it was given, JSON text;
    `recorded` are the times that it replays.

    Raises:
        GoalRefused: its target is not one sim:// URL, or a parameter of that is wrong.
    """
    simulated = simulate(goal, conduct=conduct, seed=seed, document=document, recorded=recorded)
    return asyncio.run(simulated).view


async def simulate(
    goal: Goal,
    *,
    conduct: Conduct,
    seed: int | None = None,
    document: str = "{}",
    trouble_of: TroubleOf = trouble.none,
    recorded: Recorded | None = None,
) -> Simulation:
    """Run `goal` in virtual time; see `simulate_goal`."""
    address = address_of(goal)
    if seed is not None:
        goal = replace(goal, seed=seed)
    clock, journal = VirtualClock(), MemoryJournal()
    fleet = SimulatedFleet(
        goal,
        target=address.target(goal.seed),
        clock=clock,
        trouble_of=trouble_of,
        traffic=address.traffic,
        recorded=recorded,
    )
    await journal.append(RUN, RunCreated(clock.wall(), goal, document))
    await conduct(RUN, goal, fleet=fleet, journal=journal, clock=clock)
    events = tuple(event for _, event in await journal.read(RUN))
    return Simulation(view_of(RUN, events), events, fleet.totals, fleet.bad)


def address_of(goal: Goal) -> Address:
    """The simulated target of a goal.

    Raises:
        GoalRefused: there is not exactly one, or it is wrong.
    """
    if len(goal.targets) != 1:
        fix = "a simulated target is one URL: write replicas=N in it for several replicas"
        raise GoalRefused((Fault("target", ", ".join(goal.targets), fix),))
    return parse(goal.targets[0])


if os.environ.get(WISH) == "1":
    compile_loops()
