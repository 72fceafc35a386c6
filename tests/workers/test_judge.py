"""Which objectives does an arrival break?"""

from __future__ import annotations

import pytest

from tests.workers.virtual import HEADER, MS, START_NS, S, judge
from workers.judge import Judge
from workers.permit import FAILED, SENT, SUCCEEDED, TIMED_OUT, Permit
from workers.recorder import Recorder


def permit_of(judging: Judge) -> Permit:
    permit = Recorder(HEADER, judging, START_NS).permit(0, 0)
    permit.start, permit.start_ns = SENT, START_NS + 2 * MS
    return permit


def decided(judging: Judge, permit: Permit, outcome: int) -> tuple[list[int], list[int]]:
    permit.outcome = outcome
    judged, bad = judging.verdict(permit)
    return bits(judged), bits(bad)


def bits(mask: int) -> list[int]:
    return [place for place in range(mask.bit_length()) if mask >> place & 1]


def test_a_request_over_the_limit_is_bad_and_one_at_the_limit_is_not() -> None:
    judging = judge("p99 response_time <= 100ms")
    for response_s, bad in ((0.1, []), (0.1001, [0])):
        permit = permit_of(judging)
        judging.request(permit, "x", (response_s, 0.0), {})
        permit.requests = 1
        assert decided(judging, permit, SUCCEEDED) == ([0], bad)


def test_each_metric_judges_its_own_time() -> None:
    metrics = ("response_time", "service_time", "ttft", "tpot", "itl", "e2e")
    judging = judge(*(f"p99 {metric} <= 100ms" for metric in metrics))
    permit = permit_of(judging)
    judging.request(permit, "x", (0.2, 0.05), {"ttft_s": 0.3, "tpot_s": 0.01, "itl_s": 0.4})
    permit.requests = 1
    assert decided(judging, permit, SUCCEEDED)[1] == [0, 2, 4, 5]


def test_a_phase_that_was_not_measured_is_not_shown_to_be_inside_the_limit() -> None:
    judging = judge("p99 ttft <= 100ms")
    permit = permit_of(judging)
    judging.request(permit, "x", (0.01, 0.01), {})
    permit.requests = 1
    assert decided(judging, permit, SUCCEEDED) == ([0], [0])


@pytest.mark.parametrize("outcome", [FAILED, TIMED_OUT])
def test_a_failure_is_bad_for_every_objective(outcome: int) -> None:
    judging = judge("p99 response_time <= 1s", "error_ratio <= 1%", "goodput >= 99%")
    permit = permit_of(judging)
    judging.request(permit, "x", (0.01, 0.01), {})
    permit.requests, permit.failed = 1, True
    assert decided(judging, permit, outcome) == ([0, 1, 2], [0, 1, 2])


def test_a_named_objective_judges_only_arrivals_that_made_such_a_request() -> None:
    judging = judge("rank: p99 response_time <= 100ms", "rank: goodput >= 99%")
    other, ranking = permit_of(judging), permit_of(judging)
    judging.request(other, "embed", (5.0, 5.0), {})
    judging.request(ranking, "rank", (5.0, 5.0), {})
    other.requests = ranking.requests = 1
    assert decided(judging, other, SUCCEEDED) == ([], [])
    assert decided(judging, ranking, SUCCEEDED) == ([0, 1], [0, 1])


def test_what_timed_out_before_any_request_ended_counts_for_named_objectives_too() -> None:
    judging = judge("rank: p99 response_time <= 100ms")
    assert decided(judging, permit_of(judging), TIMED_OUT) == ([0], [0])


def test_goodput_is_bad_for_any_latency_objective() -> None:
    judging = judge("p99 response_time <= 100ms", "goodput >= 99%", "error_ratio <= 1%")
    permit = permit_of(judging)
    judging.request(permit, "x", (0.2, 0.2), {})
    permit.requests = 1
    assert decided(judging, permit, SUCCEEDED) == ([0, 1, 2], [0, 1])


def test_age_in_flight_counts_from_due_or_from_the_start() -> None:
    judging = judge("p99 response_time <= 100ms", "p99 service_time <= 100ms", "p99 ttft <= 10ms")
    permit = permit_of(judging)
    assert bits(judging.over_limit(permit, START_NS + 100 * MS)) == []
    assert bits(judging.over_limit(permit, START_NS + 101 * MS)) == [0]
    assert bits(judging.over_limit(permit, START_NS + 103 * MS)) == [0, 1]


def test_once_a_request_has_ended_age_says_nothing_but_what_was_bad_stays_bad() -> None:
    judging = judge("p99 response_time <= 100ms", "error_ratio <= 1%")
    good, bad = permit_of(judging), permit_of(judging)
    judging.request(good, "x", (0.01, 0.01), {})
    judging.request(bad, "x", (0.2, 0.2), {})
    good.requests = bad.requests = 1
    assert bits(judging.over_limit(good, START_NS + S)) == []
    assert bits(judging.over_limit(bad, START_NS + S)) == [0]


def test_the_tightest_limit_that_age_can_break_says_when_the_oldest_is_overdue() -> None:
    judging = judge("p99 e2e <= 3s", "p50 response_time <= 1s", "p99 ttft <= 10ms")
    assert judging.overdue_s(10.0) == 1.0


@pytest.mark.parametrize("objective", ["error_ratio <= 1%", "p99 ttft <= 1s", "x: p9 e2e <= 1s"])
def test_without_such_a_limit_the_oldest_is_overdue_at_half_of_the_time_out(objective: str) -> None:
    assert judge(objective).overdue_s(10.0) == 5.0


def test_in_flight_over_any_latency_limit_is_over_for_goodput_too() -> None:
    judging = judge("goodput >= 99%", "rank: goodput >= 99%", "p99 e2e <= 100ms", "p50 e2e <= 1s")
    permit = permit_of(judging)
    assert bits(judging.over_limit(permit, START_NS + 100 * MS)) == []
    assert bits(judging.over_limit(permit, START_NS + 101 * MS)) == [0, 2]


def test_in_flight_with_a_request_that_broke_a_named_limit_is_over_for_goodput() -> None:
    judging = judge("rank: p99 e2e <= 100ms", "goodput >= 99%", "rank: goodput >= 99%")
    permit = permit_of(judging)
    judging.request(permit, "rank", (0.2, 0.2), {})
    permit.requests = 1
    assert bits(judging.over_limit(permit, START_NS + 200 * MS)) == [0, 1, 2]


def test_in_flight_with_a_failed_request_is_over_for_latency_and_goodput() -> None:
    judging = judge("p99 e2e <= 100ms", "goodput >= 99%", "rank: goodput >= 99%")
    permit = permit_of(judging)
    permit.failed = True
    assert bits(judging.over_limit(permit, START_NS)) == [0, 1]
