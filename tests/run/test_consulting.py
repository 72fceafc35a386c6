"""Is an advisor consulted between probes, its answer journalled, and nobody asked twice?"""

from __future__ import annotations

import asyncio

import pytest

from contract.units import Rate
from controller.run.conductor import conduct
from controller.run.orders import Orders
from controller.run.registry import Registry
from controller.run.takeover import unpaid_s
from controller.search.advice import Advice, Consult
from controller.search.answer import Capacity
from controller.search.goal import Goal
from controller.search.journal import Advised, Event, ProbeDecided, ProbeStarted, RunEnded
from controller.search.view import view_of
from controller.sim.clock import VirtualClock
from tests.helpers.builders import a_goal
from tests.helpers.fakes import MemoryJournal, MemoryStore, ScriptedFleet
from tests.run.worlds import ended

pytestmark = pytest.mark.anyio

RUN = "r1"
GOAL = a_goal(strategy="external", advisor="http://127.0.0.1:9000/next")


class Scripted:
    """The RateAdvisor port with its answers written down; each takes `takes_s`."""

    def __init__(self, clock: VirtualClock, answers: list[Advice], takes_s: float = 1.5) -> None:
        self.clock = clock
        self.answers = answers
        self.takes_s = takes_s
        self.asked: list[tuple[str, str, int, int]] = []

    async def advise(self, run: str, goal: Goal, consult: Consult) -> Advice:
        self.asked.append((run, goal.name, consult.number, len(consult.results)))
        await self.clock.sleep(self.takes_s)
        return self.answers[consult.number - 1]


class Stage:
    def __init__(self, answers: list[Advice], takes_s: float = 1.5) -> None:
        self.clock = VirtualClock()
        self.journal = MemoryJournal()
        self.orders = Orders()
        self.fleet = ScriptedFleet(self.clock)
        self.advisor: Scripted | None = Scripted(self.clock, answers, takes_s)

    async def conduct(self, history: tuple[Event, ...] = ()) -> Capacity:
        return await conduct(
            RUN,
            GOAL,
            fleet=self.fleet,
            journal=self.journal,
            clock=self.clock,
            orders=self.orders,
            history=history,
            advisor=self.advisor,
        )

    def events(self) -> list[Event]:
        return self.journal.of(RUN)


def rate(per_s: float) -> Advice:
    return Advice(rate=Rate(per_s))


ANSWERS = [rate(100.0), rate(300.0), Advice(done=True, estimate=Rate(180.0), low=Rate(150.0))]


async def test_a_run_goes_from_advice_to_advice_to_the_advisors_answer() -> None:
    stage = Stage(ANSWERS)
    capacity = await stage.conduct()
    assert (capacity.status, capacity.estimate, capacity.low) == ("answered", 180.0, 150.0)
    kinds = [type(event).__name__ for event in stage.events() if not _watched(event)]
    probe = ["Advised", "ProbeStarted", "ProbeDecided"]
    assert kinds == [
        "PreflightStarted", "PreflightPassed", *probe, *probe, "Advised", "LoadStopped", "RunEnded",
    ]  # fmt: skip
    assert stage.advisor is not None
    assert stage.advisor.asked == [(RUN, "toy", 1, 0), (RUN, "toy", 2, 1), (RUN, "toy", 3, 2)]


async def test_nothing_is_sent_while_the_advisor_thinks() -> None:
    stage = Stage(ANSWERS, takes_s=8.0)
    await stage.conduct()
    at = {text: seconds for seconds, text in stage.fleet.said}
    assert at["offer 1"] - at["prepare"] >= 8.0
    assert at["offer 2"] - at["stop 1"] >= 8.0
    assert at["release"] - at["stop 2"] >= 8.0


async def test_the_advisors_time_is_paid_from_the_budget_once() -> None:
    stage = Stage(ANSWERS)
    await stage.conduct()
    events = stage.events()
    paid = sum(float(e.seconds) for e in events if isinstance(e, Advised))
    paid += sum(float(e.outcome.seconds) for e in events if isinstance(e, ProbeDecided))
    begun, last = events[1].at, next(e.at for e in reversed(events) if isinstance(e, Advised))
    assert paid == pytest.approx(last - begun, abs=1e-6)
    assert paid == pytest.approx(view_of(RUN, events).spent_s + 3 * 1.5, abs=1e-6)


async def test_a_resumed_run_does_not_ask_again_for_what_is_journalled() -> None:
    whole = Stage(ANSWERS)
    await whole.conduct()
    events = whole.events()
    second = [i for i, e in enumerate(events) if isinstance(e, Advised)][1]
    history = tuple(events[: second + 1])
    stage = Stage(ANSWERS)
    capacity = await stage.conduct(history)
    assert stage.advisor is not None
    assert [number for _, _, number, _ in stage.advisor.asked] == [3]
    started = [e.probe for e in stage.events() if isinstance(e, ProbeStarted)]
    assert [(p.rate, p.number) for p in started] == [(300.0, 2)]
    assert capacity.estimate == 180.0


async def test_a_gap_is_counted_from_the_last_advice() -> None:
    stage = Stage(ANSWERS)
    await stage.conduct()
    events = stage.events()
    second = [i for i, e in enumerate(events) if isinstance(e, Advised)][1]
    history = tuple(events[: second + 1])
    assert unpaid_s(history, history[-1].at + 7.0) == 7.0


async def test_an_advisors_fault_ends_the_run_as_failed_with_the_load_stopped() -> None:
    stage = Stage([rate(100.0), Advice(fault="did not answer within 10 s")])
    capacity = await stage.conduct()
    assert (capacity.status, capacity.exit_status) == ("failed", 4)
    assert "http://127.0.0.1:9000/next did not answer within 10 s" in capacity.reason
    assert stage.fleet.calls()[-1] == "release"


async def test_a_controller_without_an_advisor_says_so() -> None:
    stage = Stage([])
    stage.advisor = None
    capacity = await stage.conduct()
    assert capacity.status == "failed"
    assert "cannot be asked" in capacity.reason


async def test_an_abort_does_not_wait_for_the_advisor() -> None:
    stage = Stage(ANSWERS, takes_s=500.0)
    task = asyncio.create_task(stage.conduct())
    await stage.clock.sleep(5.0)
    stage.orders.abort("aborted by a person")
    capacity = await task
    assert capacity.status == "aborted"
    assert stage.clock.now() < 20.0
    assert isinstance(stage.events()[-1], RunEnded)


async def test_a_registry_has_its_runs_consult_its_advisor() -> None:
    clock, store = VirtualClock(), MemoryStore()
    advisor = Scripted(clock, ANSWERS)
    registry = Registry(
        store=store, fleet_of=lambda *_: ScriptedFleet(clock), clock=clock, advisor=advisor
    )
    await registry.start()
    run = await registry.create("{}", GOAL)
    view = await ended(registry, run)
    await registry.shutdown()
    assert view.capacity is not None
    assert view.capacity.estimate == 180.0
    assert [number for _, _, number, _ in advisor.asked] == [1, 2, 3]


def _watched(event: Event) -> bool:
    return type(event).__name__ == "Measured"
