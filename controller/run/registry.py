"""Which runs are there, whose turn is it, and what becomes of them when the controller goes?

queued ──► conducted, one at a time ──► ended
  abort: a queued run ends at once, a conducted one when its load has stopped
  shutdown: the load stops, the run does not end
  start: runs that were not ended resume, or end as aborted when the gap was too long;
         those for which somebody still vouches belong to another controller
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
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
from controller.run.live import LiveRun, Update
from controller.run.orders import Orders
from controller.run.takeover import refusal, rounded, unpaid_s
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

VOUCH_EVERY_S = 2.0
"""How often `alive_at` of runs not ended is renewed."""
FORSAKEN_S = 15.0
"""A run for which nobody vouched for this long has no controller."""
LOOK_AGAIN_S = 5.0
"""At the start a run is also ours when nobody vouched for it while we watched for so long."""
LEAVE_WITHIN_S = 8.0
"""Longest wait for a conductor that was told to leave, which is bounded below this itself."""
VIEWS_KEPT = 32

log = logging.getLogger(__name__)
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: sorts like the numbers, no i l o u


class Registry:
    """Every run this controller knows.

        await start()                              resume or end what was left, then serve the queue
        await create(document, goal, key) -> id    queue a run
        await runs() -> tuple[RunRecord, …]        newest first
        await view(run) -> RunView
        await events(run, after) -> tuple[(position, Event), …]
        watch(run, after) -> AsyncIterator[Update]
        ahead(run) -> int | None                   runs before it in the queue
        await abort(run, reason)
        await shutdown()

    Methods that name a run raise NotFound when there is none.
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
    ) -> None:
        self._store = store
        self._advisor = advisor
        self._fleet_of = fleet_of
        self._clock = clock
        self._versions = versions
        self._signals_of = signals_of
        self._live: dict[str, LiveRun] = {}
        self._ended: OrderedDict[str, RunView] = OrderedDict()
        self._queue: list[str] = []
        self._orders: dict[str, Orders] = {}
        self._wake = asyncio.Event()
        self._left: dict[str, RunRecord] = {}  # runs that may be another controller's
        self._looked = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Resume or end the runs a former controller left, and begin to serve the queue.

        Those that may have a controller yet are watched for LOOK_AGAIN_S, and so is the queue
        held up, after this has returned.
        """
        left = await self._store.runs(ended=False, limit=10_000)
        now = self._clock.wall()
        for record in sorted(left, key=lambda r: (r.created_at, r.run)):
            if now - record.alive_at > FORSAKEN_S:
                await self._take_over(record)
            else:
                self._left[record.run] = record
        if self._left:
            self._looking = asyncio.create_task(self._look_again(), name="runs of others")
        else:
            self._looked.set()
        self._serving = asyncio.create_task(self._serve(), name="run queue")
        self._wake.set()

    async def create(self, document: str, goal: Goal, key: str | None = None) -> str:
        """Queue a run of `goal`; its id, or that of the run which `key` made before.

        `document` is the goal as it was given, canonical JSON text.

        Raises:
            Conflict: `key` was used for another document.
        """
        run = _new_id(self._clock.wall())
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
            if run not in self._left:
                return
            await self._looked.wait()
            live, after = self._live.get(run), position
            if live is None:
                return
        async for update in live.watch(after):
            yield update

    def ahead(self, run: str) -> int | None:
        """How many runs come before this queued one; None when it is not queued."""
        if run not in self._queue:
            return None
        return self._queue.index(run) + len(self._orders)

    async def abort(self, run: str, reason: str = "aborted by a person") -> None:
        """End a run: at once when queued, else as soon as its load has stopped.

        Returns without waiting for that; `watch` shows it.

        Raises:
            Conflict: it has ended already.
        """
        if run in self._left:
            await self._looked.wait()
        if run in self._queue:
            self._queue.remove(run)
            await self._end(run, Capacity("aborted", f"{reason}, before it began"))
        elif run in self._orders and (await self.view(run)).state != "ended":
            self._orders[run].abort(reason)
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
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._left.clear()
        self._looked.set()
        serving, self._serving = self._serving, None
        for orders in self._orders.values():
            orders.leave("the controller was told to stop")
        if serving is not None:
            self._queue.clear()
            self._wake.set()
            await asyncio.wait({serving}, timeout=LEAVE_WITHIN_S)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        await self._store.keep_alive(tuple(self._live), self._clock.wall())
        for live in self._live.values():
            live.close()
        self._live.clear()

    async def _look_again(self) -> None:
        """Take over what nobody vouches for, at first after a short look, then after long ones."""
        wait_s = LOOK_AGAIN_S
        while self._left:
            await self._clock.sleep(wait_s)
            wait_s = FORSAKEN_S
            try:
                await self._look()
            except Exception:
                log.exception("could not look at the runs of other controllers")
            self._looked.set()
            self._wake.set()

    async def _look(self) -> None:
        for run, before in tuple(self._left.items()):
            record = await self._store.run(run)
            if record.ended_at is None and record.alive_at != before.alive_at:
                log.info("run %s has another controller", run)
                self._left[run] = record
                continue
            if record.ended_at is None:
                await self._take_over(record)
            del self._left[run]

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
        self._queue.append(record.run)
        self._queue.sort(key=lambda name: self._live[name].view.created_at or 0.0)

    async def _enqueue(self, run: str) -> None:
        live = self._live[run] = LiveRun(run, self._store, self._clock)
        await live.load()
        self._queue.append(run)
        self._wake.set()

    async def _serve(self) -> None:
        """Conduct one run after the other: all workers belong to one run at a time."""
        await self._looked.wait()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                run = self._queue.pop(0)
                orders = self._orders[run] = Orders()
                vouching = asyncio.create_task(self._vouch(), name="vouch for runs")
                try:
                    await self._conduct(run, orders)
                finally:
                    vouching.cancel()
                    await asyncio.gather(vouching, return_exceptions=True)
                    self._orders.pop(run, None)
            if self._serving is None:
                return

    async def _conduct(self, run: str, orders: Orders) -> None:
        live = self._live[run]
        goal = live.view.goal
        assert goal is not None
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

    async def _vouch(self) -> None:
        """Say every other second that the runs not ended have a controller."""
        while True:
            try:
                await self._store.keep_alive(tuple(self._live), self._clock.wall())
            except Exception:
                log.exception("could not vouch for the runs")
            await self._clock.sleep(VOUCH_EVERY_S)


def _new_id(wall_s: float) -> str:
    """Sorts by the second: seven digits of time (until 3058), a dash, four of chance."""
    number, digits = int(wall_s), []
    for _ in range(7):
        number, digit = divmod(number, 32)
        digits.append(_DIGITS[digit])
    chance = "".join(secrets.choice(_DIGITS) for _ in range(4))
    return f"{''.join(reversed(digits))}-{chance}"
