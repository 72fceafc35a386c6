"""What does a worker do about each message, and what does it do when none comes any more?

    idle ──Prepare──► preparing ──► prepared ──Plan──► running ──► drained, prepared again
      ▲                                 │                 │
      └────────── Stop(None), no beat ──┴─────────────────┘

`obey` and `tick` never wait for the network or for users. What takes long, preparing and letting
go, has a greenlet of its own; there is one such at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import gevent

from contract.codec import Message
from contract.messages import DEAD_MAN_S, Drained, Plan, Prepare, Stop
from contract.report import Health, Ledger, Report
from workers.clock import NS_PER_S, Now, RedisClock, monotonic_ns
from workers.gate import Gate
from workers.outbox import Reply
from workers.preparation import Loader, Preparer, judge_of
from workers.probe import Identity, RunningProbe, refusal, refused

FORSAKEN_NS = 150 * NS_PER_S
"""A prepared run without a beat for this long is let go: nobody may resume it any more."""
FENCES_KEPT = 100

log = logging.getLogger(__name__)


class Bus(Protocol):
    """What the agent needs of `workers.link.Link`."""

    @property
    def beat_ns(self) -> int: ...

    def send(self, reply: Reply) -> None: ...

    def watch(self, run: str | None, position: int = 0, workers: int = 1) -> None: ...


class Watch(Protocol):
    """Who says how the process is, and has to know when there is a probe."""

    def read(self) -> Health: ...

    def begin(self) -> None: ...

    def rest(self) -> None: ...


class Agent:
    """The state of one worker. `health` is asked for every report."""

    def __init__(
        self,
        identity: Identity,
        bus: Bus,
        clock: RedisClock,
        gate: Gate,
        engine: Loader,
        *,
        preparer: Preparer,
        health: Watch,
        now: Now = monotonic_ns,
    ) -> None:
        self._identity = identity
        self._bus = bus
        self._clock = clock
        self._gate = gate
        self._engine = engine
        self._preparer = preparer
        self._health = health
        self._now = now
        self._fences: dict[str, int] = {}
        self._run: Prepare | None = None
        self._is_ready = False
        self._probe: RunningProbe | None = None
        self._next: Plan | None = None
        self._last: Drained | None = None
        self._ending: tuple[Stop | None, str] | None = None
        self._totals = Ledger()
        self._seen_ns = 0
        self._work: gevent.Greenlet[..., None] | None = None
        self._note: str | None = None

    @property
    def run(self) -> str | None:
        return self._run.run if self._run is not None else None

    @property
    def probe(self) -> int | None:
        return self._probe.plan.probe if self._probe is not None else None

    @property
    def is_busy(self) -> bool:
        """Something is going on that wants `tick` soon."""
        return self._probe is not None or self._ending is not None

    def obey(self, message: Message) -> None:
        """Do what a control message says, if this worker is named and its fence stands."""
        if not isinstance(message, Prepare | Plan | Stop):
            return
        if self._identity.worker not in message.workers:
            return
        if message.fence < self._fences.get(message.run, 0):
            log.warning("run %s: fence %d is too low, ignored", message.run, message.fence)
            return
        self._fences.pop(message.run, None)
        self._fences[message.run] = message.fence
        if len(self._fences) > FENCES_KEPT:
            del self._fences[next(iter(self._fences))]
        if isinstance(message, Prepare):
            self._prepare(message)
        elif isinstance(message, Plan):
            self._plan(message)
        else:
            self._stop(message)

    def tick(self) -> None:
        """Look after time: reports, time-outs, the beat, and ends; call it every 20 ms or so."""
        now_ns = self._now()
        beat_ns = max(self._bus.beat_ns, self._seen_ns)
        probe = self._probe
        if probe is not None:
            probe.renew(beat_ns)
            silent_s = (now_ns - beat_ns) / NS_PER_S
            if silent_s > DEAD_MAN_S and self._ending is None:
                self._note = f"no beat of the controller for {DEAD_MAN_S:g} s"
                self._end(None, self._note)
            probe.tick()
            if probe.report_due and not probe.drained:
                self._tell(probe.report(self._read_health()))
            if probe.drained:
                self._conclude(probe)
        else:
            self._health.rest()
        if probe is None and self._is_forsaken(now_ns - beat_ns):
            self._end(None, f"no beat of the controller for {FORSAKEN_NS / NS_PER_S:g} s")
        if self._ending is not None and self._probe is None:
            self._let_go()

    def shut_down(self, reason: str) -> None:
        """End the load now; what is in flight counts as failed."""
        if self._work is not None:
            self._work.kill(block=False)
        if self._probe is not None:
            self._abandon(self._probe, reason)

    def _prepare(self, message: Prepare) -> None:
        if self.run not in (None, message.run) and self._is_watched():
            ready = self._preparer.refuse(message, f"the worker is busy with run {self.run}")
            self._bus.send(ready)
            return
        if self._probe is not None:
            self._abandon(self._probe, "the run is prepared anew")
        if self._run is None or self._run.run != message.run:
            self._totals = Ledger()
        self._run, self._is_ready = message, False
        self._ending = self._next = self._last = self._note = None
        self._seen_ns = self._now()
        place = message.workers.index(self._identity.worker)
        self._bus.watch(message.run, place, len(message.workers))
        self._start(self._prepare_now, message)

    def _prepare_now(self, message: Prepare) -> None:
        ready = self._preparer.prepare(message)
        self._is_ready = ready.error is None
        self._seen_ns = self._now()
        if not self._is_ready:
            self._forget()
        self._bus.send(ready)

    def _plan(self, plan: Plan) -> None:
        if self._probe is not None and self._probe.plan.probe == plan.probe:
            return  # said twice
        reason = self._objection(plan)
        if reason is not None:
            log.warning("run %s probe %d: %s", plan.run, plan.probe, reason)
            self._bus.send(refused(plan, self._identity, reason))
        elif self._probe is not None:
            self._probe.stop("the next plan came")
            self._next = plan
        else:
            self._carry_out(plan)

    def _objection(self, plan: Plan) -> str | None:
        if self._run is None or self._run.run != plan.run or not self._is_ready:
            return f"refused: this worker is not prepared for run {plan.run}"
        if self._ending is not None:
            return f"refused: the run has ended: {self._ending[1]}"
        if not self._clock.known:
            return "refused: the Redis clock is not known yet"
        epoch_ns = self._clock.local_ns(plan.epoch_us)
        return refusal(plan, epoch_ns=epoch_ns, now_ns=self._now())

    def _carry_out(self, plan: Plan) -> None:
        assert self._run is not None
        self._seen_ns = self._now()
        self._health.begin()
        position = plan.workers.index(self._identity.worker)
        self._engine.want_users(plan.in_flight_cap_of(position))
        self._probe = RunningProbe(
            plan,
            self._identity,
            self._gate,
            judge_of(self._run),
            epoch_ns=self._clock.local_ns(plan.epoch_us),
            timeout_s=self._run.timeout_s,
            recorded=self._preparer.recorded,
            now=self._now,
        )
        self._probe.start()

    def _stop(self, stop: Stop) -> None:
        if stop.probe is None:
            self._end(stop, stop.reason)
        elif self._probe is not None and self._probe.plan.probe == stop.probe:
            self._probe.stop(stop.reason)
        elif self._next is not None and self._next.probe == stop.probe:
            self._bus.send(refused(self._next, self._identity, stop.reason))
            self._next = None
        elif self._last is not None and self._last.probe == stop.probe:
            self._bus.send(self._last)
        else:
            self._bus.send(self._drained(stop, "the probe is not running", probe=stop.probe))

    def _end(self, stop: Stop | None, reason: str) -> None:
        """End the run; `tick` does the rest."""
        if stop is not None and self._run is not None and stop.run != self._run.run:
            self._bus.send(self._drained(stop, "the run is not on this worker"))
            return
        log.info("run %s ends: %s", self.run, reason)
        self._ending = (stop, reason)
        self._next = None
        if self._probe is not None:
            self._probe.stop(reason)

    def _conclude(self, probe: RunningProbe) -> None:
        """The last report of a drained probe, and what follows it."""
        report, drained = probe.last_words(self._read_health())
        self._tell(report)
        self._bus.send(drained)
        self._totals += drained.totals
        self._probe, self._last = None, drained
        plan, self._next = self._next, None
        if plan is not None:
            self._plan(plan)

    def _tell(self, report: Report) -> None:
        self._bus.send(replace(report, connections=self._engine.connections()))

    def _abandon(self, probe: RunningProbe, reason: str) -> None:
        probe.stop(reason)
        self._gate.abandon(reason)
        self._next = None
        self._conclude(probe)

    def _let_go(self) -> None:
        """Let the run's users go, then say that nothing of it is left."""
        assert self._ending is not None
        stop, reason = self._ending
        run, self._ending = self._run, None
        word = stop if stop is not None else run
        self._start(self._let_go_now, word, reason)

    def _let_go_now(self, word: Stop | Prepare | None, reason: str) -> None:
        self._preparer.release()
        totals = self._totals
        self._forget()
        if word is not None:
            self._bus.send(self._drained(word, reason, totals=totals))

    def _forget(self) -> None:
        self._run, self._is_ready, self._totals = None, False, Ledger()
        self._bus.watch(None)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        """Do `work` in the one greenlet for what takes long, ending what it did before."""
        if self._work is not None:
            self._work.kill(timeout=1.0)
        self._work = gevent.spawn(work, *arguments)

    def _read_health(self) -> Health:
        health = self._health.read()
        return health if self._note is None else replace(health, note=self._note)

    def _is_forsaken(self, silent_ns: int) -> bool:
        return self._is_ready and self._ending is None and silent_ns > FORSAKEN_NS

    def _is_watched(self) -> bool:
        beat_ns = max(self._bus.beat_ns, self._seen_ns)
        return self._now() - beat_ns <= DEAD_MAN_S * NS_PER_S

    def _drained(
        self,
        word: Stop | Prepare,
        reason: str,
        *,
        probe: int | None = None,
        totals: Ledger | None = None,
    ) -> Drained:
        return Drained(
            run=word.run,
            fence=word.fence,
            probe=probe,
            worker=self._identity.worker,
            boot=self._identity.boot,
            totals=totals or Ledger(),
            sequence=0,
            reason=reason,
        )
