"""How high is the rate that each client holds on this host, measured in seconds?

    whole   the stairs of `workers.selftest.stairs`, in an open loop: about 12 s for all kinds
    quick   the CPU that an arrival costs in a closed loop, and what is to be expected of it: 1.5 s

The quick one counts CPU time, so that a busy machine does not make it low: a worker that is asked
on a busy machine still says what it can send with a core of its own, and a probe that the machine
does not let it send is void with that as its cause. The whole one repeats a step that was not held
once, and where other processes took more than `DISTURBED_RATIO` of the time the CPU's word stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from workers.clients.kinds import FAST, INFERENCE, STOCK
from workers.selftest.bench import BODIES, TASKS, Bench, SelfTestFailed, Step
from workers.selftest.server import BODY_BYTES
from workers.selftest.stairs import Stairs, expected_per_s, first

WARM_S = 0.1
COST_S = 0.25
STEP_S = 0.25
KIND_S = 2.4
"""No step of a kind begins later than this."""
DISTURBED_RATIO = 0.05
QUICK = (INFERENCE, FAST, STOCK)

Now = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Measured:
    """A client on this host. `disturbed_ratio`: of the time, other processes had the core."""

    kind: str
    rate_per_s: float
    lag_s: float
    cost_s: float
    disturbed_ratio: float

    @property
    def disturbed(self) -> bool:
        """Whether the rate is by CPU time alone."""
        return self.disturbed_ratio > DISTURBED_RATIO

    @property
    def bytes_per_s(self) -> float | None:
        """Of the bodies, where there are any."""
        return self.rate_per_s * BODY_BYTES if self.kind == BODIES else None


def whole(bench: Bench, quota_cores: float | None = None) -> Iterator[Measured]:
    """Every kind in turn.

    Raises:
        SelfTestFailed: naming the kind.
    """
    for kind in TASKS:
        with bench.loaded(kind):
            yield climbed(kind, _cost(bench, kind, quota_cores), bench.open)


def quick(bench: Bench, quota_cores: float | None = None) -> dict[str, float]:
    """Arrivals/s of the kinds in `QUICK`.

    Raises:
        SelfTestFailed: naming the kind.
    """
    found = {}
    for kind in QUICK:
        with bench.loaded(kind):
            found[kind] = expected_per_s(_cost(bench, kind, quota_cores).cost_s)
    return found


def climbed(
    kind: str, cost: Step, put: Callable[[float, float], Step], now: Now = time.perf_counter
) -> Measured:
    """Climb the stairs by steps that `put` makes of a rate and seconds."""
    until_s = now() + KIND_S
    stairs, best = first(cost.cost_s), None
    steps = [cost]
    while stairs.next_per_s is not None and now() < until_s:
        step = put(stairs.next_per_s, STEP_S)
        steps.append(step)
        if not step.held and now() < until_s:
            step = put(stairs.next_per_s, STEP_S)
            steps.append(step)
        stairs = stairs.told(held=step.held)
        best = step if step.held else best
    return _measured(kind, cost, steps, stairs, best)


def _measured(
    kind: str, cost: Step, steps: list[Step], stairs: Stairs, best: Step | None
) -> Measured:
    seconds = sum(step.seconds for step in steps)
    disturbed_ratio = sum(step.waited_ratio * step.seconds for step in steps) / seconds
    rate_per_s = stairs.held_per_s
    if disturbed_ratio > DISTURBED_RATIO or not rate_per_s:
        rate_per_s = max(rate_per_s, expected_per_s(cost.cost_s))
    lag_s = best.lag_s if best is not None else min(step.lag_s for step in steps)
    return Measured(kind, rate_per_s, lag_s, cost.cost_s, disturbed_ratio)


def within_quota(step: Step, quota_cores: float | None) -> Step:
    """The step as if its CPU were counted in what a quota below one core leaves of one."""
    if quota_cores is None or quota_cores >= 1:
        return step
    return replace(step, cpu_s=step.cpu_s / quota_cores)


def _cost(bench: Bench, kind: str, quota_cores: float | None) -> Step:
    bench.closed(WARM_S)
    step = bench.closed(COST_S)
    if not step.ended or step.lost:
        raise SelfTestFailed(
            f"{kind}: of {step.sent:,} requests to a server on loopback {step.ended:,} were answered"
        )
    return within_quota(step, quota_cores)
