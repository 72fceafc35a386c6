"""Which workers does a run take, and how long does it wait for more of them?

As few as carry the goal, leased before anybody is told anything. Where those there are too few, it
waits as long as somebody brings more; then it begins with whoever is free.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from contract.messages import Ready
from controller.adapters.control_link import ControlLink, Seen
from controller.adapters.conversation import Conversation
from controller.adapters.leases import Leases, standing
from controller.adapters.plans import deaf, nobody
from controller.errors import NoWorkers
from controller.ports import Clock, Member, Staffing
from controller.search.goal import Goal

WORKERS_WITHIN_S = 10.0
"""How long to wait for the first worker where nobody brings any."""
REJOIN_WITHIN_S = 4.0
"""Of that, how long to wait for those who were prepared before or may have fallen silent."""
LOOK_EVERY_S = 0.5

log = logging.getLogger(__name__)

IsAlive = Callable[[Seen], bool]
_Free = dict[str, tuple[Seen, Member]]


class Everybody:
    """The Staffing port of a fleet that one run has to itself: all who are free, without waiting."""

    def pick(self, run: str, goal: Goal, free: tuple[Member, ...]) -> tuple[Member, ...]:  # noqa: ARG002
        return free

    def carries(self, run: str, goal: Goal, members: tuple[Member, ...]) -> bool:  # noqa: ARG002
        return False

    def learned(self, run: str, user_ratio: float) -> None:
        pass

    def strained(self, run: str) -> None:
        pass

    async def wait_s(self) -> float:
        return 0.0


class Choosing:
    """The choice of workers of one run, and their leases; `end` gives them back."""

    def __init__(
        self,
        run: str,
        goal: Goal,
        talk: Conversation,
        link: ControlLink,
        *,
        leases: Leases,
        staffing: Staffing,
        clock: Clock,
    ) -> None:
        self._run = run
        self._goal = goal
        self._talk = talk
        self._link = link
        self._leases = leases
        self._staffing = staffing
        self._clock = clock
        self._since = 0.0
        self._waits = False
        self._deaf: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        """What people should know of the latest choice."""

    def begin(self) -> None:
        """Count the time to wait from now."""
        self._since, self._waits, self.warnings = float(self._clock.now()), False, ()

    async def choose(
        self, expected: Collection[str], is_alive: IsAlive, *, patiently: bool
    ) -> tuple[Seen, ...]:
        """Workers that are this run's from here on; `expected` are those it had.

        Raises:
            NoWorkers: nobody is free in time.
            FleetLost, Fenced: as for Fleet.prepare.
        """
        while True:
            there = self._hearing(everybody := await self._talk.there())
            free, of_others = await self._free(there, is_alive)
            whole = len(free) + of_others == len(there) and set(expected) <= set(free)
            members = tuple(member for _, member in free.values())
            if await self._is_time(members, whole=whole, patiently=patiently):
                picked = [m.worker for m in self._staffing.pick(self._run, self._goal, members)]
                if await self._leases.take(picked) >= set(picked):
                    self._warn(members)
                    return tuple(free[worker][0] for worker in picked)
            elif not free and await self._is_over():
                raise NoWorkers(nobody(everybody, self._waited_s(), self._link.key_id))
            await self._clock.sleep(LOOK_EVERY_S)

    def learn(self, chosen: Sequence[Seen], answers: Sequence[Ready]) -> None:
        """What the run's user sends, beside what the workers' self-tests did."""
        can_per_s = sum(float(answer.rate_per_s) for answer in answers)
        tested_per_s = sum(float(seen.hello.rate_per_s) for seen in chosen)
        if can_per_s > 0 and tested_per_s > 0:
            self._staffing.learned(self._run, can_per_s / tested_per_s)

    def strained(self) -> None:
        """The workers did not send what was planned: the run counts on each for half as much."""
        self._staffing.strained(self._run)

    async def may_grow(self, chosen: Sequence[Seen], is_alive: IsAlive, *, patiently: bool) -> bool:
        """Whether the chosen do not carry the goal after all, and others could join them."""
        free, _ = await self._free(self._hearing(await self._talk.there()), is_alive)
        names = {seen.hello.worker for seen in chosen}
        members = tuple(member for worker, (_, member) in free.items() if worker in names)
        if self._staffing.carries(self._run, self._goal, members):
            return False
        return len(free) > len(chosen) or (patiently and await self._more_come())

    async def end(self, *, give_back: bool) -> None:
        """Hold the workers no longer, or for as long as their leases last."""
        await self._leases.end(give_back=give_back)

    async def _is_time(self, free: tuple[Member, ...], *, whole: bool, patiently: bool) -> bool:
        if not free:
            return False
        if self._staffing.carries(self._run, self._goal, free):
            return True
        if patiently and await self._more_come():
            if not self._waits:
                log.info("run %s waits for more than %d workers", self._run, len(free))
            self._waits = True
            return False
        return whole or self._waited_s() >= REJOIN_WITHIN_S

    def _warn(self, free: tuple[Member, ...]) -> None:
        self.warnings = self._deaf
        if self._waits and not self._staffing.carries(self._run, self._goal, free):
            crew = "1 worker" if len(free) == 1 else f"{len(free)} workers"
            waited = f"waited {self._waited_s():.0f} s for more than {crew}: none came"
            self.warnings += (f"{waited}, and these have no room to spare at search.to",)

    async def _is_over(self) -> bool:
        return self._waited_s() >= WORKERS_WITHIN_S and not await self._more_come()

    async def _more_come(self) -> bool:
        return self._waited_s() < await self._staffing.wait_s()

    def _hearing(self, there: Sequence[Seen]) -> tuple[Seen, ...]:
        """Those that will obey; the warnings name the others."""
        faults = {s.hello.worker: deaf(s.hello, self._link.key_id) for s in there}
        self._deaf = tuple(fault for fault in faults.values() if fault is not None)
        return tuple(seen for seen in there if faults[seen.hello.worker] is None)

    async def _free(self, there: Sequence[Seen], is_alive: IsAlive) -> tuple[_Free, int]:
        """Those that no other run holds; and how many others hold."""
        holders, held = await standing(self._link)
        free: _Free = {}
        of_others = 0
        for seen in there:
            hello = seen.hello
            said = hello.run if hello.run in holders else None
            run = held.get(hello.worker, said)
            if run not in (None, self._run):
                of_others += 1
            elif is_alive(seen):
                member = Member(hello.worker, hello.host, float(hello.rate_per_s), run)
                free[hello.worker] = (seen, member)
        return free, of_others

    def _waited_s(self) -> float:
        return float(self._clock.now()) - self._since
