"""How does one run go from preflight to its answer?

    preflight ──► (rest ► offer ► feed until decided ► journal ► observe)… ──► load stopped ──► ended

The only loop that waits. What the search wants next is `propose`'s business; here is what the
world does to it:

    a worker is lost, the bus is gone     the probe is void; the fleet is prepared anew
    no worker is left, or no bus for 30 s the run ends as failed
    an order to abort, a cancellation     the load is stopped first, then the run ends as aborted
    an order to leave                     the load is stopped, the run does not end
    fenced                                nothing more is said or journalled
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from contract.units import Seconds
from controller.errors import Fenced, FleetError, FleetLost, PreflightFailed
from controller.ports import Burden, Clock, Fleet, Journal, RateAdvisor, Signals
from controller.run.bounded import cancel
from controller.run.measuring import Measuring
from controller.run.orders import Order, Orders
from controller.run.readiness import failure_of, loss, prepared, shortfall
from controller.run.sampling import Samples, sampling
from controller.search import features
from controller.search.advice import Advice, Consult
from controller.search.answer import Capacity
from controller.search.capacity import advised, ended, interval, observe, propose
from controller.search.goal import Goal
from controller.search.journal import (
    Advised,
    Event,
    FleetChanged,
    LoadStopped,
    Measured,
    Noted,
    PreflightPassed,
    PreflightStarted,
    ProbeDecided,
    ProbeStarted,
    RunEnded,
    restore,
)
from controller.search.probe import Outcome, Probe, Verdict
from controller.search.signals import source_of
from controller.search.trial import Trial, begin, conclude, decide, feed, void, watch

ABORT_WITHIN_S = 6.0
"""Beyond the time-out of a request: longest wait for the fleet to confirm that nothing runs."""
LEAVE_WITHIN_S = 2.0
"""As ABORT_WITHIN_S, for a controller that is told to go: twice this, then it goes."""

log = logging.getLogger(__name__)


class Left(Exception):
    """The load has stopped and the run is left for a later controller."""


async def conduct(  # noqa: PLR0913 - the ports of a run, each by its name
    run: str,
    goal: Goal,
    *,
    fleet: Fleet,
    journal: Journal,
    clock: Clock,
    orders: Orders | None = None,
    history: tuple[Event, ...] = (),
    signals: Signals | None = None,
    advisor: RateAdvisor | None = None,
) -> Capacity:
    """Bring a run to its end and give its answer; `history` is what is journalled of it so far.

    `signals` are read while it goes on, and closed with it. `advisor` proposes the rates of goals
    whose strategy is external.

    When this is cancelled, the load is stopped and the run ended as aborted before
    CancelledError goes on.

    Raises:
        Fenced: another controller has the run now.
        Left: an order to leave was obeyed.
    """
    source = source_of(goal)
    async with sampling(signals, () if source is None else source.names, clock) as samples:
        conductor = _Conductor(
            run,
            goal,
            fleet=fleet,
            journal=journal,
            clock=clock,
            history=history,
            samples=samples,
            advisor=advisor,
        )
        return await _conducted(conductor, run, orders or Orders())


async def _conducted(conductor: _Conductor, run: str, orders: Orders) -> Capacity:
    work = asyncio.create_task(conductor.work(), name=f"run {run}")
    letter = asyncio.create_task(orders.given(), name=f"orders of {run}")
    cancelled = None
    try:
        await asyncio.wait({work, letter}, return_when=asyncio.FIRST_COMPLETED)
        order = letter.result() if letter.done() and not work.done() else None
    except asyncio.CancelledError as error:
        cancelled, order = error, Order("abort", "aborted: its task was cancelled")
    finally:
        letter.cancel()
    if order is None:
        return await conductor.finish(work)
    capacity = await conductor.interrupt(work, order)
    if cancelled is not None:
        raise cancelled
    return capacity


class _Conductor:
    """One run in progress: its search, its fleet, and what the fleet needs next."""

    def __init__(
        self,
        run: str,
        goal: Goal,
        *,
        fleet: Fleet,
        journal: Journal,
        clock: Clock,
        history: tuple[Event, ...],
        samples: Samples,
        advisor: RateAdvisor | None,
    ) -> None:
        self._run = run
        self._goal = goal
        self._fleet = fleet
        self._journal = journal
        self._clock = clock
        self._samples = samples
        self._advisor = advisor
        self._search = restore(goal, history)
        self._told = Burden()  # by the outcomes of this controller's probes
        self._since = clock.now()
        self._worn: str | None = None  # why the fleet must be prepared anew, None while it is fit

    async def work(self) -> Capacity:
        """Search until there is an answer, or a reason why there is none."""
        try:
            await self._preflight()
            return await self._probe_on()
        except Fenced:
            raise
        except PreflightFailed as error:
            return ended(self._search, "rejected", str(error))
        except FleetError as error:
            return ended(self._search, "failed", str(error))
        except Exception as error:
            log.exception("run %s ended by an internal error", self._run)
            reason = f"internal error: {type(error).__name__}; the controller's log has the details"
            return ended(self._search, "failed", reason)

    async def finish(self, work: asyncio.Task[Capacity]) -> Capacity:
        """Let the fleet go, then journal the answer."""
        bound_s = float(self._goal.workload.timeout_s) + ABORT_WITHIN_S
        try:
            capacity = work.result()
        except Fenced:
            with suppress(Fenced):  # it knows, and says nothing more
                await failure_of(self._run, self._clock, self._fleet.release(), LEAVE_WITHIN_S)
            raise
        await self._stop_load(f"the run ended: {capacity.status}", self._clock.now(), bound_s)
        await self._note(RunEnded(self._clock.wall(), capacity))
        return capacity

    async def interrupt(self, work: asyncio.Task[Capacity], order: Order) -> Capacity:
        """Stop the load in mid-work, then obey the order."""
        ordered_at = self._clock.now()
        leaving = order.kind == "leave"
        bound_s = LEAVE_WITHIN_S
        if not leaving:
            bound_s = float(self._goal.workload.timeout_s) + ABORT_WITHIN_S
        await cancel(self._clock, work, bound_s)
        if work.done() and not work.cancelled() and work.exception() is not None:
            return await self.finish(work)  # fenced meanwhile
        await self._stop_load(order.reason, ordered_at, bound_s)
        if leaving:
            raise Left(order.reason)
        capacity = ended(self._search, "aborted", order.reason)
        await self._note(RunEnded(self._clock.wall(), capacity))
        return capacity

    async def _preflight(self) -> None:
        await self._note(PreflightStarted(self._clock.wall()))
        readiness = await prepared(self._fleet, self._clock, ask_target=True)
        warnings = (*readiness.warnings, *shortfall(self._goal, readiness))
        warnings = (*warnings, *features.warnings(self._goal.features))
        passed = PreflightPassed(
            self._clock.wall(), readiness.workers, readiness.rate_per_s, warnings
        )
        await self._note(passed)
        self._since = self._clock.now()

    async def _probe_on(self) -> Capacity:
        while not isinstance(step := propose(self._search), Capacity):
            if isinstance(step, Consult):
                await self._consult(step)
                continue
            if self._worn is not None:
                await self._renew(self._worn)
            await self._clock.sleep(float(step.rest_s))
            outcome = await self._measure(step)
            await self._decided(outcome)
        return step

    async def _consult(self, consult: Consult) -> None:
        """Ask the advisor and journal what it answered; nothing is sent to the target meanwhile."""
        advice = Advice(fault="cannot be asked: this controller was given none to ask with")
        if self._advisor is not None:
            advice = await self._advisor.advise(self._run, self._goal, consult)
        now = self._clock.now()
        seconds, self._since = Seconds(now - self._since), now
        self._search = advised(self._search, advice, seconds)
        await self._note(Advised(self._clock.wall(), consult.number, advice, seconds))

    async def _measure(self, probe: Probe) -> Outcome:
        """Offer the probe until it is decided; the load has stopped when this returns."""
        await self._note(ProbeStarted(self._clock.wall(), probe))
        trial = begin(self._search, probe)
        measuring = Measuring(probe.number, self._goal.objectives)
        outcome: Outcome | None = None
        try:
            async with self._fleet.offer(probe) as reports:
                async for report in reports:
                    if (measured := measuring.add(report, self._clock.wall())) is not None:
                        trial = await self._watched(trial, measured)
                    trial = feed(trial, report)
                    if report.lost:
                        self._worn = f"lost {', '.join(report.lost)} in probe {probe.number}"
                        outcome = void(trial, loss(report))
                        break
                    if (outcome := decide(trial)) is not None:
                        break
        except FleetLost as error:
            if _is_cancelled():
                raise asyncio.CancelledError from error
            self._worn = str(error)
            if outcome is None:
                outcome = void(trial, f"the fleet was lost in mid-probe: {error}")
        return conclude(trial) if outcome is None else outcome

    async def _watched(self, trial: Trial, measured: Measured) -> Trial:
        """Journal a window with what the target said of itself meanwhile."""
        trial, measured = watch(trial, replace(measured, signals=self._samples.take()))
        await self._note(measured)
        if complaint := self._samples.complaint():
            await self._note(Noted(measured.at, complaint))
        return trial

    async def _decided(self, outcome: Outcome) -> None:
        now = self._clock.now()
        outcome = replace(outcome, seconds=Seconds(now - self._since))
        self._since = now
        self._search = observe(self._search, outcome)
        self._told += Burden(outcome.requests, outcome.bad_requests)
        if outcome.verdict is Verdict.VOID and self._worn is None:
            self._worn = f"probe {outcome.probe.number} was void"
        known = interval(self._search)
        await self._note(
            ProbeDecided(
                self._clock.wall(),
                outcome,
                None if known is None else known.estimate,
                None if known is None else known.low,
                None if known is None else known.high,
            )
        )

    async def _renew(self, why: str) -> None:
        """Prepare whoever is there by now: one worker fewer, or some more."""
        self._worn = None
        try:
            # Whether the target answers is for the next probe to measure.
            readiness = await prepared(self._fleet, self._clock, ask_target=False)
        except PreflightFailed as error:
            raise FleetLost(f"{why}, and could not be prepared anew: {error}") from error
        note = f"prepared anew: {why}"
        await self._note(FleetChanged(self._clock.wall(), readiness.workers, note))

    async def _stop_load(self, reason: str, since: Seconds, bound_s: float) -> None:
        """Release the fleet and journal what it said. `since` is when the stop was wanted."""
        failure = await failure_of(self._run, self._clock, self._fleet.release(), bound_s)
        seconds = Seconds(self._clock.now() - since)
        note = reason if failure is None else f"{reason}; not confirmed: {failure}"
        late = self._fleet.burden().beyond(self._told)
        stopped = LoadStopped(
            self._clock.wall(), failure is None, seconds, note, late.requests, late.bad_requests
        )
        await self._note(stopped)

    async def _note(self, event: Event) -> None:
        await self._journal.append(self._run, event)


def _is_cancelled() -> bool:
    """Whether this task was told to stop, and cleaning up has hidden it behind another error."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
