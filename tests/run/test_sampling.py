"""What do the target's own metrics do in a run, and what becomes of it when they fail?"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from contract.units import Rate
from controller.adapters.plans import Speech
from controller.errors import SignalsUnreadable
from controller.ports import Clock
from controller.run.conductor import conduct
from controller.run.registry import Registry
from controller.run.sampling import SILENT_READS, sampling
from controller.search.answer import Capacity
from controller.search.goal import Goal, SignalSource
from controller.search.journal import Measured, Noted, ProbeDecided, ProbeStarted
from controller.search.signal_objectives import parse_signal_objective
from controller.search.view import view_of
from controller.sim.clock import VirtualClock
from tests.helpers.builders import a_goal
from tests.helpers.fakes import MemoryJournal, MemoryStore, ScriptedFleet
from tests.run.worlds import ended

pytestmark = pytest.mark.anyio

RUN = "r1"
SOURCE = SignalSource(("http://127.0.0.1:9100/metrics",), (("gpu_utilization", "used"),))


class FakeSignals:
    """The Signals port: tells `values`, or what it was told to do instead."""

    def __init__(self, clock: Clock, **values: float) -> None:
        self.values = values
        self.asked_at: list[float] = []
        self.closed = 0
        self.takes_s = 0.0
        self.fails: Exception | None = None
        self._clock = clock

    async def read(self) -> Mapping[str, float]:
        self.asked_at.append(float(self._clock.now()))
        if self.takes_s:
            await self._clock.sleep(self.takes_s)
        if self.fails is not None:
            raise self.fails
        return dict(self.values)

    async def close(self) -> None:
        self.closed += 1


class BusyTarget(FakeSignals):
    """Utilisation by the rate that is put to it: 95 % at 190/s, with a swing of 4 %."""

    def __init__(self, clock: Clock, journal: MemoryJournal, fleet: ScriptedFleet) -> None:
        super().__init__(clock)
        self._journal = journal
        self._fleet = fleet

    async def read(self) -> Mapping[str, float]:
        await super().read()
        rates = [e.probe.rate for e in self._journal.of(RUN) if isinstance(e, ProbeStarted)]
        rate = rates[-1] if rates and self._fleet.is_sending() else 0.0
        return {"gpu_utilization": rate / 200 * (1 + 0.04 * math.sin(len(self.asked_at)))}


class Stage:
    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock()
        self.journal = MemoryJournal()
        self.fleet = ScriptedFleet(self.clock, **options)
        self.signals = FakeSignals(self.clock, gpu_utilization=0.5)

    async def conduct(self, **changes: Any) -> Capacity:
        goal = a_goal(**{"signals": SOURCE, "strategy": "bayes", "precision": 0.12, **changes})
        return await conduct(
            RUN,
            goal,
            fleet=self.fleet,
            journal=self.journal,
            clock=self.clock,
            signals=self.signals,
        )

    def events(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.journal.of(RUN) if isinstance(event, kind)]


async def test_the_target_is_asked_once_a_second_until_the_run_ends() -> None:
    stage = Stage()
    await stage.conduct()
    gaps = [b - a for a, b in zip(stage.signals.asked_at, stage.signals.asked_at[1:], strict=False)]
    assert gaps == pytest.approx([1.0] * len(gaps))
    assert len(gaps) >= int(stage.clock.now() - 2)
    assert stage.signals.closed == 1
    assert not [t for t in asyncio.all_tasks() if t.get_name() == "signals"]


async def test_windows_are_journalled_with_what_was_read_and_the_health_after_them() -> None:
    stage = Stage(carries=200.0)
    await stage.conduct()
    windows = stage.events(Measured)
    assert all(w.signals in ((), (("gpu_utilization", 0.5),)) for w in windows)
    assert sum(bool(w.signals) for w in windows) > 0.8 * len(windows)
    assert windows[0].limit_ratio == pytest.approx(0.01 / 0.15, rel=0.01)
    assert {w.health for w in windows} >= {"healthy", "unhealthy"}
    outcomes = [event.outcome for event in stage.events(ProbeDecided)]
    assert outcomes[0].signals[0].mean == 0.5


async def test_an_objective_of_a_signal_limits_the_capacity_and_is_named() -> None:
    stage = Stage(carries=600.0)
    stage.signals = BusyTarget(stage.clock, stage.journal, stage.fleet)
    gpu = parse_signal_objective("max gpu_utilization <= 95%")
    capacity = await stage.conduct(signal_objectives=(gpu,))
    assert capacity.status == "answered", capacity.reason
    assert capacity.binding_objective == gpu.text
    assert "gpu_utilization is above 0.95 in more than 5% of the seconds" in capacity.reason
    assert capacity.estimate is not None
    assert 178 < capacity.estimate < 194  # the swing reaches 95 % from 182.7/s on
    reasons = [event.outcome.reason for event in stage.events(ProbeDecided)]
    assert any("gpu_utilization was above 0.95" in reason for reason in reasons)


async def test_signals_that_cannot_be_read_are_noted_once_and_cost_nothing_else() -> None:
    stage, without = Stage(), Stage()
    stage.signals.fails = SignalsUnreadable("http://127.0.0.1:9100/metrics answers with status 404")
    gpu = parse_signal_objective("max gpu_utilization <= 95%")
    capacity = await stage.conduct(signal_objectives=(gpu,))
    plain = await without.conduct(signals=None)
    assert (capacity.status, capacity.estimate) == (plain.status, plain.estimate)
    (note,) = stage.events(Noted)
    assert note.note == (
        "signals cannot be read, the run goes on without: "
        "http://127.0.0.1:9100/metrics answers with status 404"
    )
    assert note.note in [n.text for n in view_of(RUN, stage.journal.of(RUN)).notes]
    assert capacity.reason.endswith(
        "'max gpu_utilization <= 95%' not judged, for gpu_utilization was never seen"
    )


async def test_a_bug_in_reading_ends_no_run() -> None:
    stage = Stage()
    stage.signals.fails = RuntimeError("a bug of ours")
    assert (await stage.conduct()).status == "answered"
    assert "internal error: RuntimeError" in stage.events(Noted)[0].note


async def test_a_page_that_does_not_come_in_time_is_not_waited_for() -> None:
    clock = VirtualClock()
    signals = FakeSignals(clock, queue=1.0)
    signals.takes_s = 30.0
    async with sampling(signals, (), clock) as samples:
        for _ in range(5):
            await clock.sleep(0.5)
        assert samples.take() == ()
        assert "no answer within 0.8 s" in samples.complaint()
        signals.takes_s = 0.0
        await clock.sleep(0.5)
        await clock.sleep(0.5)
        assert samples.take() == (("queue", 1.0),)
        assert samples.take() == (), "each window has its own"
    assert (samples.failures, samples.complaint()) == (3, "")
    assert signals.closed == 1


async def test_a_signal_that_never_shows_is_told_of_once() -> None:
    clock = VirtualClock()
    async with sampling(FakeSignals(clock, queue=1.0), ("queue", "power"), clock) as samples:
        await clock.sleep(SILENT_READS - 1.5)
        assert samples.complaint() == ""
        await clock.sleep(2.0)
        assert samples.complaint().startswith("signals power: the target exposes nothing")
        await clock.sleep(60.0)
        assert samples.complaint() == ""


async def test_an_abort_ends_the_reading_too() -> None:
    stage = Stage()
    run = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(10.0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    asked = len(stage.signals.asked_at)
    await stage.clock.sleep(10.0)
    assert (len(stage.signals.asked_at), stage.signals.closed) == (asked, 1)


def test_workers_are_not_told_of_signals() -> None:
    gpu = parse_signal_objective("max gpu_utilization <= 95%")
    goal: Goal = replace(a_goal(signals=SOURCE, signal_objectives=(gpu,)), high=Rate(900.0))
    prepare = Speech("r1", goal, 1).prepare(("w1",))
    assert prepare.objectives == ("p99 response_time <= 150ms",)
    assert prepare.allowed_targets == ("127.0.0.1:9100",)


async def test_every_run_of_a_registry_has_signals_of_its_own() -> None:
    clock, store = VirtualClock(), MemoryStore()
    made: list[FakeSignals] = []

    def signals_of(goal: Goal) -> FakeSignals | None:
        if goal.signals is not None:
            made.append(FakeSignals(clock, gpu_utilization=0.5))
        return made[-1] if goal.signals is not None else None

    registry = Registry(
        store=store,
        fleet_of=lambda *_: ScriptedFleet(clock),
        clock=clock,
        signals_of=signals_of,
    )
    await registry.start()
    watching = await registry.create("{}", a_goal(signals=SOURCE))
    blind = await registry.create("{}", a_goal())
    views = [await ended(registry, run) for run in (watching, blind)]
    await registry.shutdown()
    assert [bool(view.probes[0].outcome.signals) for view in views] == [True, False]
    assert [signals.closed for signals in made] == [1]
