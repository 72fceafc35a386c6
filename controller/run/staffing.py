"""What does the fleet lack, who follows that, and is it worth waiting for?

Somebody who asked for the demand lately is taken to bring workers: the local stack, KEDA. With
nobody there a run starts with what it finds, as fast as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.ports import Clock, Member, Roster
from controller.run import placement
from controller.run.demand import Demand, Limits, demand_of
from controller.run.placement import UNTESTED_PER_S, Wish, wish_of
from controller.search.goal import Goal

FOLLOWED_FOR_S = 45.0
"""Whoever asks for the demand does so more often than this: KEDA every 15 s."""
KNOWN_RUNS = 1_000
"""What so many runs' users cost is remembered."""

Wishes = Callable[[], Sequence[Wish]]


class StaffingOffice:
    """The Staffing port over a roster, and the answer to whoever brings workers.

    `wishes` gives those of all runs, in progress first; set it before anybody asks.
    `within_s` is the longest wait for workers that somebody may bring.
    """

    def __init__(self, roster: Roster, clock: Clock, limits: Limits, *, within_s: float) -> None:
        self.wishes: Wishes = tuple
        self._roster = roster
        self._clock = clock
        self._limits = limits
        self._within_s = within_s
        self._self_test_per_s = UNTESTED_PER_S
        self._asked_at: float | None = None
        self._found: dict[str, float] = {}
        self._strains: dict[str, int] = {}

    async def demand(self, *, steady: bool = False) -> Demand:
        """What the fleet should have, for somebody who will bring it.

        `steady`: at least what is present while a run holds workers, for a scaler that cannot
        choose whom it ends.

        Raises:
            FleetLost: Redis does not answer.
        """
        self._asked_at = float(self._clock.now())
        demand, members = await self._look()
        if steady and any(member.run is not None for member in members):
            return demand.at_least(demand.present)
        return demand

    def pick(self, run: str, goal: Goal, free: tuple[Member, ...]) -> tuple[Member, ...]:
        """As few of `free` as carry the goal; all of them where that is too few."""
        return placement.pick(free, self.wish(run, goal))

    def carries(self, run: str, goal: Goal, members: tuple[Member, ...]) -> bool:
        """Whether they can send what the goal may ask, with room to spare."""
        return placement.carry(members, self.wish(run, goal))

    def learned(self, run: str, user_ratio: float) -> None:
        """What preflight found: the run's user sends this much of what the self-test does."""
        if user_ratio > 0:
            self._found[run] = min(1.0, user_ratio)
            while len(self._found) > KNOWN_RUNS:
                del self._found[next(iter(self._found))]

    def strained(self, run: str) -> None:
        """A probe was void though nobody was lost: each worker counts for half as much from now."""
        self._strains[run] = self._strains.get(run, 0) + 1
        while len(self._strains) > KNOWN_RUNS:
            del self._strains[next(iter(self._strains))]

    async def wait_s(self) -> float:
        """How long to wait at most for more workers; 0 when nobody brings any."""
        if self._asked_at is None or self._clock.now() - self._asked_at > FOLLOWED_FOR_S:
            return 0.0
        demand, _ = await self._look()
        return self._within_s if demand.workers > demand.present else 0.0

    def wish(self, run: str, goal: Goal) -> Wish:
        """What the run asks, with what is known of its user."""
        return wish_of(run, goal, self._found.get(run, 1.0) / 2 ** self._strains.get(run, 0))

    async def _look(self) -> tuple[Demand, tuple[Member, ...]]:
        members = await self._roster.members()
        demand = demand_of(
            self.wishes(), members, self._limits, self_test_per_s=self._self_test_per_s
        )
        if any(member.rate_per_s > 0 for member in members):
            self._self_test_per_s = demand.per_worker_per_s / placement.SHARE_OF_SELF_TEST
        return demand, members
