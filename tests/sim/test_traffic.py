"""Is the load as bursty as a URL says, and is a search's answer about that very load?"""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.long_run import shares
from benchmarks.search_truth import digest_of
from contract.arrivals import Law, Schedule
from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.errors import GoalRefused
from controller.run.conductor import conduct
from controller.search.goal import Goal
from controller.search.probe import Probe, Verdict
from controller.sim.address import parse
from controller.sim.run import Simulation, simulate
from controller.sim.traffic import Traffic
from controller.sim.trouble import Trouble
from tests.sim.offering import BATCH, goal_for

GAMMA, SWITCHING = Traffic(cv=2.0), Traffic(swing=0.8, tau_s=2.0)
LIMIT = parse_objective("p99 response_time <= 150ms")


def schedule(seconds: float = 2000.0, seed: int = 1) -> Schedule:
    return Schedule(Law("poisson"), seed, 1, Rate(100.0), Seconds(seconds))


def times(traffic: Traffic, of: Schedule) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    chunks = list(traffic.chunks(of))
    assert [first for first, _ in chunks] == list(
        np.cumsum([0, *(len(due) for _, due in chunks[:-1])])
    )
    return np.concatenate([due for _, due in chunks]) / 1e9


def dispersion(due_s: np.ndarray[tuple[int], np.dtype[np.float64]], width_s: float) -> float:
    """Variance over mean of the counts in spans of `width_s`: 1 for Poisson arrivals."""
    counts = np.bincount((due_s / width_s).astype(int))[:-1]
    return float(counts.var() / counts.mean())


@pytest.mark.parametrize("traffic", [Traffic(), GAMMA, SWITCHING], ids=["as is", "gamma", "mmpp"])
def test_over_a_long_time_as_many_arrive_in_order_and_within_the_probe(traffic: Traffic) -> None:
    due_s = times(traffic, schedule())
    assert len(due_s) == pytest.approx(200_000, rel=0.03)
    assert np.all(np.diff(due_s) >= 0)
    assert due_s[0] >= 0
    assert due_s[-1] < 2000.0


def test_traffic_that_is_not_bursty_is_the_schedule_itself() -> None:
    assert times(Traffic(), schedule(20.0)) == pytest.approx(schedule(20.0).times() / 1e9)


def test_gamma_gaps_have_their_coefficient_of_variation() -> None:
    for due_s in (times(GAMMA, schedule()), GAMMA.due_s(100.0, 200_000, (1, 2))):
        gaps = np.diff(due_s)
        assert gaps.std() / gaps.mean() == pytest.approx(2.0, rel=0.05)


def test_a_switching_rate_has_the_dispersion_of_its_process() -> None:
    """Over spans far longer than tau: 1 + r swing^2 tau, at 100/s 1 + 100 * 0.64 * 2 = 129."""
    for due_s in (times(SWITCHING, schedule(8000.0)), SWITCHING.due_s(100.0, 800_000, (1, 2))):
        assert dispersion(due_s, 40.0) == pytest.approx(129, rel=0.3)
        assert dispersion(due_s, 0.01) < 2.0  # within a state they are Poisson


def test_probes_and_seeds_have_bursts_of_their_own() -> None:
    one, other = (times(SWITCHING, schedule(20.0, seed)) for seed in (1, 2))
    assert one == pytest.approx(times(SWITCHING, schedule(20.0, 1)))
    assert len(one) != len(other) or not np.allclose(one, other)


def test_burstier_arrivals_are_worse_for_the_target() -> None:
    """At 200/s, 85 % of what it carries of Poisson arrivals."""
    plain, gamma, switching = (
        shares(parse(BATCH + more), [LIMIT], 200.0, seed=1, arrivals=200_000)[0]
        for more in ("", "&arrivals_cv=2", "&arrivals_swing=80%")
    )
    assert plain < 0.001
    assert 0.01 < gamma < switching


def test_an_exponential_server_under_gamma_gaps_answers_as_the_closed_form_says() -> None:
    """GI/M/1 (Kendall 1953): P(T > t) = exp(-mu (1 - s) t), where s = E exp(-mu (1 - s) gap)."""
    mu, rate, shape, limit_s = 100.0, 50.0, 0.25, 0.15
    s = 0.5
    for _ in range(200):
        s = (1 + mu * (1 - s) / (shape * rate)) ** -shape
    (found,) = shares(
        parse("sim://mm1?mean=10ms&arrivals_cv=2"), [LIMIT], rate, seed=1, arrivals=400_000
    )
    assert found == pytest.approx(math.exp(-mu * (1 - s) * limit_s), rel=0.1)


def test_kept_truths_know_the_traffic_and_are_as_they_were_without() -> None:
    plain, same, bursty = (
        digest_of(parse(BATCH + more), [LIMIT], 1000, 0.01)
        for more in ("", "&arrivals_cv=1", "&arrivals_cv=2")
    )
    assert plain == same != bursty


def test_a_wrong_parameter_of_the_traffic_is_named() -> None:
    with pytest.raises(GoalRefused, match="arrivals_swing"):
        parse(f"{BATCH}&arrivals_swing=99%")


def question(url: str, seed: int = 1) -> Goal:
    return goal_for(
        url,
        strategy="bayes",
        warm_up="none",
        low=Rate(20.0),
        high=Rate(800.0),
        precision=0.2,
        closing_probes=0,
        seed=seed,
    )


@pytest.mark.anyio
async def test_a_search_under_bursty_arrivals_finds_a_smaller_capacity() -> None:
    estimates = []
    for more in ("", "&arrivals_cv=2"):
        capacity = (await simulate(question(BATCH + more), conduct=conduct)).view.capacity
        assert capacity is not None
        assert capacity.estimate is not None
        estimates.append(capacity.estimate)
    assert estimates[1] < 0.95 * estimates[0]


async def with_workers_up_to(per_s: float, seed: int) -> Simulation:
    def trouble_of(probe: Probe) -> Trouble:
        return Trouble(saturates_per_s=per_s)

    return await simulate(question(BATCH, seed), conduct=conduct, trouble_of=trouble_of)


@pytest.mark.anyio
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("per_s", [50.0, 150.0, 300.0])
async def test_workers_that_saturate_void_probes_and_judge_nothing_they_could_not_send(
    per_s: float, seed: int
) -> None:
    """They start so many at most, one after the other; the target carries 235/s."""
    done = await with_workers_up_to(per_s, seed)
    verdicts = [(d.outcome.probe.rate, d.outcome.verdict) for d in done.view.probes]
    assert all(verdict is not Verdict.FAIL for _, verdict in verdicts)
    assert all(rate < 0.8 * per_s for rate, verdict in verdicts if verdict is Verdict.PASS)
    assert [verdict for _, verdict in verdicts[-3:]] == [Verdict.VOID] * 3
    capacity = done.view.capacity
    assert capacity is not None
    assert (capacity.status, capacity.exit_status) == ("no_verdict", 3)
    assert (capacity.low, capacity.high) == (None, None)
    assert "workers cannot keep up" in capacity.reason


@pytest.mark.anyio
async def test_workers_that_can_start_four_times_the_capacity_do_not_disturb_the_answer() -> None:
    capacity = (await with_workers_up_to(1000.0, 1)).view.capacity
    assert capacity is not None
    assert capacity.status == "answered"
    assert capacity.estimate == pytest.approx(235.7, rel=0.1)
