"""Do the simulated targets behave as queueing theory says, however time is cut?"""

import math

import numpy as np
import pytest

from controller.sim.target import FAILED, TURNED_AWAY, Floats
from deploy.demo import truth
from tests.sim.serving import arrivals, served

BATCH = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"
TROUBLES = (
    "&stall_every=3s&stall=0.4s&speed_noise=10%&warm_up=2s&warm_up_slowdown=3"
    "&fail_ratio=2%&queue_bound=30"
)


def response_s(url: str, rate: float, count: int) -> Floats:
    sent_s = arrivals(rate, count)
    times: Floats = served(url, sent_s).ends_s - sent_s
    return times


@pytest.mark.parametrize(
    "url",
    [BATCH, BATCH + "&replicas=3" + TROUBLES, "sim://fifo?servers=4&mean=20ms&cv=1.4" + TROUBLES],
)
def test_requests_end_at_the_same_times_however_time_is_cut(url: str) -> None:
    sent_s = arrivals(230.0, 4_000)
    whole, cut = served(url, sent_s), served(url, sent_s, step_s=0.05)
    assert whole.keys.tolist() == cut.keys.tolist() == list(range(4_000))
    assert np.array_equal(whole.ends_s, cut.ends_s)
    turned_away = whole.errors == TURNED_AWAY
    assert np.array_equal(turned_away, cut.errors == TURNED_AWAY)


def test_the_mean_response_of_constant_service_is_pollaczek_and_khinchins() -> None:
    load, service_s = 0.7, 0.010
    expected_s = service_s + load * service_s / (2 * (1 - load))
    times_s = response_s("sim://fifo?servers=1&mean=10ms&cv=0", load / service_s, 200_000)
    assert float(times_s.mean()) == pytest.approx(expected_s, rel=0.02)


def test_the_responses_of_exponential_service_are_exponential() -> None:
    rate, served_per_s = 70.0, 100.0
    times_s = response_s("sim://fifo?servers=1&mean=10ms&cv=1", rate, 200_000)
    assert float(times_s.mean()) == pytest.approx(1 / (served_per_s - rate), rel=0.04)
    p99_s = math.log(100) / (served_per_s - rate)
    assert float((times_s > p99_s).mean()) == pytest.approx(0.01, rel=0.15)


def test_the_wait_for_several_servers_is_erlangs() -> None:
    servers, offered = 4, 3.0  # erlangs
    blocked = offered**servers / math.factorial(servers) * servers / (servers - offered)
    free = sum(offered**k / math.factorial(k) for k in range(servers))
    waits = blocked / (free + blocked)
    expected_s = 0.020 + waits * 0.020 / (servers - offered)
    times_s = response_s("sim://fifo?servers=4&mean=20ms&cv=1", offered / 0.020, 200_000)
    assert float(times_s.mean()) == pytest.approx(expected_s, rel=0.03)


def test_batches_end_as_in_an_independent_simulation() -> None:
    durations = truth.nominal(0.020, 0.0025, 16)
    sent_s = truth._Draw.seeded(durations, "poisson", 1, 20_000).unit_arrivals / 240.0
    expected_s = truth.response_times(durations, 240.0, count=20_000)
    mine_s = served(BATCH, sent_s).ends_s - sent_s
    assert np.allclose(mine_s, expected_s, atol=1e-6)


def test_a_lone_request_takes_a_batch_of_one() -> None:
    assert served(BATCH, np.array([1.0])).ends_s.tolist() == [pytest.approx(1.0225)]


def test_an_overloaded_batcher_completes_full_batches() -> None:
    ends_s = served(BATCH, arrivals(500.0, 5_000)).ends_s
    assert len(ends_s) / float(ends_s.max()) == pytest.approx(16 / 0.060, rel=0.01)


def test_replicas_add_up() -> None:
    ends_s = served(f"{BATCH}&replicas=2", arrivals(900.0, 5_000)).ends_s
    assert len(ends_s) / float(ends_s.max()) == pytest.approx(2 * 16 / 0.060, rel=0.01)


def test_the_capacity_of_the_documented_batcher_is_about_235_per_second() -> None:
    late = {rate: float((response_s(BATCH, rate, 200_000) > 0.150).mean()) for rate in (231, 240)}
    assert late[231] < 0.01 < late[240]


def test_who_finds_a_full_queue_is_turned_away_at_once() -> None:
    sent_s = np.concatenate(([0.0], np.full(20, 0.001)))
    batch = served(f"{BATCH}&queue_bound=5", sent_s)
    fifo = served("sim://fifo?servers=1&mean=40ms&cv=0&queue_bound=5", sent_s)
    for seen in (batch, fifo):
        away = seen.errors == TURNED_AWAY
        assert int(away.sum()) == 15
        assert float(seen.ends_s[away].max()) < 0.01


def test_nothing_is_worked_on_in_a_stall() -> None:
    url = "sim://fifo?servers=1&mean=100ms&cv=0&stall_every=10s&stall=2s"
    ends_s = served(url, np.array([9.95, 10.5, 19.0])).ends_s
    assert ends_s.tolist() == [pytest.approx(12.05), pytest.approx(12.15), pytest.approx(19.1)]


def test_work_of_the_warm_up_takes_longer() -> None:
    url = "sim://fifo?servers=1&mean=100ms&cv=0&warm_up=5s&warm_up_slowdown=4"
    sent_s = np.array([100.0, 104.9, 105.6])
    took_s = served(url, sent_s).ends_s - sent_s
    across = 0.1 + (0.1 - 0.1 / 4)  # a quarter of it done when the warm-up is over
    assert took_s.tolist() == [pytest.approx(0.4), pytest.approx(across), pytest.approx(0.1)]


def test_speed_wanders_with_the_noise_asked_for() -> None:
    sent_s = np.arange(0.0, 20_000.0, 5.0)
    ends_s = served("sim://fifo?servers=1&mean=1s&cv=0&speed_noise=5%", sent_s).ends_s
    logs = np.log(ends_s - sent_s)
    assert float(logs.std()) == pytest.approx(0.05, rel=0.1)
    after_20_s = float(np.corrcoef(logs[:-4], logs[4:])[0, 1])
    assert after_20_s == pytest.approx(math.exp(-1), abs=0.08)


def test_the_asked_part_of_the_answers_fails() -> None:
    errors = served(f"{BATCH}&fail_ratio=5%", arrivals(100.0, 20_000)).errors
    assert float((errors == FAILED).mean()) == pytest.approx(0.05, rel=0.1)
