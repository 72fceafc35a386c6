"""What does the world do to a run, and what becomes of it? In virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.errors import Fenced, FleetLost, NoWorkers, PreflightFailed
from controller.run.conductor import Left, conduct
from controller.run.orders import Orders
from controller.search.answer import Capacity
from controller.search.features import Features
from controller.search.goal import Goal
from controller.search.journal import (
    Event,
    FleetChanged,
    LoadStopped,
    Measured,
    PreflightPassed,
    ProbeDecided,
    ProbeStarted,
    Resumed,
    RunEnded,
)
from controller.search.probe import Verdict
from controller.sim.clock import VirtualClock
from tests.helpers.builders import a_goal
from tests.helpers.fakes import FailingJournal, MemoryJournal, Script, ScriptedFleet

pytestmark = pytest.mark.anyio

RUN = "r1"


class Stage:
    """A conductor's world: virtual time, a journal in memory, a fleet with a script."""

    def __init__(self, scripts: dict[int, Script] | None = None, **options: Any) -> None:
        self.clock = VirtualClock()
        self.journal: MemoryJournal = MemoryJournal()
        self.orders = Orders()
        self.fleet = ScriptedFleet(self.clock, scripts=scripts, **options)

    async def conduct(self, goal: Goal | None = None, history: tuple[Event, ...] = ()) -> Capacity:
        return await conduct(
            RUN,
            goal or a_goal(),
            fleet=self.fleet,
            journal=self.journal,
            clock=self.clock,
            orders=self.orders,
            history=history,
        )

    def events(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.journal.of(RUN) if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.journal.of(RUN)]


async def test_a_run_goes_from_preflight_to_its_answer() -> None:
    stage = Stage(carries=200.0)
    capacity = await stage.conduct()
    assert capacity.status == "answered"
    assert capacity.low is not None
    assert capacity.high is not None
    assert capacity.low <= 215
    assert capacity.high >= 195
    kinds = stage.kinds()
    assert kinds[:3] == ["PreflightStarted", "PreflightPassed", "ProbeStarted"]
    assert kinds[-2:] == ["LoadStopped", "RunEnded"]
    assert stage.events(RunEnded)[0].capacity == capacity
    assert stage.fleet.calls()[-1] == "release"


async def test_every_started_probe_is_decided_and_paid_for() -> None:
    stage = Stage()
    await stage.conduct()
    started = [event.probe.number for event in stage.events(ProbeStarted)]
    outcomes = [event.outcome for event in stage.events(ProbeDecided)]
    assert started == [o.probe.number for o in outcomes] == list(range(1, len(started) + 1))
    first, last = stage.events(PreflightPassed)[0], stage.events(ProbeDecided)[-1]
    spent_s = sum(o.seconds for o in outcomes)
    assert spent_s == pytest.approx(last.at - first.at, abs=1e-6)


async def test_people_see_a_measurement_about_once_a_second() -> None:
    stage = Stage()
    await stage.conduct()
    decided = stage.events(ProbeDecided)[0].outcome
    seen = [m for m in stage.events(Measured) if m.probe == decided.probe.number]
    assert [round(m.through_s) for m in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].offered_per_s == pytest.approx(decided.probe.rate, rel=0.25)


async def test_a_lost_worker_voids_the_probe_and_the_rest_carry_on() -> None:
    stage = Stage({2: Script(loses_worker_at_s=2.0)})
    capacity = await stage.conduct()
    outcomes = [event.outcome for event in stage.events(ProbeDecided)]
    assert outcomes[1].verdict is Verdict.VOID
    assert "worker w2 was silent for 3 s" in outcomes[1].reason
    assert outcomes[2].probe.rate == outcomes[1].probe.rate
    changed = stage.events(FleetChanged)
    assert [c.workers for c in changed] == [("w1",)]
    assert "w2" in changed[0].note
    assert capacity.status == "answered"


async def test_the_bus_gone_for_a_moment_costs_one_probe() -> None:
    stage = Stage({2: Script(bus_gone_at_s=2.0)})
    capacity = await stage.conduct()
    outcomes = [event.outcome for event in stage.events(ProbeDecided)]
    assert [o.verdict is Verdict.VOID for o in outcomes].count(True) == 1
    assert outcomes[1].verdict is Verdict.VOID
    assert len(stage.events(FleetChanged)) == 1
    assert capacity.status == "answered"


async def test_the_bus_gone_for_longer_than_its_grace_ends_the_run() -> None:
    stage = Stage({1: Script(bus_gone_at_s=2.0)})
    stage.fleet.back_after_s = 3600.0
    capacity = await stage.conduct()
    assert capacity.status == "failed"
    assert "30 s" in capacity.reason
    assert stage.kinds()[-1] == "RunEnded"
    assert stage.clock.now() < 60


async def test_no_worker_left_ends_the_run_as_failed() -> None:
    stage = Stage({1: Script(loses_worker_at_s=1.0)}, workers=("w1",))
    original = stage.fleet.prepare

    async def prepare(*, ask_target: bool = True) -> Any:
        if not stage.fleet.workers:
            raise NoWorkers("no worker came within 10 s: start some")
        return await original(ask_target=ask_target)

    stage.fleet.prepare = prepare  # type: ignore[method-assign]
    capacity = await stage.conduct()
    assert capacity.status == "failed"
    assert "no worker came" in capacity.reason


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (PreflightFailed("worker w1: no module named 'ranker'"), "rejected"),
        (NoWorkers("no worker came within 10 s: start some"), "failed"),
    ],
)
async def test_a_failed_preflight_says_why_and_sends_nothing(
    refusal: Exception, status: str
) -> None:
    stage = Stage()
    stage.fleet.refuses = refusal
    capacity = await stage.conduct()
    assert (capacity.status, capacity.reason) == (status, str(refusal))
    assert stage.events(ProbeStarted) == []


async def test_a_fleet_too_weak_for_the_lowest_rate_is_refused() -> None:
    stage = Stage()
    capacity = await stage.conduct(a_goal(low=20_000.0, high=30_000.0))
    assert capacity.status == "rejected"
    assert "start more workers" in capacity.reason


async def test_a_fleet_too_weak_for_the_highest_rate_is_warned_of() -> None:
    stage = Stage()
    await stage.conduct(a_goal(high=9_000.0))
    assert any("search.to" in text for text in stage.events(PreflightPassed)[0].warnings)


async def test_a_run_with_a_feature_off_says_what_it_is_worth() -> None:
    stage = Stage()
    await stage.conduct(a_goal(features=Features(replay=False)))
    (passed,) = stage.events(PreflightPassed)
    assert any("search.features.replay is off" in warning for warning in passed.warnings)


async def test_a_target_that_died_is_not_asked_again_but_measured() -> None:
    stage = Stage({2: Script(loses_worker_at_s=2.0)})
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    stage.fleet.answers = False
    assert (await running).status == "answered"
    assert len(stage.events(FleetChanged)) == 1


async def test_a_target_that_does_not_answer_at_first_refuses_the_run() -> None:
    stage = Stage()
    stage.fleet.answers = False
    capacity = await stage.conduct()
    assert (capacity.status, stage.events(ProbeStarted)) == ("rejected", [])


async def test_a_worker_that_cannot_load_on_renewal_ends_the_run_as_failed() -> None:
    stage = Stage({2: Script(loses_worker_at_s=2.0)})
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    stage.fleet.refuses = PreflightFailed("worker w1: no module named 'ranker'")
    capacity = await running
    assert capacity.status == "failed"
    assert "could not be prepared anew: worker w1: no module named 'ranker'" in capacity.reason


async def test_void_probes_are_bounded() -> None:
    stage = Stage({number: Script(misses=5) for number in range(1, 50)})
    capacity = await stage.conduct()
    assert capacity.status == "no_verdict"
    assert len(stage.events(ProbeDecided)) == 3
    assert stage.fleet.calls().count("prepare") == 3  # before each attempt: there may be more


async def test_an_abort_stops_the_load_within_a_second_and_says_so() -> None:
    stage = Stage()
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    assert stage.fleet.is_sending()
    stage.orders.abort("aborted by a person")
    await stage.clock.sleep(0.0)
    capacity = await running
    assert capacity.status == "aborted"
    assert not stage.fleet.is_sending()
    stopped = stage.events(LoadStopped)
    assert [s.confirmed for s in stopped] == [True]
    assert stopped[0].seconds < 1.0
    assert stage.kinds()[-2:] == ["LoadStopped", "RunEnded"]
    stop_at = next(at for at, text in stage.fleet.said if text.startswith("stop"))
    assert stop_at < 5.3


async def test_what_a_broken_off_probe_cost_is_journalled() -> None:
    stage = Stage()
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    stage.orders.abort("aborted by a person")
    await running
    told = sum(decided.outcome.requests for decided in stage.events(ProbeDecided))
    (stopped,) = stage.events(LoadStopped)
    assert stopped.requests == stage.fleet.burden().requests - told > 0


async def test_a_cancelled_conductor_stops_the_load_and_ends_the_run() -> None:
    stage = Stage()
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not stage.fleet.is_sending()
    assert stage.events(RunEnded)[0].capacity.status == "aborted"


async def test_a_stop_that_nobody_confirms_is_journalled_as_such() -> None:
    stage = Stage()
    stage.fleet.release_refuses = FleetLost("worker w1 did not say that nothing runs")
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    stage.orders.abort("aborted by a person")
    capacity = await running
    assert capacity.status == "aborted"
    stopped = stage.events(LoadStopped)[0]
    assert not stopped.confirmed
    assert "w1" in stopped.note


async def test_a_fleet_that_never_answers_cannot_hold_an_abort_up() -> None:
    stage = Stage()
    stage.fleet.drain_s = 3600.0
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    stage.orders.abort("aborted by a person")
    assert (await running).status == "aborted"
    assert stage.clock.now() < 60
    assert not stage.events(LoadStopped)[0].confirmed


async def test_leaving_stops_the_load_and_does_not_end_the_run() -> None:
    stage = Stage()
    running = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(4.3)
    stage.orders.leave("the controller was told to stop")
    with pytest.raises(Left):
        await running
    assert not stage.fleet.is_sending()
    assert stage.events(LoadStopped)[0].confirmed
    assert stage.events(RunEnded) == []


async def test_a_fenced_conductor_says_and_journals_nothing_more() -> None:
    stage = Stage()
    stage.fleet.refuses = Fenced("another controller has taken over run r1")
    with pytest.raises(Fenced):
        await stage.conduct()
    assert stage.kinds() == ["PreflightStarted"]


async def test_an_internal_error_ends_the_run_and_its_load(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage({2: Script(breaks_at_s=1.0)})
    capacity = await stage.conduct()
    assert capacity.status == "failed"
    assert "RuntimeError" in capacity.reason
    assert "a bug of ours" in caplog.text
    assert not stage.fleet.is_sending()
    assert stage.kinds()[-1] == "RunEnded"


async def test_a_journal_that_fails_once_stops_the_load(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.journal = FailingJournal(lambda event: isinstance(event, Measured))
    capacity = await stage.conduct()
    assert capacity.status == "failed"
    assert "the disk is full" in caplog.text
    assert not stage.fleet.is_sending()


async def test_a_resumed_run_goes_on_where_the_journal_left_it() -> None:
    whole = Stage()
    await whole.conduct()
    decided = [i for i, e in enumerate(whole.journal.of(RUN)) if isinstance(e, ProbeDecided)]
    history = tuple(whole.journal.of(RUN)[: decided[2] + 2])  # a fourth probe had been started
    assert isinstance(history[-1], ProbeStarted)
    resumed = Stage()
    await resumed.conduct(history=history)
    first = resumed.events(ProbeStarted)[0].probe
    assert first == history[-1].probe


async def test_a_resumed_run_warms_up_again() -> None:
    goal = a_goal(warm_up=5.0)
    whole = Stage()
    await whole.conduct(goal)
    decided = [i for i, e in enumerate(whole.journal.of(RUN)) if isinstance(e, ProbeDecided)]
    history = (*whole.journal.of(RUN)[: decided[-2] + 1], Resumed(0.0, "after 3 s"))
    resumed = Stage()
    await resumed.conduct(goal, history=history)
    assert resumed.events(ProbeStarted)[0].probe.purpose == "warm_up"
