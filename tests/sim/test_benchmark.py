"""Can the benchmark of the search be believed: does it count honestly?"""

import pytest

from benchmarks.search import Run, row_of


def a_run(seed: int, estimate: float | None, bounds: tuple[float, float] | None) -> Run:
    return Run(
        strategy="bayes",
        seed=seed,
        status="answered" if estimate else "no_verdict",
        reason="",
        estimate=estimate,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        seconds=100.0 * seed,
        requests=1000,
        bad_requests=10 * seed,
        probes=9,
        void_probes=0,
        wall_s=1.0,
    )


def test_a_row_counts_errors_over_answers_and_costs_over_all_runs() -> None:
    runs = [
        a_run(1, 110.0, (95.0, 120.0)),
        a_run(2, 90.0, (85.0, 98.0)),
        a_run(3, 101.0, (90.0, 103.0)),
        a_run(4, None, None),
    ]
    row = row_of(runs, 100.0)
    assert row.unanswered == 0.25
    assert row.mean_abs == pytest.approx((0.10 + 0.10 + 0.01) / 3)
    assert row.bias == pytest.approx(0.01 / 3)
    assert row.too_high == pytest.approx(1 / 3)
    assert row.coverage == pytest.approx(2 / 3)
    assert (row.seconds, row.bad_requests) == (250.0, 25.0)
