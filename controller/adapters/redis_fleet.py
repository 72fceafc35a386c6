"""How do workers offer the load of one run together, told and heard through Redis?

    prepare   choose who is there ► Prepare ► Ready of each          beats from here to release
    offer     Plan, its epoch LEAD_S ahead ► merged reports ► Stop(probe) ► Drained of each
    release   Stop(run) ► Drained of each

A worker that is silent for 3 s, restarts or stops by itself is lost.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from contract.codec import Packed
from contract.messages import Drained, Ready, Stop
from contract.packed import PackedReport
from contract.report import FleetReport
from contract.shares import shares_for
from controller.adapters.choosing import LOOK_EVERY_S, Choosing, Everybody
from controller.adapters.control_link import ControlLink, Seen
from controller.adapters.conversation import Conversation
from controller.adapters.leases import Leases
from controller.adapters.merge import Merge
from controller.adapters.plans import Speech, readiness
from controller.errors import FleetError, FleetLost, NoWorkers, PreflightFailed
from controller.ports import Artefacts, Burden, Clock, Readiness, Staffing
from controller.search.goal import Goal
from controller.search.probe import Probe

LEAD_S, LEAD_A_WORKER_S = 0.6, 100e-6
"""From publishing a plan to its epoch: workers must have it before."""
READY_WITHIN_S = 30.0
DRAIN_GRACE_S = 5.0
"""Beyond the time-out of a request: longest wait for workers to be drained."""
UNUSED_RELEASE_S = 3.0
"""Longest wait for workers to let go of a run that never offered load."""
FRESH_S = 2.5
"""A worker that was lost is there again when its hello is newer than this."""
ATTEMPTS = 3

log = logging.getLogger(__name__)


class RedisFleetOf:
    """Makes the fleet of a run on one Redis; without `staffing` it takes everybody who is free."""

    def __init__(
        self,
        link: ControlLink,
        artefacts: Artefacts,
        clock: Clock,
        staffing: Staffing | None = None,
    ) -> None:
        self._link = link
        self._artefacts = artefacts
        self._clock = clock
        self._staffing = staffing or Everybody()

    def __call__(self, run: str, goal: Goal, fence: int) -> RedisFleet:
        """A fleet bound to the run; nothing is sent before `prepare`."""
        speech, talk = Speech(run, goal, fence), Conversation(run, fence, self._link, self._clock)
        choosing = Choosing(
            run,
            goal,
            talk,
            self._link,
            leases=Leases(run, fence, self._link, self._clock),
            staffing=self._staffing,
            clock=self._clock,
        )
        return RedisFleet(
            speech, talk, choosing, self._link, artefacts=self._artefacts, clock=self._clock
        )


class RedisFleet:
    """The workers of one run, as the Fleet port has them."""

    def __init__(
        self,
        speech: Speech,
        talk: Conversation,
        choosing: Choosing,
        link: ControlLink,
        *,
        artefacts: Artefacts,
        clock: Clock,
    ) -> None:
        self._speech = speech
        self._run = speech.run
        self._goal = speech.goal
        self._link = link
        self._artefacts = artefacts
        self._clock = clock
        self._talk = talk
        self._choosing = choosing
        self._boots: dict[str, str] = {}  # the prepared workers, in the order of the plan
        self._weights: tuple[int, ...] = ()  # theirs
        self._lost: set[tuple[str, str]] = set()  # (worker, boot)
        self._offered = False
        self._went_well = False  # the latest probe, as far as the workers are concerned
        self._borne = Burden()

    async def prepare(self, *, ask_target: bool = True) -> Readiness:
        """Have every live worker load the user and, if asked to, one of them ask the target."""
        await self._link.sweep()
        await self._put_artefacts()
        if self._went_well:  # then it is prepared anew because the probe was void
            self._choosing.strained()
        self._went_well, patiently = False, not self._offered
        self._choosing.begin()
        for attempt in range(1, ATTEMPTS + 1):
            expected = [worker for worker in self._boots if not self._is_lost(worker)]
            chosen = await self._choosing.choose(expected, self._is_alive, patiently=patiently)
            former, self._boots = self._boots, {s.hello.worker: s.hello.boot for s in chosen}
            await self._talk.begin(len(self._boots))
            if left_out := tuple(worker for worker in former if worker not in self._boots):
                reason = "other workers send the load"
                await self._talk.insist(Stop(self._run, self._speech.fence, left_out, None, reason))
            await self._talk.tell(self._speech.prepare(tuple(self._boots), ask_target=ask_target))
            answers = await self._readies()
            if answers is None:
                continue
            self._lost -= set(self._boots.items())
            self._weights = shares_for([answer.rate_per_s for answer in answers])
            self._choosing.learn(chosen, answers)
            if attempt == ATTEMPTS or not await self._choosing.may_grow(
                chosen, self._is_alive, patiently=patiently
            ):
                ready = readiness(answers, self._goal.workload)
                return replace(ready, warnings=(*self._choosing.warnings, *ready.warnings))
        raise NoWorkers(f"workers came and went {ATTEMPTS} times while they were prepared")

    @asynccontextmanager
    async def offer(self, probe: Probe) -> AsyncIterator[AsyncIterator[FleetReport]]:
        """Start `probe` on every prepared worker and yield merged reports, oldest first."""
        if not self._boots:
            raise FleetLost("no worker is prepared")
        lead_s = LEAD_S + LEAD_A_WORKER_S * len(self._boots)
        epoch_us = await self._link.time_us() + round(lead_s * 1e6)
        plan = self._speech.plan(probe, tuple(self._boots), epoch_us, self._weights)
        merge = Merge(plan, self._boots, self._clock.now() + lead_s)
        self._offered = True
        reports = self._reports(merge)
        try:
            await self._talk.tell(plan)
            yield reports
        except BaseException:
            await reports.aclose()
            with contextlib.suppress(FleetError):
                await self._stop(merge, probe)
            raise
        else:
            await reports.aclose()
            await self._stop(merge, probe)
            self._went_well = True
        finally:
            self._borne += merge.burden

    def burden(self) -> Burden:
        """Of all probes that have ended, as far as the workers told."""
        return self._borne

    async def release(self) -> None:
        """Stop whatever runs, confirmed by the workers, and let them go. Idempotent."""
        confirmed = False
        try:
            if self._talk.open and not self._talk.fenced:
                await self._let_go()
            confirmed = True
        finally:  # workers that did not confirm are ours until their dead man's switch has acted
            await self._talk.end()
            await self._choosing.end(give_back=confirmed)
            self._boots = {}

    async def _put_artefacts(self) -> None:
        for field, sha256 in self._goal.artefacts:
            data = await self._artefacts.artefact(sha256)
            if data is None:
                raise PreflightFailed(f"{field}: no artefact {sha256}: upload it first")
            await self._link.put_artefact(data)

    def _is_lost(self, worker: str) -> bool:
        return (worker, self._boots[worker]) in self._lost

    def _is_alive(self, seen: Seen) -> bool:
        return (seen.hello.worker, seen.hello.boot) not in self._lost or seen.age_s < FRESH_S

    async def _readies(self) -> tuple[Ready, ...] | None:
        """The answer of every chosen worker; None when one of them went away meanwhile."""
        answers: dict[str, Ready] = {}
        give_up_at = self._clock.now() + READY_WITHIN_S
        look_at = self._clock.now() + LOOK_EVERY_S
        while missing := [worker for worker in self._boots if worker not in answers]:
            for message in await self._talk.receive():
                if isinstance(message, Ready) and self._is_ours(message):
                    if message.error is not None:
                        raise PreflightFailed(f"worker {message.worker}: {message.error}")
                    answers[message.worker] = message
            now = self._clock.now()
            if now >= look_at:
                look_at = now + LOOK_EVERY_S
                if gone := await self._talk.gone(missing, self._boots):
                    log.warning("run %s: %s went away in preflight", self._run, ", ".join(gone))
                    return None
            if now >= give_up_at:
                raise PreflightFailed(
                    f"worker {', '.join(missing)} did not say within {READY_WITHIN_S:.0f} s that "
                    "it is ready; its log says more"
                )
        return tuple(answers[worker] for worker in self._boots)

    async def _reports(self, merge: Merge) -> AsyncGenerator[FleetReport, None]:
        while True:
            self._feed(merge, await self._talk.receive())
            while (report := merge.pop(self._clock.now())) is not None:
                yield report
                if report.lost:
                    return
            if merge.is_done():
                return

    async def _stop(self, merge: Merge, probe: Probe) -> None:
        """Stop the probe and wait until it is drained.

        The order goes out even while this task is cancelled; the wait may be cut short.

        Raises:
            FleetLost: it could not be said, or a worker did not confirm it.
        """
        merge.stop()
        if merge.draining or merge.lost:
            await self._talk.insist(self._order(probe.number, f"probe {probe.number} is over"))
        bound_s = float(self._goal.workload.timeout_s) + DRAIN_GRACE_S
        give_up_at = self._clock.now() + bound_s
        look_at = self._clock.now() + LOOK_EVERY_S
        while merge.draining and self._clock.now() < give_up_at:
            self._feed(merge, await self._talk.receive())
            if self._clock.now() >= look_at:
                look_at = self._clock.now() + LOOK_EVERY_S
                for worker in await self._talk.gone(merge.draining, self._boots):
                    merge.lose(worker, "went away while it drained")
        for worker in merge.draining:
            merge.lose(worker, f"was not drained within {bound_s:g} s")
        self._mark(merge)
        if merge.lost:
            raise FleetLost("; ".join(f"worker {w} {how}" for w, how in merge.lost.items()))

    def _feed(self, merge: Merge, messages: tuple[Packed, ...]) -> None:
        for message in messages:
            if isinstance(message, PackedReport | Drained):
                merge.take(message, self._clock.now())
        self._mark(merge)

    def _mark(self, merge: Merge) -> None:
        for worker, how in merge.lost.items():
            if not self._is_lost(worker):
                self._lost.add((worker, self._boots[worker]))
                log.warning("run %s: worker %s is lost: it %s", self._run, worker, how)

    async def _let_go(self) -> None:
        waiting = [worker for worker in self._boots if not self._is_lost(worker)]
        await self._talk.insist(self._order(None, "the run is over"))
        bound_s = UNUSED_RELEASE_S
        if self._offered:
            bound_s = float(self._goal.workload.timeout_s) + DRAIN_GRACE_S
        give_up_at = self._clock.now() + bound_s
        look_at = self._clock.now() + LOOK_EVERY_S
        gone: tuple[str, ...] = ()
        while set(waiting) - set(gone) and self._clock.now() < give_up_at:
            for message in await self._talk.receive():
                if isinstance(message, Drained) and self._is_over(message):
                    waiting = [worker for worker in waiting if worker != message.worker]
            if self._clock.now() >= look_at:
                look_at = self._clock.now() + LOOK_EVERY_S
                gone = await self._talk.gone(waiting, self._boots)
        await self._link.forget(self._run, *(sha256 for _, sha256 in self._goal.artefacts))
        if waiting:
            raise FleetLost(f"worker {', '.join(waiting)} did not say that nothing runs")

    def _is_over(self, message: Drained) -> bool:
        return message.probe is None and self._is_ours(message)

    def _is_ours(self, message: Ready | Drained) -> bool:
        return (
            message.run == self._run
            and message.fence == self._speech.fence
            and self._boots.get(message.worker) == message.boot
        )

    def _order(self, probe: int | None, reason: str) -> Stop:
        return Stop(self._run, self._speech.fence, tuple(self._boots), probe, reason)
