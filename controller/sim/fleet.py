"""What would a fleet of workers report of a simulated target?

The Fleet port in virtual time. Reports come as from workers over Redis: every cadence, a little
after the fact, and a stop takes effect a little after it was ordered, so that a search pays for
every arrival it would pay for in earnest.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from contract.arrivals import Schedule
from contract.recorded import Recorded
from contract.report import FleetReport, Ledger
from contract.units import Rate
from controller.errors import FleetLost, NoWorkers
from controller.ports import Burden, Clock, Readiness
from controller.search.goal import Goal
from controller.search.probe import Probe
from controller.sim import trouble
from controller.sim.closed import ClosedLoad
from controller.sim.judging import Judge
from controller.sim.load import Load, Terms
from controller.sim.target import Target
from controller.sim.traffic import Traffic
from controller.sim.trouble import Trouble, TroubleOf

CADENCE_NS = 250_000_000
PREPARE_S = 0.5
LEAD_S = 0.5
"""From the order to the epoch of a probe."""
REPORT_S = 0.1
"""From the end of a slice to its merged report."""
STOP_S = 0.1
"""From a decision to the last arrival sent."""
SILENCE_S = 3.0
"""A worker that says nothing for so long is lost."""
RATE_PER_WORKER = 5_000.0


class SimulatedFleet:
    """Workers in virtual time, sharing one target and one clock.

    `totals` and `bad` sum up every arrival of all probes, those after a decision included, which no
    report shows. `trouble_of` says what goes wrong in which probe, `traffic` how bursty the load is,
    `recorded` the times that a goal replays.
    """

    def __init__(
        self,
        goal: Goal,
        *,
        target: Target,
        clock: Clock,
        workers: int = 2,
        trouble_of: TroubleOf = trouble.none,
        traffic: Traffic = Traffic(),  # noqa: B008 - frozen
        recorded: Recorded | None = None,
    ) -> None:
        self.totals = Ledger()
        self.bad = 0
        self._goal = goal
        self._target = target
        self._clock = clock
        self._workers = tuple(f"sim-{number}" for number in range(1, workers + 1))
        self._trouble_of = trouble_of
        self._traffic = traffic
        self._recorded = recorded
        self._judge: Judge | None = None
        self._load: Load | None = None
        self._epoch_s = 0.0

    async def prepare(self, *, ask_target: bool = True) -> Readiness:  # noqa: ARG002 - the port
        """Look at the goal; the target needs no asking."""
        await self._clock.sleep(PREPARE_S)
        if not self._workers:
            raise NoWorkers("no simulated worker is left: set up the fleet with more of them")
        self._judge = Judge(self._goal.objectives, phases=self._target.has_phases)
        return Readiness(self._workers, RATE_PER_WORKER * len(self._workers))

    def offer(self, probe: Probe) -> AbstractAsyncContextManager[AsyncIterator[FleetReport]]:
        return self._offer(probe)

    def burden(self) -> Burden:
        """Of all probes that have ended."""
        return Burden(self.totals.sent, self.bad)

    async def release(self) -> None:
        """Stop what runs; there is nothing else to let go of."""
        await self._stop()

    @asynccontextmanager
    async def _offer(self, probe: Probe) -> AsyncIterator[AsyncIterator[FleetReport]]:
        if self._judge is None or not self._workers:
            raise NoWorkers("no worker is prepared: call prepare first")
        troubled = self._trouble_of(probe)
        await self._clock.sleep(LEAD_S)
        self._epoch_s = float(self._clock.now())
        self._load = (ClosedLoad if probe.streams else Load)(
            self._terms(probe),
            self._target,
            self._judge,
            epoch_s=self._epoch_s,
            trouble=troubled,
        )
        reports = self._reports(self._load, troubled)
        try:
            yield reports
        finally:
            await reports.aclose()
            await self._stop()

    def _terms(self, probe: Probe) -> Terms:
        goal = self._goal
        count = len(self._workers)
        share = Rate(max(probe.peak, probe.ramp_from) / count)
        return Terms(
            schedule=Schedule(
                law=goal.workload.law,
                seed=goal.seed,
                probe=probe.number,
                rate=probe.rate,
                duration_s=probe.duration_s,
                ramp_s=probe.ramp_s,
                ramp_from=probe.ramp_from,
                profile=probe.profile,
                recorded=self._recorded,
            ),
            timeout_s=float(goal.workload.timeout_s),
            in_flight_cap=count * goal.in_flight_cap(share),
            workers=count,
            streams=probe.streams,
            traffic=self._traffic,
        )

    async def _reports(self, load: Load, troubled: Trouble) -> AsyncGenerator[FleetReport, None]:
        through_ns = 0
        while not load.drained:
            through_ns += CADENCE_NS
            through_s = through_ns / 1e9
            if through_s > troubled.gone_at_s:
                raise FleetLost("the simulated bus is gone")
            if through_s > troubled.lost_at_s:
                yield await self._lose_one(load, through_ns)
                return
            report = load.advance(through_ns)
            await self._until(self._epoch_s + through_s + REPORT_S)
            if through_s > troubled.late_at_s:
                report = replace(report, late=self._workers[-1:])
            if troubled.unaccounted:
                report = replace(report, unaccounted=troubled.unaccounted)
            yield report

    async def _lose_one(self, load: Load, through_ns: int) -> FleetReport:
        """The last report before the silence, once that has lasted for SILENCE_S."""
        lost, self._workers = self._workers[-1:], self._workers[:-1]
        self._judge = None
        report = load.advance(through_ns)
        await self._until(self._epoch_s + through_ns / 1e9 + SILENCE_S)
        return replace(report, lost=lost)

    async def _stop(self) -> None:
        """End the probe, if one runs: the workers hear of it, and let what is in flight finish."""
        load, self._load = self._load, None
        if load is None:
            return
        if not load.drained:
            now_s = float(self._clock.now()) + STOP_S
            load.advance(max(load.through_ns, round((now_s - self._epoch_s) * 1e9)))
            load.stop()
            while load.in_flight:
                load.advance(load.through_ns + CADENCE_NS)
        self.totals += load.totals
        self.bad += load.bad_any
        await self._until(self._epoch_s + load.through_ns / 1e9)

    async def _until(self, at_s: float) -> None:
        await self._clock.sleep(max(0.0, at_s - float(self._clock.now())))
