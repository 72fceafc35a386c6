"""Do the baselines, on simulated targets, come as near and lie as far off as is known of them?

The ranges hold what a scratch prototype measured on 40 searches for each family, and what the
published tools did on real servers; a handful of seeds must lie in them.
"""

from statistics import fmean

import pytest

from benchmarks.search.baselines.environment import Answer, Cost, Search, ask
from benchmarks.search.baselines.plrsearch import PlrSearch
from benchmarks.search.baselines.registry import BASELINES
from benchmarks.search.baselines.virtual import Question, TargetEnvironment
from controller.sim.address import parse

FIFO = "sim://fifo?servers=8&mean=40ms&cv=0.6"
BATCH = "sim://batch?base=30ms&per_item=2.5ms&max_batch=32&replicas=2"
BOUNDED = f"{FIFO}&queue_bound=24"
LIMIT_S = {FIFO: 0.2, BATCH: 0.25, BOUNDED: 0.2}
TRUTH = {FIFO: 180.5, BATCH: 559.4, BOUNDED: 187.0}
"""By benchmarks.search_truth, 500,000 arrivals a rate."""


def result(search: Search, url: str, seed: int) -> tuple[Answer, Cost]:
    truth = TRUTH[url]
    question = Question(LIMIT_S[url], 0.03 * truth, 4 * truth, 0.08 * truth + seed, budget_s=7200.0)
    target = parse(url).target(seed)
    env = TargetEnvironment(target, question, seed=seed, capacity=truth)
    return ask(search, env), env.close()


def errors(search: Search, url: str, seeds: int = 4) -> list[float]:
    """Signed, relative to the truth."""
    answers = [result(search, url, seed)[0] for seed in range(1, seeds + 1)]
    assert all(answer.rate is not None for answer in answers)
    return [(answer.rate or 0.0) / TRUTH[url] - 1 for answer in answers]


@pytest.mark.parametrize(
    ("name", "worst"),
    [
        ("mlperf_10s", 0.08),
        ("vllm_pchip", 0.13),
        ("vidur", 0.09),
        ("aiperf_monotonic", 0.09),
        ("aiperf_isotonic", 0.07),
        ("aiperf_scale", 0.07),
        ("guidellm_rate", 0.08),
        ("mutilate", 0.10),
        ("k6_ramp", 0.16),
        ("mlrsearch_10s", 0.07),
        ("probabilistic", 0.06),
        ("bisection_60s", 0.05),
        ("bisection_20s", 0.07),
        ("evalscope", 0.15),
    ],
)
@pytest.mark.parametrize("url", [FIFO, BATCH])
def test_a_baseline_is_about_as_accurate_as_it_is_known_to_be(
    name: str, worst: float, url: str
) -> None:
    assert fmean(abs(error) for error in errors(BASELINES[name].search, url)) <= worst


def test_long_probes_and_small_steps_come_near_at_their_price() -> None:
    assert abs(errors(BASELINES["mlperf_60s"].search, FIFO, seeds=1)[0]) <= 0.05
    assert abs(errors(BASELINES["linear_steps"].search, FIFO, seeds=1)[0]) <= 0.10


@pytest.mark.parametrize("seed", [15, 27])
def test_a_window_that_a_refusal_ended_is_stepped_back_from(seed: int) -> None:
    """Its percentile is infinite, for a request that failed took for ever."""
    answer, _ = result(BASELINES["aiperf_scale"].search, BOUNDED, seed)
    assert answer.rate is not None
    assert abs(answer.rate / TRUTH[BOUNDED] - 1) < 0.5


def test_plrsearch_is_accurate_given_time() -> None:
    assert abs(errors(PlrSearch(search_s=600.0), FIFO, seeds=1)[0]) <= 0.04


def test_short_trials_lie_upward() -> None:
    found = errors(BASELINES["mlrsearch_3s"].search, FIFO, seeds=6)
    assert 0.03 < fmean(found) < 0.14


def test_streams_that_wait_for_their_responses_overstate_what_open_load_can_be() -> None:
    (found,) = errors(BASELINES["guidellm_streams"].search, FIFO, seeds=1)
    assert 0.05 < found < 0.18


def test_perf_analyzer_finds_poisson_load_unstable_where_it_is_low() -> None:
    poisson, constant = (
        errors(BASELINES[name].search, FIFO, seeds=2)
        for name in ("perf_analyzer_poisson", "perf_analyzer")
    )
    assert max(poisson) < -0.6
    assert max(abs(error) for error in constant) < 0.12


@pytest.mark.parametrize("name", ["mlperf_10s", "aiperf_scale", "mlrsearch_3s", "k6_ramp"])
def test_a_seed_repeats_a_search_and_another_one_does_not(name: str) -> None:
    search = BASELINES[name].search
    assert result(search, BATCH, seed=3) == result(search, BATCH, seed=3)
    assert result(search, BATCH, seed=3)[1] != result(search, BATCH, seed=4)[1]


SLOW = ("plrsearch", "guidellm_streams")


@pytest.mark.parametrize("name", [name for name in BASELINES if name not in SLOW])
@pytest.mark.parametrize("limit_s", [0.02, 30.0])
def test_every_search_ends_where_no_rate_or_every_rate_is_carried(
    name: str, limit_s: float
) -> None:
    question = Question(limit_s, low=10.0, high=60.0, first=20.0, budget_s=3600.0)
    env = TargetEnvironment(parse(FIFO).target(1), question, seed=1)
    answer = ask(BASELINES[name].search, env)
    cost = env.close()
    assert cost.probes < 200
    assert cost.seconds <= 3600.0
    if limit_s > 1.0 and name != "perf_analyzer_poisson":
        assert answer.bound != "at_most"
    else:
        assert answer.bound != "at_least"
