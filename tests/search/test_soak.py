"""Does a soak say whether a rate was kept for hours, when it was not, and what drifted?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.search.answer import Capacity
from controller.search.capacity import observe, propose, start
from controller.search.goal import Goal, GoalInvalid, SignalSource, Workload
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Verdict, Window
from controller.search.quote import quote
from controller.search.signal_objectives import parse_signal_objective
from controller.search.tally import Setting
from tests.helpers.builders import a_goal
from tests.search.virtual_target import BatchingTarget, searched

RATE = 200.0
HOUR_S = 3600.0


def goal(hours: float = 4.0, **changes: object) -> Goal:
    settings = {"strategy": "soak", "low": Rate(RATE), "high": Rate(RATE)}
    return a_goal(**(settings | {"budget_s": Seconds(hours * HOUR_S)} | changes))


class Target:
    """What a minute of the soak looks like; `minute` counts from the soak's begin."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)
        self.grows_per_h = 0.0
        self.steps_at: int | None = None
        self.leaks_per_h = 0.0
        self.bad_minutes: dict[int, float] = {}
        self.stopped_in: int | None = None

    def window(self, minute: int, from_s: float) -> Window:
        noise = 1 + 0.04 * self.rng.normal()
        level = np.exp(self.grows_per_h * minute / 60) * noise
        if self.steps_at is not None and minute >= self.steps_at:
            level *= 1.4
        judged = round(RATE * 60)
        bad = round(judged * self.bad_minutes.get(minute, 0.0))
        in_flight = 5 * (1 + self.leaks_per_h * minute / 60) * (1 + 0.03 * self.rng.normal())
        return Window(
            Seconds(from_s), (judged,), (bad,), bad / judged, 0.02, 0.05 * level, in_flight,
            Rate(RATE),
        )  # fmt: skip

    def answer(self, probe: Probe, minute: int) -> Outcome:
        count = int(probe.measure_s // 60)
        windows = tuple(self.window(minute + i, 60.0 * i) for i in range(count))
        stopped = self.stopped_in is not None and minute <= self.stopped_in < minute + count
        judged = sum(w.judged[0] for w in windows)
        bad = sum(w.bad[0] for w in windows)
        fails = stopped or bad > 0.01 * judged
        measured_s = 90.0 if stopped else float(probe.measure_s)
        return Outcome(
            probe,
            Verdict.FAIL if fails else Verdict.PASS,
            "R2 backlog" if stopped else "end",
            "900 in flight and growing" if stopped else "p99 was so and so",
            Evidence(
                Rate(RATE), (judged,), (bad,), (1.0,),
                censored=stopped, measured_s=Seconds(measured_s),
            ),
            response_time=Quantiles(0.02, 0.03, 0.05),
            requests=judged,
            seconds=Seconds(probe.duration_s + 3.0),
            windows=windows,
        )  # fmt: skip


def soaked(asked: Goal, target: Target) -> tuple[Capacity, list[Probe]]:
    search, minute, probes = start(asked), 0, []
    while isinstance(step := propose(search), Probe):
        assert (step.purpose, step.rate) == ("soak", RATE)
        probes.append(step)
        search = observe(search, target.answer(step, minute))
        minute += 10
    assert isinstance(step, Capacity)
    assert search.elapsed_s <= asked.budget_s
    return step, probes


def test_a_rate_that_is_kept_for_hours_is_the_answer() -> None:
    answer, probes = soaked(goal(), Target())
    assert (answer.status, answer.exit_status) == ("answered", 0)
    assert (answer.estimate, answer.strict, answer.safe) == (RATE, RATE, RATE)
    assert (answer.low, answer.high) == (None, None)
    assert answer.reason.startswith("held 200/s for 3h5")
    assert "p99" in answer.reason
    assert "(not significant)" in answer.reason
    assert {probe.measure_s for probe in probes[:-1]} == {600.0}


def test_a_profile_goes_on_from_stretch_to_stretch_and_its_mean_is_what_was_carried() -> None:
    profile = ((0.0, 0.5), (900.0, 1.5), (900.0, 1.0), (4 * HOUR_S, 1.0))
    asked = goal(1.0, workload=Workload(profile=profile))
    answer, probes = soaked(asked, Target())
    first, second, third = probes[:3]
    begun_s = first.judged_from_s
    middle = 0.5 + 600 / 900
    assert first.profile[:3] == ((0.0, 0.5), (begun_s, 0.5), (begun_s + 900, 1.5))
    assert [at_s for at_s, _ in second.profile[:2]] == [0.0, second.judged_from_s]
    assert [ratio for _, ratio in second.profile[:2]] == pytest.approx([middle, middle])
    assert second.profile[2] == (second.judged_from_s + 300, 1.5)
    assert {ratio for _, ratio in third.profile} == {1.0}
    assert first.peak == 300.0
    counted = first.expected(begun_s, first.duration_s)
    assert counted == pytest.approx(600 * RATE * (0.5 + 300 / 900))
    assert Setting(first, asked).planned == counted
    assert answer.status == "answered"
    assert answer.estimate == pytest.approx(RATE, rel=0.001)  # a mean of 1.0 in every part of it
    assert answer.reason.startswith("held the profile of 200/s for 5")
    assert "so no trend was looked for" in answer.reason


def test_only_a_soak_has_a_profile() -> None:
    with pytest.raises(GoalInvalid, match=r"workload\.profile: belongs to strategy soak"):
        a_goal(workload=Workload(profile=((0.0, 1.0),)))


def test_a_required_rate_is_a_gate_for_a_soak() -> None:
    kept, _ = soaked(goal(1.0, require=Rate(150.0)), Target())
    assert kept.exit_status == 0
    beyond, _ = soaked(goal(1.0, require=Rate(250.0)), Target())
    assert beyond.exit_status == 1
    overloaded = Target()
    overloaded.stopped_in = 25
    broken, _ = soaked(goal(1.0, require=Rate(200.0)), overloaded)
    assert (broken.status, broken.exit_status) == ("at_most", 1)


def test_an_overload_breaks_the_soak_at_its_time() -> None:
    target = Target()
    target.stopped_in = 85
    answer, probes = soaked(goal(), target)
    assert answer.status == "at_most"
    assert answer.estimate is None
    assert "broke the SLO after 1h21min30s of soaking: 900 in flight" in answer.reason
    assert answer.binding_objective == "p99 response_time <= 150ms"
    assert len(probes) == 9


def test_one_bad_stretch_is_within_the_budget_of_hours() -> None:
    target = Target()
    target.bad_minutes = {44: 0.2}
    answer, _ = soaked(goal(), target)
    assert answer.status == "answered"


def test_two_bad_stretches_in_a_row_break_the_slo_from_the_first_on() -> None:
    target = Target()
    target.bad_minutes = {44: 0.2, 53: 0.2}
    answer, probes = soaked(goal(), target)
    assert answer.status == "at_most"
    assert "after 40min of soaking" in answer.reason
    assert len(probes) == 6


def test_bad_minutes_that_use_up_the_whole_budget_break_the_slo_when_they_do() -> None:
    """A minute of all bad in every other stretch: 1 % of four hours is 2.4 of them."""
    target = Target()
    target.bad_minutes = dict.fromkeys((5, 25, 45, 65), 1.0)
    answer, _ = soaked(goal(), target)
    assert answer.status == "at_most"
    assert "after 45min of soaking: by then the budget was spent" in answer.reason


def test_a_p99_that_grows_is_not_steady_and_the_limit_has_a_date() -> None:
    target = Target()
    target.grows_per_h = 0.113
    answer, _ = soaked(goal(), target)
    assert (answer.status, answer.exit_status) == ("no_verdict", 3)
    assert answer.estimate is None
    assert "p99 rises by 12 % an hour: at this pace the limit is reached in" in answer.reason


def test_a_latency_that_jumps_and_stays_is_told_with_its_time() -> None:
    target = Target()
    target.steps_at = 150
    answer, _ = soaked(goal(), target)
    assert answer.status == "no_verdict"
    assert "p99 rose by 4" in answer.reason
    assert "after 2h30min" in answer.reason


def test_a_leak_shows_in_what_is_in_flight() -> None:
    target = Target()
    target.leaks_per_h = 0.2
    answer, _ = soaked(goal(), target)
    assert answer.status == "no_verdict"
    assert "in flight rises by" in answer.reason


def test_a_target_that_gets_faster_is_no_worse() -> None:
    target = Target()
    target.grows_per_h = -0.1
    answer, _ = soaked(goal(), target)
    assert answer.status == "answered"
    assert "(for the better)" in answer.reason


def test_a_short_soak_says_that_no_trend_can_be_told() -> None:
    answer, _ = soaked(goal(0.1), Target())
    assert answer.status == "answered"
    assert "too short to tell a trend" in answer.reason


def test_a_budget_without_room_for_a_stretch_gives_no_verdict() -> None:
    search = start(goal(8 / HOUR_S))
    answer = propose(search)
    assert isinstance(answer, Capacity)
    assert answer.status == "no_verdict"
    assert "before the soak began" in answer.reason


def test_a_void_stretch_is_held_again_and_counts_for_nothing() -> None:
    search = start(goal())
    first = propose(search)
    assert isinstance(first, Probe)
    void = Outcome(first, Verdict.VOID, "void", "lost w1", seconds=Seconds(30.0))
    search = observe(search, void)
    again = propose(search)
    assert isinstance(again, Probe)
    assert (again.rate, again.measure_s, again.number) == (first.rate, first.measure_s, 2)


def test_hours_of_windows_stay_a_line_a_minute() -> None:
    search, target = start(goal()), Target()
    for turn in range(20):
        step = propose(search)
        assert isinstance(step, Probe)
        search = observe(search, target.answer(step, 10 * turn))
    assert len(search.strategy.windows) == 200  # type: ignore[attr-defined]


def test_a_soak_in_virtual_time_warms_up_once_and_holds() -> None:
    asked = goal(0.5, warm_up="auto", low=Rate(150.0), high=Rate(150.0))
    search, answer, outcomes = searched(asked, BatchingTarget(), 1)
    assert answer.status == "answered"
    assert [o.probe.purpose for o in outcomes] == ["warm_up", "soak", "soak", "soak"]
    assert {o.probe.rate for o in outcomes} == {150.0}
    assert sum(len(o.windows) for o in outcomes) >= 27
    assert search.elapsed_s <= asked.budget_s


def test_a_dead_target_breaks_the_soak_and_no_other_rate_is_tried() -> None:
    asked = goal(0.5, low=Rate(150.0), high=Rate(150.0))
    _, answer, outcomes = searched(asked, BatchingTarget(dead_from_s=300.0), 1)
    assert answer.status == "at_most"
    assert "failed (ConnectionRefusedError)" in answer.reason
    assert {o.probe.purpose for o in outcomes} == {"soak"}


def test_a_soak_is_quoted_at_its_rate_and_budget() -> None:
    price = quote(goal())
    assert (price.seconds, price.requests, price.probes) == (14_400.0, 2_880_000, 24)


def test_a_soak_of_two_rates_is_no_goal() -> None:
    with pytest.raises(GoalInvalid, match=r"search\.rate"):
        a_goal(strategy="soak")


def test_every_objective_has_its_own_budget_in_a_soak() -> None:
    objectives = ("p99 response_time <= 150ms", "error_ratio <= 0.1%")
    asked = goal(1.0, objectives=tuple(map(parse_objective, objectives)))
    search = start(asked)
    step = propose(search)
    assert isinstance(step, Probe)
    windows = (Window(Seconds(0.0), (1000, 1000), (5, 5), 0.005, 0.02, 0.05, 3.0, Rate(RATE)),)
    evidence = Evidence(
        Rate(RATE), (120_000,) * 2, (900, 900), (1.0, 1.0), measured_s=step.measure_s
    )
    outcome = Outcome(
        step, Verdict.PASS, "end", "", evidence, seconds=Seconds(3_598.0), windows=windows
    )
    answer = propose(observe(search, outcome))
    assert isinstance(answer, Capacity)
    assert (answer.status, answer.binding_objective) == ("at_most", objectives[1])
    assert replace(answer, reason="").gate is None


class Busy(Target):
    """A target whose signal is beyond its limit in so many seconds of every minute."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds

    def answer(self, probe: Probe, minute: int) -> Outcome:
        outcome = super().answer(probe, minute)
        evidence = outcome.evidence
        assert evidence is not None
        windows = int(probe.measure_s)
        bad = windows // 60 * self.seconds
        over = bad > 0.05 * windows
        return replace(
            outcome,
            verdict=Verdict.FAIL if over else outcome.verdict,
            reason="gpu was above 95" if over else outcome.reason,
            evidence=replace(
                evidence, judged=(*evidence.judged, windows), bad=(*evidence.bad, bad)
            ),
        )


@pytest.mark.parametrize(("seconds", "status"), [(1, "answered"), (6, "at_most")])
def test_a_soak_is_held_to_the_objectives_of_signals_too(seconds: int, status: str) -> None:
    busy = parse_signal_objective("max gpu <= 95")
    source = SignalSource(("http://127.0.0.1:9100/metrics",), (("gpu", "gpu"),))
    answer, _ = soaked(goal(1.0, signals=source, signal_objectives=(busy,)), Busy(seconds))
    assert answer.status == status
    assert "gpu was above 95" in answer.reason
    assert answer.binding_objective == (busy.text if status == "at_most" else None)
