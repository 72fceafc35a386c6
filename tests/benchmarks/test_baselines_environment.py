"""Does a baseline see what a client could know, and is what it costs counted?"""

import numpy as np
import pytest

from benchmarks.search.baselines.environment import BudgetSpent, Probe
from benchmarks.search.baselines.judging import judged_bad, percentile
from benchmarks.search.baselines.virtual import SLICE_S, Question, TargetEnvironment
from controller.sim.address import parse
from controller.sim.target import FAILED, FINE, Served

FIFO = "sim://fifo?servers=8&mean=40ms&cv=0.6"
BATCH = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"
BOTH = pytest.mark.parametrize("url", [FIFO, BATCH])


def environment(
    url: str = FIFO, *, seed: int = 1, budget_s: float = 10_000.0, capacity: float = 180.0
) -> TargetEnvironment:
    question = Question(limit_s=0.2, low=5.0, high=1000.0, first=20.0, budget_s=budget_s)
    return TargetEnvironment(parse(url).target(seed), question, seed=seed, capacity=capacity)


def test_poisson_gaps_are_exponential_and_constant_ones_even() -> None:
    env = environment("sim://batch?base=1ms&per_item=0ms&max_batch=1000")
    gaps_s = np.diff(env.probe(500.0, 40.0).due_s)
    assert gaps_s.mean() == pytest.approx(1 / 500, rel=0.03)
    assert gaps_s.std() == pytest.approx(1 / 500, rel=0.05)
    evenly = env.probe(100.0, 2.0, arrivals="constant")
    assert evenly.due_s == pytest.approx(np.arange(1, 201) / 100)


def test_a_burst_is_exactly_as_many_requests_as_asked_for() -> None:
    assert len(environment().burst(5001, 900.0).due_s) == 5001


@BOTH
def test_what_has_not_ended_yet_is_not_shown(url: str) -> None:
    env = environment(url)
    sent = env.probe(400.0, 10.0)
    assert not sent.ended.all()
    assert sent.end_s[sent.ended].max() <= 10.0
    assert np.isinf(sent.took_s[~sent.ended]).all()
    assert not sent.failed.any()
    env.wait(0.5)
    later = env.look(sent)
    assert sent.ended.sum() < later.ended.sum() < len(sent.due_s)
    assert (later.end_s[sent.ended] == sent.end_s[sent.ended]).all()


@BOTH
def test_finishing_waits_for_every_response_and_no_longer(url: str) -> None:
    env = environment(url)
    probe = env.finish(env.probe(400.0, 10.0))
    assert probe.ended.all()
    assert env.now_s == pytest.approx(probe.end_s.max(), abs=0.06)
    assert probe.took_s == pytest.approx(probe.end_s - probe.due_s)


def test_a_backlog_is_carried_into_the_next_probe_unless_it_is_drained() -> None:
    carried, drained = environment(), environment()
    for env in (carried, drained):
        env.probe(400.0, 10.0)
    drained.drain()
    spoilt, clean = (env.finish(env.probe(50.0, 2.0)).took_s.min() for env in (carried, drained))
    assert spoilt > 1.0 > clean


@BOTH
def test_who_may_stop_a_probe_sees_only_the_past_and_stops_it_at_once(url: str) -> None:
    env = environment(url)
    seen: list[Probe] = []

    def stop(probe: Probe) -> bool:
        seen.append(probe)
        return bool((probe.took_s[probe.ended] > env.limit_s).any())

    probe = env.probe(600.0, 60.0, stop=stop)
    assert probe.seconds == pytest.approx(len(seen) * SLICE_S)
    assert probe.seconds < 5.0
    assert all(p.end_s[p.ended].max(initial=0.0) <= p.seconds for p in seen)
    assert probe.due_s.max() <= probe.seconds


@BOTH
def test_looking_often_changes_nothing(url: str) -> None:
    watched, alone = environment(url), environment(url)
    one = watched.finish(watched.probe(150.0, 30.0, stop=lambda probe: False))
    other = alone.finish(alone.probe(150.0, 30.0))
    assert one.due_s == pytest.approx(other.due_s)
    assert one.end_s == pytest.approx(other.end_s)


def test_how_one_probe_ends_does_not_change_the_arrivals_of_the_next() -> None:
    stopped, whole = environment(), environment()
    stopped.probe(150.0, 30.0, stop=lambda probe: True)
    whole.probe(150.0, 30.0)
    assert stopped.probe(80.0, 5.0).due_s == pytest.approx(whole.probe(80.0, 5.0).due_s)


@pytest.mark.parametrize(("streams", "rate"), [(4, 100.0), (8, 200.0), (40, 200.0)])
def test_a_closed_loop_is_as_fast_as_its_streams_and_the_servers_allow(
    streams: int, rate: float
) -> None:
    env = environment("sim://fifo?servers=8&mean=40ms&cv=0")
    assert env.closed_loop(streams, 20.0).rate == pytest.approx(rate, rel=0.02)


def test_a_closed_loop_fills_the_batches_of_a_server_that_tells_no_end_ahead() -> None:
    rate = environment(BATCH).closed_loop(16, 20.0).rate
    assert rate == pytest.approx(16 / (0.020 + 16 * 0.0025), rel=0.02)


def test_all_that_was_sent_and_went_bad_is_counted_what_is_still_in_flight_too() -> None:
    env = environment()
    probes = [env.probe(rate, 10.0) for rate in (100.0, 400.0)]
    known = env.spent()
    whole = env.close()
    assert whole.sent == known.sent == sum(len(probe.due_s) for probe in probes)
    env.wait(100.0)
    bad = sum(int((env.look(probe).took_s > env.limit_s).sum()) for probe in probes)
    assert known.bad < whole.bad == bad
    assert (whole.probes, whole.seconds, whole.overload_s) == (2, 20.0, 10.0)


def test_load_that_goes_on_is_no_probe_of_its_own() -> None:
    env = environment()
    for part in range(3):
        env.probe(50.0, 2.0, continued=part > 0)
    assert env.spent().probes == 1


def test_a_search_is_over_when_its_time_is() -> None:
    env = environment(budget_s=12.0)
    env.probe(50.0, 10.0)
    with pytest.raises(BudgetSpent, match="12 s"):
        env.probe(50.0, 10.0)
    assert env.now_s == 12.0
    with pytest.raises(BudgetSpent):
        env.wait(1.0)
    assert env.spent().seconds == 12.0


def test_a_failed_request_took_for_ever() -> None:
    env = environment("sim://fifo?servers=1&mean=10ms&cv=0&queue_bound=2")
    probe = env.finish(env.probe(500.0, 5.0))
    assert probe.failed.mean() == pytest.approx(0.8, abs=0.05)
    assert np.isinf(probe.took_s[probe.failed]).all()
    assert probe.ended.all()


def test_a_yes_or_no_decides_on_which_side_of_the_limit_a_request_lies() -> None:
    served = Served(
        np.arange(4), np.array([0.1, 0.3, 0.1, 0.3]), np.array([FINE] * 3 + [FAILED], np.int8)
    )
    judge = judged_bad(lambda served, due_s: np.array([False, False, True, True]), limit_s=0.2)
    ratios = judge(served, np.zeros(4))
    assert (ratios > 1).tolist() == [False, False, True, True]
    assert ratios[0] == pytest.approx(0.5)
    assert np.isinf(ratios[3])


def test_a_percentile_is_the_upper_one_of_two_and_bears_infinity() -> None:
    assert percentile(np.arange(100.0), 0.99) == 99.0
    assert percentile(np.arange(1000.0), 0.99) == 990.0
    assert percentile(np.array([1.0, np.inf]), 0.5) == np.inf
    assert percentile(np.array([np.inf] * 5 + [1.0] * 995), 0.99) == 1.0
    assert percentile(np.empty(0), 0.99) == 0.0
