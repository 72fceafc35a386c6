"""How does one plan become load, reports and an end on this worker?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from contract.arrivals import Due
from contract.messages import DEAD_MAN_S, Drained, Plan
from contract.recorded import Recorded
from contract.report import Health, Ledger, Report
from workers.clock import NS_PER_S, Now, monotonic_ns
from workers.closed import ClosedPacer
from workers.gate import Gate
from workers.judge import Judge
from workers.pacer import LATE_NS, Pacer
from workers.permit import CANCELLED, MISSED
from workers.recorder import Recorder
from workers.timer import Timer, make_timer

END_OF_PLAN = "the plan's end"
LAG_QUANTILE = 0.99
LEASE_NS = round(DEAD_MAN_S * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Identity:
    """This worker, as messages name it."""

    worker: str
    boot: str


class RunningProbe:
    """One probe, from its plan to its last report; drive it with `tick` and `report`."""

    def __init__(  # noqa: PLR0913 - what one probe needs, each by its name
        self,
        plan: Plan,
        identity: Identity,
        gate: Gate,
        judge: Judge,
        *,
        epoch_ns: int,
        timeout_s: float,
        recorded: Recorded | None = None,
        now: Now = monotonic_ns,
        timer: Callable[[Callable[[], None]], Timer] = make_timer,
    ) -> None:
        self.plan = plan
        self.ended: str | None = None
        self._gate = gate
        self._now = now
        self._identity = identity
        self._epoch_ns = epoch_ns
        self._end_ns = epoch_ns + round(plan.duration_s * NS_PER_S)
        self._received_ns = now()
        self._cadence_ns = round(plan.cadence_s * NS_PER_S)
        self._reported = 0
        position = plan.workers.index(identity.worker)
        self._recorder = Recorder(self._header(), judge, epoch_ns, now=now)
        self._pacer = self._paced(plan.share(position, recorded), timer)
        gate.open(
            cap=plan.in_flight_cap_of(position),
            timeout_s=timeout_s,
            overdue_s=judge.overdue_s(timeout_s),
            seed=hash((plan.seed, plan.probe, position)),
        )
        self.renew(self._received_ns)

    @property
    def totals(self) -> Ledger:
        return self._recorder.totals

    @property
    def received_ns(self) -> int:
        return self._received_ns

    @property
    def drained(self) -> bool:
        """The load has ended and nothing of it is in flight."""
        return self.ended is not None and self._gate.in_flight == 0

    def start(self) -> None:
        self._pacer.start(self._received_ns)

    def renew(self, beat_ns: int) -> None:
        """A beat was new at monotonic `beat_ns`; nothing is sent once it is too old."""
        self._pacer.extend(min(beat_ns + LEASE_NS, self._end_ns + LATE_NS))

    def stop(self, reason: str) -> None:
        """End the load; arrivals in flight go on. The first reason stands."""
        if self.ended is None:
            self.ended = reason
            self._pacer.stop()
            self._gate.close()

    def tick(self) -> None:
        """Settle, time out what is overdue, and end the load when the plan does."""
        self._gate.sweep()
        self._recorder.settle()
        self._pacer.look_ahead()
        if self.ended is None and self._now() >= self._end_ns and self._pacer_done():
            self.stop(END_OF_PLAN)

    @property
    def report_due(self) -> bool:
        return self._now() - self._epoch_ns >= (self._reported + 1) * self._cadence_ns

    def report(self, health: Health) -> Report:
        """Increments up to the last whole cadence."""
        self._reported = (self._now() - self._epoch_ns) // self._cadence_ns
        return _with_lag(self._recorder.flush(self._reported * self._cadence_ns, health))

    def last_words(self, health: Health) -> tuple[Report, Drained]:
        """The final report and what says that it is the final one."""
        report = _with_lag(self._recorder.flush(self._now() - self._epoch_ns, health, final=True))
        drained = Drained(
            run=self.plan.run,
            fence=self.plan.fence,
            probe=self.plan.probe,
            worker=self._identity.worker,
            boot=self._identity.boot,
            totals=report.totals,
            sequence=0,
            reason=self.ended or END_OF_PLAN,
        )
        return report, drained

    def release(self, index: int, due_ns: int) -> None:
        self._gate.release(self._recorder.permit(index, due_ns))

    def miss(self, index: int, due_ns: int) -> None:
        self._recorder.permit(index, due_ns).start = MISSED

    def cancel(self, index: int, due_ns: int) -> None:
        self._recorder.permit(index, due_ns).start = CANCELLED

    def _paced(
        self, share: Iterator[tuple[Due, Due]], timer: Callable[[Callable[[], None]], Timer]
    ) -> Pacer:
        """The pacer of the plan: of an open loop, unless it gives a number of streams."""
        if not self.plan.streams:
            return Pacer(share, self._epoch_ns, self, now=self._now, timer=timer)
        return ClosedPacer(
            share,
            self._epoch_ns,
            self,
            streams=self.plan.streams,
            busy=lambda: self._gate.in_flight + self._gate.waiting,
            length_ns=self._end_ns - self._epoch_ns,
            now=self._now,
            timer=timer,
        )

    def _pacer_done(self) -> bool:
        return self._pacer.exhausted or self._now() > self._end_ns + LATE_NS

    def _header(self) -> Report:
        return Report(
            run=self.plan.run,
            fence=self.plan.fence,
            probe=self.plan.probe,
            worker=self._identity.worker,
            boot=self._identity.boot,
            sequence=0,
            through_ns=0,
            through_index=0,
            totals=Ledger(),
        )


def _with_lag(report: Report) -> Report:
    """The report, its health naming the send lag of this worker alone."""
    if not report.send_lag.count:
        return report
    lag_s = report.send_lag.quantile(LAG_QUANTILE)
    return replace(report, health=replace(report.health, send_lag_p99_s=lag_s))


def refusal(plan: Plan, *, epoch_ns: int, now_ns: int) -> str | None:
    """Why this worker must not carry out `plan`; None when it may."""
    fleet_ceiling = plan.rate_ceiling * len(plan.workers)
    highest = max(
        plan.rate * max((ratio for _, ratio in plan.profile), default=1.0),
        plan.ramp_from if plan.ramp_s > 0 else 0.0,
    )
    if highest > fleet_ceiling:
        return (
            f"refused: {highest:g}/s is above the ceiling of {plan.rate_ceiling:g}/s "
            f"for each of {len(plan.workers)} workers"
        )
    if now_ns >= epoch_ns + round(plan.duration_s * NS_PER_S):
        return "refused: the plan had ended before it came"
    if plan.cadence_s <= 0 or plan.in_flight_cap < 1:
        return "refused: cadence_s and in_flight_cap must be above zero"
    return None


def refused(plan: Plan, identity: Identity, reason: str) -> Drained:
    """The answer to a plan that is not carried out."""
    return Drained(
        run=plan.run,
        fence=plan.fence,
        probe=plan.probe,
        worker=identity.worker,
        boot=identity.boot,
        totals=Ledger(),
        sequence=0,
        reason=reason,
    )
