"""What happened in a run? Its events, as the journal keeps them, and the search they give.

    RunCreated → PreflightStarted → PreflightPassed
        → (ProbeStarted → Measured… → ProbeDecided)… → LoadStopped → RunEnded

FleetChanged, Resumed and Noted may come between, and Advised where the strategy is external.
`restore` folds the decided probes into the search
again; a probe that was started and never decided is simply proposed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contract.units import Rate, Seconds
from controller.search.advice import Advice
from controller.search.answer import Capacity
from controller.search.goal import Goal
from controller.search.health import State
from controller.search.probe import Outcome, Probe

if TYPE_CHECKING:
    from controller.search.capacity import Search


@dataclass(frozen=True, slots=True)
class RunCreated:
    """A goal was accepted and queued.

    `document` is the goal as given, JSON text; `versions` are (program, version) of whatever
    had a part in it. `at`, here and below, is in seconds since 1970, UTC.
    """

    at: float
    goal: Goal
    document: str
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PreflightStarted:
    """The fleet is being prepared."""

    at: float


@dataclass(frozen=True, slots=True)
class PreflightPassed:
    """The fleet can send it and the target answers."""

    at: float
    workers: tuple[str, ...]
    rate_per_s: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeStarted:
    """A rate is put to the target."""

    at: float
    probe: Probe


@dataclass(frozen=True, slots=True)
class Measured:
    """About a second of a probe, a window. Rates are per second of that slice.

    `limit_ratio` is the largest metric / limit of all objectives, None when nothing was judged;
    `health` the probe's after it. `signals` are the target's own metrics, those that were seen.
    """

    at: float
    probe: int
    through_s: Seconds
    offered_per_s: Rate
    sent_per_s: Rate
    achieved_per_s: Rate
    bad_ratio: float
    p50_s: float
    p90_s: float
    p99_s: float
    in_flight: int
    send_lag_p99_s: float
    health: State | None = None
    limit_ratio: float | None = None
    signals: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeDecided:
    """A probe has its verdict. The interval is the search's after it, None before there is one."""

    at: float
    outcome: Outcome
    estimate: Rate | None
    low: Rate | None
    high: Rate | None


@dataclass(frozen=True, slots=True)
class Advised:
    """The advisor was consulted for the `number`-th time; `seconds` of the budget went by."""

    at: float
    number: int
    advice: Advice
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class FleetChanged:
    """Workers came, went or were prepared anew; `note` says which and why."""

    at: float
    workers: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A restarted controller took the run over.

    `seconds` of the budget passed since the last decided probe, without a controller included.
    """

    at: float
    note: str
    seconds: Seconds = Seconds(0.0)


@dataclass(frozen=True, slots=True)
class Noted:
    """Something people should know that changes nothing, such as signals that cannot be read."""

    at: float
    note: str


@dataclass(frozen=True, slots=True)
class LoadStopped:
    """The load was told to stop. `confirmed`: every worker said that nothing is in flight.

    `seconds` passed between the order and the answer; `note` says why, and who was silent.
    `requests` and `bad_requests` are what the target had to bear beyond the outcomes of this
    controller's probes: after their decisions, and in a probe that was broken off.
    """

    at: float
    confirmed: bool
    seconds: Seconds
    note: str
    requests: int = 0
    bad_requests: int = 0


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The answer, or why there is none."""

    at: float
    capacity: Capacity


Event = (
    RunCreated
    | PreflightStarted
    | PreflightPassed
    | ProbeStarted
    | Measured
    | ProbeDecided
    | Advised
    | FleetChanged
    | Resumed
    | Noted
    | LoadStopped
    | RunEnded
)


def restore(goal: Goal, events: Iterable[Event]) -> Search:
    """The search as the journalled outcomes left it; after a resume it is to warm up again."""
    # people watch without scipy
    from controller.search.capacity import advised, observe, rewarm, start

    search = start(goal)
    for event in events:
        if isinstance(event, ProbeDecided):
            search = observe(search, event.outcome)
        elif isinstance(event, Advised):
            search = advised(search, event.advice, event.seconds)
        elif isinstance(event, Resumed):
            search = rewarm(search)
            search = replace(search, elapsed_s=Seconds(search.elapsed_s + event.seconds))
    return search
