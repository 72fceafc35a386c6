"""Is the fleet of a run there and up to it, what was lost of it, and has it let go?

Every wait here is bounded: for a bus that is gone by BUS_GRACE_S, for an action by what its caller
allows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from contract.report import FleetReport
from contract.units import format_rate
from controller.errors import Fenced, FleetError, FleetLost, PreflightFailed
from controller.ports import Clock, Fleet, Readiness
from controller.run.bounded import cancel, within
from controller.search.goal import Goal

BUS_GRACE_S = 30.0
"""The bus may be gone for this long before the run is given up."""
RETRY_EVERY_S = 0.5
REFUSED_BEYOND = 2.0
"""A goal that begins at so many times the self-tests is not even tried."""

log = logging.getLogger(__name__)


async def prepared(fleet: Fleet, clock: Clock, *, ask_target: bool) -> Readiness:
    """Prepare the fleet, however often the bus goes away within its grace.

    Raises:
        FleetLost: it was gone for longer.
        PreflightFailed: as `Fleet.prepare` says.
    """
    give_up_at = clock.now() + BUS_GRACE_S
    while True:
        try:
            return await fleet.prepare(ask_target=ask_target)
        except FleetLost as error:
            if clock.now() >= give_up_at:
                text = f"the fleet was gone for longer than {BUS_GRACE_S:.0f} s: {error}"
                raise FleetLost(text) from error
        await clock.sleep(RETRY_EVERY_S)


async def failure_of(
    run: str, clock: Clock, action: Coroutine[Any, Any, None], bound_s: float
) -> str | None:
    """Run `action` for at most `bound_s`; in one sentence why it did not succeed, or None.

    Raises:
        Fenced: another controller has the run now.
    """
    task = asyncio.create_task(action)
    if not await within(clock, task, bound_s):
        await cancel(clock, task, RETRY_EVERY_S)
        return f"no answer within {bound_s:g} s"
    error = task.exception()
    if error is None:
        return None
    if isinstance(error, Fenced):
        raise error
    if not isinstance(error, FleetError):
        log.error("run %s: releasing the fleet failed", run, exc_info=error)
    return str(error)


def loss(report: FleetReport) -> str:
    """Who was lost, and how if that is known."""
    if report.notes:
        return f"lost in mid-probe: {'; '.join(report.notes)}"
    names = ", ".join(report.lost)
    who = f"worker {names} was" if len(report.lost) == 1 else f"workers {names} were"
    return f"{who} lost in mid-probe"


def shortfall(goal: Goal, readiness: Readiness) -> tuple[str, ...]:
    """What the fleet may not be able to send of what the goal may ask; a rate of 0 is not known.

    Self-tests ask for a send lag of 1 ms, of which a void probe has up to 20: a fleet can send
    more, though hardly twice as much.

    Raises:
        PreflightFailed: not even the lowest rate.
    """
    rate_per_s = readiness.rate_per_s
    if rate_per_s <= 0 or rate_per_s >= goal.peak:
        return ()
    can = f"by its self-tests the fleet can send {format_rate(rate_per_s)} together"
    if REFUSED_BEYOND * rate_per_s < goal.low:
        field = "search.rate" if goal.strategy == "soak" else "search.from"
        raise PreflightFailed(
            f"{can}, far below {field}, {format_rate(goal.low)}: start more workers"
        )
    most = "search.to" if goal.peak == goal.high else "the highest of workload.profile"
    return (f"{can}, which is below {most}, {format_rate(goal.peak)}: a higher probe may be void",)
