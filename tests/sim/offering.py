"""A probe put to a simulated fleet, and everything it reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contract.arrivals import Schedule
from contract.report import FleetReport
from contract.units import Rate, Seconds
from controller.search.goal import Goal, Workload
from controller.search.probe import Probe
from controller.sim.address import parse
from controller.sim.clock import VirtualClock
from controller.sim.fleet import SimulatedFleet
from tests.helpers.builders import a_goal

BATCH = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"


def goal_for(url: str = BATCH, **changes: Any) -> Goal:
    settings: dict[str, Any] = {"targets": (url,), "workload": Workload()}
    return a_goal(**(settings | changes))


def fleet_for(goal: Goal, **changes: Any) -> tuple[SimulatedFleet, VirtualClock]:
    clock = VirtualClock()
    target = parse(goal.targets[0]).target(goal.seed)
    return SimulatedFleet(goal, target=target, clock=clock, **changes), clock


def probe_at(rate: float, measure_s: float = 5.0, number: int = 1) -> Probe:
    return Probe(number, "search", Rate(rate), Seconds(1.0), Seconds(0.75), Seconds(measure_s))


def schedule_of(goal: Goal, probe: Probe) -> Schedule:
    return Schedule(
        law=goal.workload.law,
        seed=goal.seed,
        probe=probe.number,
        rate=probe.rate,
        duration_s=probe.duration_s,
        ramp_s=probe.ramp_s,
        ramp_from=probe.ramp_from,
    )


async def reports_of(
    fleet: SimulatedFleet,
    probe: Probe,
    until: Callable[[FleetReport], bool] = lambda report: False,
) -> list[FleetReport]:
    """All reports, or those up to the first that `until` holds for."""
    seen = []
    async with fleet.offer(probe) as reports:
        async for report in reports:
            seen.append(report)
            if until(report):
                break
    return seen
