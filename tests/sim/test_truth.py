"""Is the truth that searches are measured by true, and is the simulator what theory says?"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search_truth
from benchmarks.long_run import shares
from benchmarks.search_truth import ARRIVALS, ERROR, KEPT, Truth, simulated, truth
from contract.objectives import parse_objective
from controller.sim.address import parse
from tests.sim.serving import arrivals, served


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops are not compiled here, so a first look is at fewer arrivals."""
    monkeypatch.setattr(search_truth, "PILOT", 6_000)
    monkeypatch.setattr(search_truth, "HIGHEST", 2_000.0)


SINGLE = "sim://mm1?mean=10ms"
P99 = parse_objective("p99 response_time <= 200ms")
EXACT = 100.0 - math.log(100) / 0.200


def coarse(url: str, *slo: str, stalls: bool = True, at_s: float = 0.0) -> Truth:
    address = parse(url).lasting(at_s, stalls=stalls)
    objectives = [parse_objective(text) for text in slo or (P99.text,)]
    return simulated(address, objectives, arrivals=60_000, error=1.0, seeds=(1, 2))


def waits_at_most(wait_s: float, load: float, service_s: float) -> float:
    """P(W <= t) of M/D/1: (1 - rho) sum_k (lambda (k D - t))^k / k! e^(-lambda (k D - t)), k D <= t.

    Source: Erlang 1909, as in Tijms 2003, section 9.6.
    """
    rate = load / service_s
    terms = range(int(wait_s / service_s) + 1)
    ages = [rate * (k * service_s - wait_s) for k in terms]
    total = math.fsum(
        a**k / math.factorial(k) * math.exp(-a) for k, a in zip(terms, ages, strict=True)
    )
    return (1 - load) * total


def test_the_waits_of_constant_service_are_erlangs() -> None:
    load, service_s = 0.6, 0.010
    sent_s = arrivals(load / service_s, 300_000)
    waits_s = served("sim://fifo?servers=1&mean=10ms&cv=0", sent_s).ends_s - sent_s - service_s
    for wait_s in (1e-9, 0.005, 0.013, 0.025, 0.040):
        found = float((waits_s <= wait_s).mean())
        assert found == pytest.approx(waits_at_most(wait_s, load, service_s), abs=0.006)


def test_a_batcher_at_its_limit_completes_full_batches_of_every_replica() -> None:
    url = "sim://batch?base=30ms&per_item=2.5ms&max_batch=32&replicas=2"
    ends_s = served(url, arrivals(1_500.0, 20_000)).ends_s
    assert len(ends_s) / float(ends_s.max()) == pytest.approx(2 * 32 / 0.110, rel=0.01)


def test_the_truth_of_an_exponential_server_is_the_closed_form() -> None:
    found = coarse(SINGLE)
    assert found.capacity == pytest.approx(EXACT, rel=0.02)
    assert found.spread == pytest.approx(abs(found.by_seed[0] - found.by_seed[1]))


def test_the_long_run_share_counts_errors_and_lateness_for_every_objective() -> None:
    slo = [
        parse_objective(t)
        for t in ("p99 response_time <= 20ms", "error_ratio <= 1%", "goodput >= 9%")
    ]
    late, failed, either = shares(
        parse(SINGLE + "&fail_ratio=2%"), slo, 50.0, seed=1, arrivals=40_000
    )
    assert failed == pytest.approx(0.02, rel=0.1)
    expected = math.exp(-50.0 * 0.020)
    assert late == either == pytest.approx(expected + 0.02 * (1 - expected), rel=0.05)


def test_the_truth_is_of_a_warm_target_with_its_speed_at_the_time_asked_for() -> None:
    changing = SINGLE + "&warm_up=60s&warm_up_slowdown=50&step=-50%&step_at=100s&drift=5%"
    before, after = coarse(changing), coarse(changing, at_s=600.0)
    assert before.capacity == pytest.approx(EXACT, rel=0.02)
    speed = 0.5 * 1.05
    assert after.capacity == pytest.approx(100.0 * speed - math.log(100) / 0.2, rel=0.06)


def test_stalls_are_in_the_strict_truth_alone_and_may_leave_no_rate() -> None:
    stalling = SINGLE + "&stall_every=60s&stall=0.5s"
    tolerant, strict = coarse(stalling, stalls=False), coarse(stalling)
    assert tolerant.capacity == pytest.approx(EXACT, rel=0.02)
    assert 0.5 * EXACT < strict.capacity < 0.97 * EXACT
    assert coarse(SINGLE + "&stall_every=25s&stall=0.6s").capacity == 0.0


def test_a_limiter_is_full_where_refusals_spend_the_budget() -> None:
    found = coarse("sim://limiter?rate=100&burst=200&servers=50&mean=10ms", "error_ratio <= 10%")
    assert found.capacity == pytest.approx(100 / 0.9, rel=0.02)


def test_where_the_truth_lies_is_told_as_a_search_sees_it() -> None:
    found = Truth(100.0, 0.1, (100.0,), 1)
    assert [found.place(*ends) for ends in ((10, 200), (10, 50), (200, 900))] == [
        "inside",
        "above",
        "below",
    ]
    assert coarse("sim://fifo?servers=10&mean=1ms&cv=0", "error_ratio <= 1%").capacity == math.inf


def test_a_truth_is_kept_however_its_url_is_written(tmp_path: Path) -> None:
    kept = tmp_path / "truths.json"
    kept.write_text("{}")
    entry = {"capacity": 77.0, "standard_error": 0.1, "by_seed": [77.0], "arrivals": 5}
    found = []
    for url in (SINGLE, "sim://mm1?speed=100%&mean=0.01s&warm_up=3s&warm_up_slowdown=2"):
        digest = search_truth.digest_of(parse(url).lasting(), [P99], ARRIVALS, ERROR)
        kept.write_text(json.dumps({digest: entry}))
        found.append((digest, truth(url, P99, kept=kept).capacity))
    assert found[0] == found[1]


def test_what_is_kept_can_be_simulated_again() -> None:
    kept = json.loads(KEPT.read_text())
    singles = [
        entry
        for entry in kept.values()
        if entry["family"] == "mm1" and entry["values"]["mean"] == 0.01
    ]
    assert singles
    for entry in singles[:1]:
        again = coarse(SINGLE, *entry["slo"])
        assert again.capacity == pytest.approx(entry["capacity"], rel=0.02)
    for entry in kept.values():
        assert entry["standard_error"] <= 1.01 * entry["asked"][1] * entry["capacity"] or (
            entry["arrivals"] == 64_000_000
        )
        assert len(entry["by_seed"]) == 8
        assert np.mean(entry["by_seed"]) == pytest.approx(entry["capacity"])
