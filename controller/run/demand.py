"""How many workers do the runs in progress and in the queue need?

Runs that may be in progress at the same time are added up; one in progress never counts for less
than it holds. What follows the answer (the local stack, a Kubernetes scaler) brings the workers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from contract.units import Rate, format_rate
from controller.ports import Member
from controller.run.placement import Wish, counted_on_per_s, together


@dataclass(frozen=True, slots=True)
class Demand:
    """`workers` are wanted, `present` are there, those named in `idle` belong to no run.

    `rate_per_s` is what the runs may ask together; `per_worker_per_s` what one worker is counted
    on for. `ceiling` bounds `workers`, and `reason` says how it came about.
    """

    workers: int
    present: int
    rate_per_s: float
    per_worker_per_s: float
    ceiling: int
    idle: tuple[str, ...]
    reason: str

    def at_least(self, workers: int) -> Demand:
        """The same, asking for `workers` where it would ask for fewer."""
        if workers <= self.workers:
            return self
        why = f"{self.reason}; nobody is sent away while a run holds workers"
        return replace(self, workers=workers, reason=why)


@dataclass(frozen=True, slots=True)
class Limits:
    """`ceiling`: the most workers ever asked for; `at_once`: the most runs in progress."""

    ceiling: int
    at_once: int


def demand_of(
    wishes: Sequence[Wish], members: Sequence[Member], limits: Limits, *, self_test_per_s: float
) -> Demand:
    """The demand of `wishes`: runs in progress first, then the queue, each in its order.

    `self_test_per_s` is what a worker is taken to send while no self-test is known.
    """
    per_worker_per_s = counted_on_per_s((m.rate_per_s for m in members), otherwise=self_test_per_s)
    held = Counter(member.run for member in members if member.run is not None)
    served = together(wishes, limits.at_once)
    wanted = sum(_needed(wish, per_worker_per_s, held[wish.run]) for wish in served)
    return Demand(
        workers=min(wanted, limits.ceiling),
        present=len(members),
        rate_per_s=sum(wish.needs_per_s for wish in served),
        per_worker_per_s=per_worker_per_s,
        ceiling=limits.ceiling,
        idle=tuple(member.worker for member in members if member.run is None),
        reason=_reason(served, wanted, per_worker_per_s, limits.ceiling),
    )


def _needed(wish: Wish, per_worker_per_s: float, held: int) -> int:
    return max(math.ceil(wish.needs_per_s / (per_worker_per_s * wish.user_ratio)), held)


def _reason(served: Sequence[Wish], wanted: int, per_worker_per_s: float, ceiling: int) -> str:
    if not served:
        return "no run asks for workers"
    runs = f"run {served[0].run} asks" if len(served) == 1 else f"{len(served)} runs ask together"
    rate = format_rate(Rate(sum(wish.needs_per_s for wish in served)))
    what = f"{runs} for up to {rate}; a worker is counted on for {format_rate(per_worker_per_s)}"
    if wanted <= ceiling:
        return what
    return f"{what}; {wanted} workers would be needed, TONNAGE_FLEET_CEILING is {ceiling}"
