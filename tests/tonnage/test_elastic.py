"""Does the local stack follow what the runs need, and leave alone what is not its own to end?"""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from tests.helpers.processes import eventually
from tests.tonnage.test_stack import Given, child
from tonnage.child import Child
from tonnage.client import Controller
from tonnage.elastic import (
    ASK_EVERY_S,
    IDLE_S,
    Bounds,
    Change,
    Elastic,
    Situation,
    asking,
    bounds,
    controller_environment,
)
from tonnage.errors import CommandError

WAIT_S = 20.0


class Api:
    """What the controller would say, and the time."""

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.idle = set(there)
        self.wanted = 0
        self.down = False
        self.now = 100.0

    def ask(self) -> Situation | None:
        if self.down:
            return None
        return Situation(self.wanted, frozenset(self.there), frozenset(self.idle), "two runs")

    def elastic(self, least: int = 1, most: int = 4) -> Elastic:
        return Elastic(self.ask, Bounds(least, most, most), now=lambda: self.now)


def test_what_is_lacking_is_started_up_to_the_most() -> None:
    api = Api("w1")
    follower = api.elastic()
    api.wanted = 3
    assert follower.change(["w1"]) == Change(more=2, reason="two runs")
    api.wanted = 64
    assert follower.change(["w1"]).more == 3


def test_a_worker_on_its_way_is_not_started_again() -> None:
    api = Api("w1")
    api.wanted = 3
    assert api.elastic().change(["w1", "w2", "w3"]).more == 0
    assert api.elastic().change(["w1", "w2"]).more == 1


def test_workers_of_other_machines_count() -> None:
    api = Api("w1", "far-1", "far-2")
    api.wanted = 4
    assert api.elastic().change(["w1"]).more == 1


def test_idle_workers_end_a_minute_after_they_were_last_needed_and_not_those_of_the_beginning() -> (
    None
):
    api = Api("w1", "w2", "w3")
    follower, mine = api.elastic(least=1), ["w1", "w2", "w3"]
    api.wanted = 3
    follower.change(mine)
    api.wanted = 0
    assert follower.change(mine).end == ()
    api.now += IDLE_S - 1.0
    assert follower.change(mine).end == ()
    api.now += 1.0
    assert follower.change(mine).end == ("w3", "w2")


def test_a_demand_in_between_begins_the_minute_anew() -> None:
    api = Api("w1", "w2")
    follower = api.elastic()
    follower.change(["w1", "w2"])
    api.now += IDLE_S
    api.wanted = 2
    assert follower.change(["w1", "w2"]).end == ()
    api.wanted = 0
    assert follower.change(["w1", "w2"]).end == ()


def test_a_leased_worker_is_never_ended_however_long_fewer_are_wanted() -> None:
    api = Api("w1", "w2", "w3")
    api.idle = {"w1", "w3"}
    follower, mine = api.elastic(), ["w1", "w2", "w3"]
    api.wanted = 1
    follower.change(mine)
    api.now += 10 * IDLE_S
    assert follower.change(mine).end == ("w3",)


def test_no_more_end_than_are_too_many() -> None:
    api = Api("w1", "w2", "w3", "w4")
    follower, mine = api.elastic(), ["w1", "w2", "w3", "w4"]
    api.wanted = 3
    follower.change(mine)
    api.now += IDLE_S
    assert follower.change(mine).end == ("w4",)


def test_while_the_controller_is_silent_nothing_begins_or_ends() -> None:
    api = Api("w1", "w2")
    follower = api.elastic()
    follower.change(["w1", "w2"])
    api.down = True
    api.now += IDLE_S
    assert follower.change(["w1", "w2"]) == Change()
    api.down = False
    assert follower.change(["w1", "w2"]).end == ()


def test_it_asks_every_two_seconds() -> None:
    api = Api("w1")
    follower = api.elastic()
    seen = [follower.due]
    follower.change(["w1"])
    seen.append(follower.due)
    api.now += ASK_EVERY_S
    seen.append(follower.due)
    assert seen == [True, False, True]


@pytest.mark.parametrize(
    ("workers", "cores", "ceiling", "expected"),
    [
        (1, 1, None, Bounds(1, 1, 1)),
        (2, 2, None, Bounds(2, 2, 2)),
        (8, 16, None, Bounds(8, 15, 15)),
        (2, 16, "4", Bounds(2, 4, 4)),
        (2, 16, "64", Bounds(2, 15, 64)),
        (4, 16, "2", Bounds(4, 4, 4)),
    ],
)
def test_a_stack_grows_to_the_cores_less_one_or_to_the_operators_ceiling(
    workers: int, cores: int, ceiling: str | None, expected: Bounds
) -> None:
    environment = {} if ceiling is None else {"TONNAGE_FLEET_CEILING": ceiling}
    limits = bounds(workers, cores, environment)
    assert limits == expected
    assert controller_environment(limits, environment) == {
        "TONNAGE_FLEET_CEILING": str(expected.ceiling),
        "TONNAGE_FLEET_WITHIN": "20s",
        "TONNAGE_RUNS_AT_ONCE": "1",
    }


def test_what_the_operator_sets_goes_before_what_suits_one_machine() -> None:
    given = {"TONNAGE_RUNS_AT_ONCE": "3", "TONNAGE_FLEET_WITHIN": "5s"}
    told = controller_environment(Bounds(1, 1, 1), given)
    assert told == given | {"TONNAGE_FLEET_CEILING": "1"}


def test_a_ceiling_that_is_no_number_is_named() -> None:
    with pytest.raises(CommandError, match="TONNAGE_FLEET_CEILING: 'many' is not a number"):
        bounds(1, 4, {"TONNAGE_FLEET_CEILING": "many"})


def test_the_controllers_answer_is_read_and_its_silence_borne() -> None:
    answers = {
        "/api/v1/fleet/demand": {"workers": 3, "idle": ["w1"], "reason": "a run", "present": 2},
        "/api/v1/fleet": {"workers": [{"worker": "w1"}, {"worker": "w2"}]},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path])

    controller = Controller("http://127.0.0.1:1")
    controller._http = httpx.Client(
        transport=httpx.MockTransport(answer), base_url="http://127.0.0.1:1"
    )
    assert asking(controller)() == Situation(3, frozenset({"w1", "w2"}), frozenset({"w1"}), "a run")
    assert asking(Controller("http://127.0.0.1:1"))() is None


class Following(Given):
    """A stack of idle processes that follows a demand."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.folder = folder
        super().__init__(folder, child(folder, "worker-1"))
        self._elastic = api.elastic(most=3)

    def _start_worker(self, index: int) -> None:
        one = child(self.folder, f"worker-{index}")
        one.start()
        self._children.append(one)

    @property
    def names(self) -> list[str]:
        return [child.name for child in self._children]


def test_processes_come_and_go_with_the_demand(tmp_path: Path) -> None:
    api = Api("w1")
    with Following(tmp_path, api) as stack:
        stack.check(run_active=True)
        assert stack.names == ["worker-1"]
        api.wanted, api.now = 3, api.now + ASK_EVERY_S
        stack.check(run_active=True)
        assert stack.names == ["worker-1", "worker-2", "worker-3"]
        assert stack.all_alive
        api.there = api.idle = {"w1", "w2", "w3"}
        api.wanted = 0
        third = stack.child("worker-3")
        for _ in range(2):
            api.now += IDLE_S
            stack.check(run_active=False)
        assert stack.names == ["worker-1"]
        eventually(lambda: not third.alive, "the third has ended", WAIT_S)
        api.there, api.wanted, api.now = {"w1"}, 2, api.now + ASK_EVERY_S
        stack.check(run_active=False)
        assert stack.names == ["worker-1", "worker-2"]
    assert [one.alive for one in stack._children] == [False, False]


def test_the_name_of_a_worker_that_has_yet_to_end_is_not_given_away(tmp_path: Path) -> None:
    api = Api("w1", "w2")
    stack = Following(tmp_path, api)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(600)"
    )
    second = Child("worker-2", [sys.executable, "-c", deaf], tmp_path / "worker-2.log")
    stack._children.append(second)
    with stack:
        eventually(lambda: "deaf" in second.log_tail(), "it hears no signal", WAIT_S)
        stack.check(run_active=False)
        api.now += IDLE_S
        stack.check(run_active=False)
        assert stack.names == ["worker-1"]
        api.there, api.wanted, api.now = {"w1"}, 2, api.now + ASK_EVERY_S
        stack.check(run_active=False)
        assert stack.names == ["worker-1", "worker-3"]
        assert not any("worker-2 ended" in text for text in stack.told)
        second.wait(grace_s=0.0)  # killed
