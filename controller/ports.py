"""What does the shell need from the world: a fleet, a memory, a clock?

The real ones are in `adapters`, the virtual ones in `sim`; tests/ports holds both to the
same claims.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from contract.report import FleetReport
from contract.units import Seconds
from controller.search.advice import Advice, Consult
from controller.search.answer import Status
from controller.search.goal import Goal
from controller.search.journal import Event, RunCreated
from controller.search.probe import Probe


@dataclass(frozen=True, slots=True)
class Readiness:
    """The fleet after preflight. `rate_per_s` is what it believes it can send together."""

    workers: tuple[str, ...]
    rate_per_s: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Burden:
    """What the target had to bear: requests, and those that failed, timed out or were too late."""

    requests: int = 0
    bad_requests: int = 0

    def __add__(self, other: Burden) -> Burden:
        return Burden(self.requests + other.requests, self.bad_requests + other.bad_requests)

    def beyond(self, other: Burden) -> Burden:
        """What this has more than `other`."""
        more, worse = self.requests - other.requests, self.bad_requests - other.bad_requests
        return Burden(max(0, more), max(0, worse))


@dataclass(frozen=True, slots=True)
class Member:
    """A worker of the fleet: its machine, what its self-test sent, and the run that holds it.

    `rate_per_s` 0 is not known.
    """

    worker: str
    host: str
    rate_per_s: float
    run: str | None = None


class Roster(Protocol):
    """Who is in the fleet, and whose they are."""

    async def members(self) -> tuple[Member, ...]:
        """Workers heard of within the last seconds, by name.

        Raises:
            FleetLost: Redis does not answer.
        """


class Staffing(Protocol):
    """Who is to send the load of a run, and is it worth waiting for more of them?"""

    def pick(self, run: str, goal: Goal, free: tuple[Member, ...]) -> tuple[Member, ...]:
        """As few of `free` as carry the goal; all of them where that is too few."""

    def carries(self, run: str, goal: Goal, members: tuple[Member, ...]) -> bool:
        """Whether they can send what the goal may ask, with room to spare."""

    def learned(self, run: str, user_ratio: float) -> None:
        """What preflight found: the run's user sends this much of what the self-test does."""

    def strained(self, run: str) -> None:
        """A probe was void though nobody was lost: each worker counts for half as much from now."""

    async def wait_s(self) -> float:
        """How long to wait at most for more workers; 0 when nobody brings any."""


class Fleet(Protocol):
    """Workers that offer load together, for one run."""

    async def prepare(self, *, ask_target: bool = True) -> Readiness:
        """Have every live worker load the user and, if asked to, one of them ask the target.

        Called again after a loss: it takes whoever is there by then.

        Raises:
            PreflightFailed: a worker could not load it, or the target did not answer.
            NoWorkers: none came within the grace.
            FleetLost: the bus is gone.
            Fenced: another controller runs this.
        """

    def offer(self, probe: Probe) -> AbstractAsyncContextManager[AsyncIterator[FleetReport]]:
        """Start `probe` on every prepared worker and yield merged reports, oldest first.

        Leaving the block stops the load, however it is left, and returns when every worker
        has said so and nothing is in flight (or its grace is over). The iterator ends by
        itself when the workers have drained after the plan's end. A worker that is lost is
        named in `FleetReport.lost`, and the iterator ends after it.

        Raises:
            FleetLost, Fenced: as for prepare; also out of the iterator.
        """

    def burden(self) -> Burden:
        """Of all probes so far, from their beginning until they were drained.

        That is more than their reports show, which end with the decision.
        """

    async def release(self) -> None:
        """Stop whatever runs, confirmed by the workers, and let them go. Idempotent.

        Raises:
            FleetLost: not confirmed; the text names who was silent. Their dead man's switch
                stops them.
            Fenced: as for prepare.
        """


class Journal(Protocol):
    """Every event of every run, in order, kept."""

    async def append(self, run: str, event: Event) -> int:
        """Position of the event, growing by run."""

    async def read(self, run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        """Events behind position `after`, oldest first."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One line of the list of runs; times in seconds since 1970, UTC.

    `alive_at` is when a controller last vouched for the run.
    """

    run: str
    name: str
    created_at: float
    alive_at: float
    ended_at: float | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's name for one request, and what the request was (its hash)."""

    key: str
    digest: str


class RunStore(Journal, Protocol):
    """The journal, and which runs there are."""

    async def create(self, run: str, event: RunCreated, key: IdempotencyKey | None = None) -> str:
        """Record a run and its first event; give its id, or the one `key` made before.

        Raises:
            Conflict: `key` was used for another request.
        """

    async def runs(self, *, ended: bool | None = None, limit: int = 200) -> tuple[RunRecord, ...]:
        """The newest runs first; only those that (have not) ended where `ended` is given."""

    async def run(self, run: str) -> RunRecord:
        """One run.

        Raises:
            NotFound: there is none of that id.
        """

    async def keep_alive(self, runs: tuple[str, ...], at: float) -> None:
        """Vouch for `runs` at wall time `at`."""

    async def next_fence(self) -> int:
        """A number higher than any given before, also by other controllers."""


class Artefacts(Protocol):
    """Data that runs need, by the sha256 of its bytes."""

    async def put_artefact(self, sha256: str, data: bytes) -> None:
        """Keep `data`; the same bytes again change nothing.

        Raises:
            TooLarge: over the limit, which the text names.
            Conflict: the bytes have another hash.
        """

    async def artefact(self, sha256: str) -> bytes | None:
        """The bytes, or None."""


class RateAdvisor(Protocol):
    """Somebody outside who proposes rates, for strategy external."""

    async def advise(self, run: str, goal: Goal, consult: Consult) -> Advice:
        """The next rate, within ADVICE_TIMEOUT_S; whatever the advisor did wrong is its fault."""


class Clock(Protocol):
    """Time, real or virtual."""

    def now(self) -> Seconds:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class Signals(Protocol):
    """The target's own metrics, as often as somebody asks."""

    async def read(self) -> Mapping[str, float]:
        """What can be told now, by signal; one that cannot is left out.

        Raises:
            SignalsUnreadable: the target does not tell, with the reason.
        """

    async def close(self) -> None:
        """Let go of what reading needed."""


class SignalsOf(Protocol):
    """Makes the signals of one run."""

    def __call__(self, goal: Goal) -> Signals | None:
        """What the goal asks to watch; None when that is nothing."""


class FleetOf(Protocol):
    """Makes the fleet of one run: the conductor asks for it when the run's turn has come."""

    def __call__(self, run: str, goal: Goal, fence: int) -> Fleet:
        """A fleet bound to the run; nothing is sent before `prepare`."""
