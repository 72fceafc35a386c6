"""Does every baseline do what its tool does, where nothing is left to chance?"""

from collections.abc import Mapping

import numpy as np
import pytest

from benchmarks.search.baselines.environment import Answer, Search, ask
from benchmarks.search.baselines.evalscope import Evalscope
from benchmarks.search.baselines.guidellm import GuideLlmStreams
from benchmarks.search.baselines.loss_fit import FITS, Fit, Posterior, Trial
from benchmarks.search.baselines.mlperf import MlPerf
from benchmarks.search.baselines.mlrsearch import MlrSearch
from benchmarks.search.baselines.mutilate import Mutilate
from benchmarks.search.baselines.perf_analyzer import PerfAnalyzer
from benchmarks.search.baselines.plrsearch import PlrSearch
from benchmarks.search.baselines.registry import BASELINES
from benchmarks.search.baselines.vanguard import Vanguard
from benchmarks.search.baselines.vidur import Vidur
from benchmarks.search.baselines.vllm_pchip import VllmPchip
from tests.benchmarks.step_environment import PER_STREAM, StepEnvironment

RESOLUTION: Mapping[str, tuple[float, float]] = {
    "perf_analyzer": (0.03, 0.0),
    "perf_analyzer_poisson": (0.03, 0.0),
    "mlperf_10s": (0.001, 0.0),
    "mlperf_60s": (0.001, 0.0),
    "vllm_pchip": (0.004, 0.0),
    "vidur": (0.025, 0.0),
    "aiperf_monotonic": (0.05, 0.0),
    "aiperf_isotonic": (0.05, 0.0),
    "aiperf_scale": (0.10, 0.0),
    "guidellm_rate": (0.10, 0.0),
    "guidellm_streams": (0.10, 0.0),
    "mutilate": (0.03, 0.0),
    "k6_ramp": (0.0, 0.02),
    "linear_steps": (0.07, 0.0),
    "mlrsearch_3s": (0.02, 0.0),
    "mlrsearch_10s": (0.02, 0.0),
    "plrsearch": (0.0, 0.015),
    "probabilistic": (0.01, 0.01),
    "bisection_60s": (0.025, 0.0),
    "bisection_20s": (0.025, 0.0),
    "evalscope": (0.004, 0.0),
    "vanguard": (0.50, 0.0),
}
"""How far below and above the truth an answer may lie, by the tool's own precision."""

EVERY = pytest.mark.parametrize("name", BASELINES)
SHORT_PLR = PlrSearch(search_s=300.0)


def searched(name: str) -> Search:
    return SHORT_PLR if name == "plrsearch" else BASELINES[name].search


@pytest.mark.parametrize("truth", [301.3, 466.0])
@EVERY
def test_every_baseline_finds_the_truth_within_its_resolution(name: str, truth: float) -> None:
    env = StepEnvironment(truth, steep=name != "plrsearch")
    answer = ask(searched(name), env)
    below, above = RESOLUTION[name]
    assert answer.rate is not None
    assert truth * (1 - below) <= answer.rate <= truth * (1 + above)
    assert not answer.bound


@EVERY
def test_a_truth_above_the_range_ends_as_such_or_is_found(name: str) -> None:
    env = StepEnvironment(5000.0)
    answer = ask(searched(name), env)
    assert answer.rate is not None
    assert answer.bound != "at_most"
    assert answer.rate >= 0.98 * env.high or name == "mutilate"
    assert len(env.rates) < 500


@EVERY
def test_a_truth_below_the_range_ends_as_such_or_is_found(name: str) -> None:
    env = StepEnvironment(5.0)
    answer = ask(searched(name), env)
    assert answer.rate is not None
    assert answer.bound != "at_least"
    assert answer.bound == "at_most" or answer.rate <= 1.1 * env.first
    assert len(env.rates) < 500


@EVERY
def test_a_search_whose_time_is_over_has_no_answer(name: str) -> None:
    env = StepEnvironment(301.3, budget_s=4.5)
    assert ask(searched(name), env) == Answer(None, note="spent")


@EVERY
def test_every_setting_of_the_grid_is_another_search(name: str) -> None:
    baseline = BASELINES[name]
    settings = baseline.settings()
    assert len({repr(search) for search in settings.values()}) == len(settings) >= 3
    assert all(type(search) is type(baseline.search) for search in settings.values())


def test_every_baseline_has_a_title_of_its_own_and_a_source() -> None:
    assert len({baseline.title for baseline in BASELINES.values()}) == len(BASELINES)
    assert all(baseline.source for baseline in BASELINES.values())


@pytest.mark.parametrize(("low", "published"), [(100.0, 550.0), (50.0, 762.5)])
def test_vanguard_stops_after_its_first_overshoot_as_published(
    low: float, published: float
) -> None:
    env = StepEnvironment(774.0, low=low, high=1000.0)
    assert Vanguard(epsilon=0.05).find(env) == Answer(published)


def test_mlperf_doubles_until_it_fails_and_halves_from_there() -> None:
    env = StepEnvironment(301.3)
    MlPerf().find(env)
    assert env.rates[:7] == [40.0, 80.0, 160.0, 320.0, 240.0, 280.0, 300.0]


def test_vllm_asks_for_everything_first_and_for_one_a_second_next() -> None:
    env = StepEnvironment(301.3)
    VllmPchip().find(env)
    assert env.rates[:2] == [65_536.0, 1.0]
    assert all(rate == int(rate) for rate in env.rates)


def test_vidur_moves_its_upper_end_while_it_passes_close_to_it() -> None:
    env = StepEnvironment(301.3)
    Vidur().find(env)
    assert env.rates[:5] == [40.0, 60.0, 70.0, 115.0, 137.5]


def test_evalscope_runs_every_rate_three_times() -> None:
    env = StepEnvironment(301.3)
    Evalscope().find(env)
    assert env.rates[:9] == [40.0] * 3 + [80.0] * 3 + [160.0] * 3


def test_guidellm_as_shipped_doubles_streams_from_four() -> None:
    env = StepEnvironment(301.3)
    GuideLlmStreams().find(env)
    assert [rate / PER_STREAM for rate in env.rates] == [4, 8, 16, 32, 24, 28, 30]


def test_mutilate_reports_the_peak_when_that_is_within_the_limit() -> None:
    env = StepEnvironment(1e4)
    answer = Mutilate(connections=64).find(env)
    assert answer.rate == pytest.approx(640.0, rel=0.03)
    assert len(env.rates) == 1


def test_perf_analyzer_needs_three_stable_windows_and_ends_on_a_bad_one() -> None:
    env = StepEnvironment(301.3)
    PerfAnalyzer().find(env)
    assert env.rates[:6] == [20.0] * 3 + [1000.0] * 3
    assert env.now_s == pytest.approx(len(env.rates) * 6.0, rel=0.05)


def test_mlrsearch_stops_repeating_when_the_rest_cannot_change_the_verdict() -> None:
    env = StepEnvironment(301.3)
    MlrSearch(trial_s=3.0, sum_s=60.0, exceed=0.5).find(env)
    assert max(env.rates.count(rate) for rate in env.rates) == 11


def test_plrsearch_makes_its_trials_a_little_longer_each_time() -> None:
    env = StepEnvironment(301.3, steep=False)
    began_s: list[float] = []
    send = env.probe

    def noted(rate: float, seconds: float) -> object:
        began_s.append(seconds)
        return send(rate, seconds)

    env.probe = noted  # type: ignore[assignment, method-assign]
    SHORT_PLR.find(env)
    assert began_s == pytest.approx([5.1 + 0.1 * k for k in range(len(began_s))])
    assert env.rates[:2] == [510.0, 1000.0]


@pytest.mark.parametrize("fit", FITS)
def test_a_fitted_loss_grows_to_what_is_offered_beyond_the_most_received(fit: Fit) -> None:
    load = np.linspace(1.0, 5000.0, 500)
    loss = fit(load, np.array(1000.0), np.array(50.0))
    assert (np.diff(loss) >= 0).all()
    assert (loss > 0).all()
    assert loss[0] < 1e-6
    assert loss[-1] == pytest.approx(4000.0, rel=1e-6)


@pytest.mark.parametrize("losses", ["poisson", "geometric"])
@pytest.mark.parametrize("fit", FITS)
def test_the_critical_load_is_inferred_from_poisson_losses(fit: Fit, losses: str) -> None:
    random = np.random.default_rng(5)
    most, spread, target = np.array(400_000.0), np.array(20_000.0), 0.01
    loads = np.linspace(300_000.0, 460_000.0, 60)
    expected = 1000 * fit(loads, most, spread) / loads
    trials = [
        Trial(load, 1000, int(random.poisson(mean)))
        for load, mean in zip(loads, expected, strict=True)
    ]
    posterior = Posterior(fit, 1e6, target, losses)
    for known in (5, 15, 30):
        posterior.estimate(trials[:known], 1e4)
    mean, deviation = posterior.estimate(trials, 1e4)
    fine = np.linspace(300_000.0, 460_000.0, 100_000)
    critical = fine[np.searchsorted(fit(fine, most, spread) / fine, target)]
    assert abs(mean - critical) < 3 * deviation
    assert 0.001 * critical < deviation < 0.02 * critical
