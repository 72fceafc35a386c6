"""Which runs are there, whose turn is it, and what becomes of them when the controller goes?

queued ──► conducted, in order, several at once where the fleet carries them ──► ended
  abort: a queued run ends at once, a conducted one when its load has stopped
  shutdown: the load stops, the run does not end
  start: runs that were not ended resume, or end as aborted when the gap was too long;
         those for which somebody still vouches belong to another controller
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator

from controller.errors import Conflict, Fenced
from controller.ports import (
    Clock,
    FleetOf,
    IdempotencyKey,
    RateAdvisor,
    RunRecord,
    RunStore,
    SignalsOf,
)
from controller.run.conductor import Left, conduct
from controller.run.ids import new_id
from controller.run.live import LiveRun, Update
from controller.run.orders import Orders
from controller.run.others import OthersRuns
from controller.run.placement import Wish
from controller.run.queue import RunQueue, Turns
from controller.run.takeover import refusal, rounded, unpaid_s
from controller.run.vouching import Vouching
from controller.search.answer import Capacity
from controller.search.goal import Goal
from controller.search.journal import (
    Event,
    PreflightStarted,
    Resumed,
    RunCreated,
    RunEnded,
)
from controller.search.view import RunView, view_of

LEAVE_WITHIN_S = 8.0
"""Longest wait for a conductor that was told to leave, which is bounded below this itself."""
VIEWS_KEPT = 32

log = logging.getLogger(__name__)


class Registry:
    """Every run this controller knows.

        await start()                              resume or end what was left, then serve the queue
        await create(document, goal, key) -> id    queue a run
        await runs() -> tuple[RunRecord, …]        newest first
        await view(run) -> RunView
        await events(run, after) -> tuple[(position, Event), …]
        watch(run, after) -> AsyncIterator[Update]
        ahead(run) -> int | None                   runs before it, in the queue or in progress
        wishes() -> tuple[Wish, …]                 what each run asks of the fleet, in order
        await abort(run, reason)
        await shutdown()

    Methods that name a run raise NotFound when there is none. `turns` says how runs
    share the fleet; without it they take turns.
    """

    def __init__(
        self,
        *,
        store: RunStore,
        fleet_of: FleetOf,
        clock: Clock,
        versions: tuple[tuple[str, str], ...] = (),
        signals_of: SignalsOf = lambda _: None,
        advisor: RateAdvisor | None = None,
        turns: Turns = Turns(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store
        self._advisor = advisor
        self._fleet_of = fleet_of
        self._clock = clock
        self._versions = versions
        self._signals_of = signals_of
        self._live: dict[str, LiveRun] = {}
        self._ended: OrderedDict[str, RunView] = OrderedDict()
        self._queue = RunQueue(self._in_turn, self._goal_of, turns, clock)
        self._vouching = Vouching(store, clock, lambda: tuple(self._live))
        self._others = OthersRuns(store, clock, self._take_over)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Resume or end the runs a former controller left, and begin to serve the queue.

        Those that may have a controller yet are watched for LOOK_AGAIN_S, and so is the queue
        held up, after this has returned.
        """
        await self._others.start()
        self._serving = asyncio.create_task(self._serve(), name="run queue")

    async def create(self, document: str, goal: Goal, key: str | None = None) -> str:
        """Queue a run of `goal`; its id, or that of the run which `key` made before.

        `document` is the goal as it was given, canonical JSON text.

        Raises:
            Conflict: `key` was used for another document.
        """
        run = new_id(self._clock.wall())
        event = RunCreated(self._clock.wall(), goal, document, self._versions)
        digest = hashlib.sha256(document.encode()).hexdigest()
        kept = await self._store.create(run, event, IdempotencyKey(key, digest) if key else None)
        if kept == run:
            await self._enqueue(run)
        return kept

    async def runs(self, *, ended: bool | None = None, limit: int = 200) -> tuple[RunRecord, ...]:
        """Runs, newest first."""
        return await self._store.runs(ended=ended, limit=limit)

    async def view(self, run: str) -> RunView:
        """The whole run as people see it."""
        live = self._live.get(run)
        if live is not None:
            return live.view
        if run not in self._ended:
            view = view_of(run, (event for _, event in await self.events(run)))
            if view.state != "ended":
                return view
            self._keep(view)
        self._ended.move_to_end(run)
        return self._ended[run]

    async def events(self, run: str, after: int = 0) -> tuple[tuple[int, Event], ...]:
        """The journal of a run behind position `after`."""
        await self._store.run(run)
        return await self._store.read(run, after)

    async def watch(self, run: str, after: int = 0) -> AsyncIterator[Update]:
        """The run now, then whenever it changed, until it ends or the controller goes down."""
        live = self._live.get(run)
        if live is None:
            history = await self.events(run)
            view = view_of(run, (event for _, event in history))
            position = history[-1][0] if history else 0
            if run in self._ended:  # the journal may lack its end
                position, view = position + (view.state != "ended"), self._ended[run]
            yield Update(position, view, tuple(item for item in history if item[0] > after))
            if run not in self._others:
                return
            await self._others.looked.wait()
            live, after = self._live.get(run), position
            if live is None:
                return
        async for update in live.watch(after):
            yield update

    def ahead(self, run: str) -> int | None:
        """How many runs come before this queued one; None when it is not queued."""
        return self._queue.ahead(run)

    def wishes(self) -> tuple[Wish, ...]:
        """What each run asks of the fleet: those in progress, then the queue."""
        return self._queue.wishes()

    async def abort(self, run: str, reason: str = "aborted by a person") -> None:
        """End a run: at once when queued, else as soon as its load has stopped.

        Returns without waiting for that; `watch` shows it.

        Raises:
            Conflict: it has ended already.
        """
        if run in self._others:
            await self._others.looked.wait()
        orders = self._queue.orders(run)
        if self._queue.remove(run):
            await self._end(run, Capacity("aborted", f"{reason}, before it began"))
        elif orders is not None and (await self.view(run)).state != "ended":
            orders.abort(reason)
        else:
            record = await self._store.run(run)
            if record.ended_at is None and run in self._ended:  # its journal lacks the end
                raise Conflict(f"run {run!r} has ended")
            raise Conflict(
                f"run {run!r} has ended as {record.status}"
                if record.ended_at is not None
                else f"run {run!r} is conducted by another controller: abort it there"
            )

    async def shutdown(self) -> None:
        """Stop the load and let go of all runs; they resume with the next controller."""
        await self._others.close()
        await self._queue.close("the controller was told to stop", LEAVE_WITHIN_S)
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        await self._vouching.once()
        for live in self._live.values():
            live.close()
        self._live.clear()

    async def _take_over(self, record: RunRecord) -> None:
        live = self._live[record.run] = LiveRun(record.run, self._store, self._clock)
        try:
            history = await live.load()
        except ValueError:  # the journal of another version must not keep us from starting
            log.exception("the journal of run %s cannot be read", record.run)
            reason = "this version cannot read the run's journal; the controller's log has more"
            await self._end(record.run, Capacity("failed", reason))
            return
        now = self._clock.wall()
        gone_s = max(0.0, now - max(record.alive_at, live.view.last_at or 0.0))
        refused = refusal(history, live.view, gone_s, now)
        if refused is not None:
            await self._end(record.run, Capacity("aborted", refused))
            return
        if any(isinstance(event, PreflightStarted) for event in history):
            note = f"a controller took the run over after {rounded(gone_s)}; warm-up is repeated"
            await live.append(record.run, Resumed(now, note, unpaid_s(history, now)))
        self._queue.add(record.run)
        self._queue.sort(key=lambda name: self._live[name].view.created_at or 0.0)

    async def _enqueue(self, run: str) -> None:
        live = self._live[run] = LiveRun(run, self._store, self._clock)
        await live.load()
        self._queue.add(run)

    async def _serve(self) -> None:
        """Conduct runs, once it is known which are ours."""
        await self._others.looked.wait()
        await self._queue.serve()

    def _goal_of(self, run: str) -> Goal:
        goal = self._live[run].view.goal
        assert goal is not None
        return goal

    async def _in_turn(self, run: str, orders: Orders) -> None:
        async with self._vouching.kept_up():
            await self._conduct(run, orders)

    async def _conduct(self, run: str, orders: Orders) -> None:
        live, goal = self._live[run], self._goal_of(run)
        try:
            history = tuple(event for _, event in await live.read(run))
            fleet = self._fleet_of(run, goal, await self._store.next_fence())
            await conduct(
                run,
                goal,
                fleet=fleet,
                journal=live,
                clock=self._clock,
                orders=orders,
                history=history,
                signals=self._signals_of(goal),
                advisor=self._advisor,
            )
            self._settle(run)
        except Fenced:
            log.warning("run %s was taken over by another controller", run)
            self._live.pop(run).close()
        except Left:
            log.info("run %s is left for the next controller", run)
        except Exception:
            log.exception("run %s could not be conducted", run)
            reason = "internal error: the controller could not conduct it; see its log"
            await self._end(run, Capacity("failed", reason))

    async def _end(self, run: str, capacity: Capacity) -> None:
        live = self._live[run]
        if live.view.state != "ended":
            await live.append(run, RunEnded(self._clock.wall(), capacity))
        self._settle(run)

    def _settle(self, run: str) -> None:
        live = self._live.pop(run)
        live.close()
        if live.view.state == "ended":
            self._keep(live.view)

    def _keep(self, view: RunView) -> None:
        self._ended[view.run] = view
        while len(self._ended) > VIEWS_KEPT:
            self._ended.popitem(last=False)
