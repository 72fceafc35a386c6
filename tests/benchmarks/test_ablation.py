"""Does the ablation leave out one feature at a time, and sum up rightly what that does?"""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ablation import Run, cells, goal_for, markdown, read, row_of, rows_of, write
from benchmarks.ablation_cases import CASES, PAPER, Case
from benchmarks.search.cells import Known
from benchmarks.search_truth import ARRIVALS, ERROR, KEPT, digest_of
from benchmarks.told import QUEUE, UTILISATION, Told
from contract.objectives import parse_objective
from contract.report import FleetReport, InFlight, Ledger, Tick
from controller.sim.address import parse
from controller.sim.clock import VirtualClock
from controller.sim.fleet import SimulatedFleet

KNOWN = Known(180.0, 0.2, None)


def run(**changes: Any) -> Run:
    """An answer of 171/s where the truth is 180/s."""
    plain: dict[str, Any] = {
        "case": "fifo",
        "on": True,
        "seed": 1,
        "status": "answered",
        "truth": 180.0,
        "estimate": 171.0,
        "low": 165.0,
        "high": 178.0,
        "seconds": 300.0,
        "requests": 40_000,
        "bad_requests": 900,
        "failed": 4,
        "explained": 1,
    }
    return Run(**(plain | changes))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_leaves_out_its_feature_and_nothing_else(case: Case) -> None:
    on, off = (goal_for(case, KNOWN, 3, on=each) for each in (True, False))
    assert on.features.off == ()
    assert off.features.off == (case.feature,)
    assert (on.seed, on.low, on.high) == (off.seed, off.low, off.high)
    assert (on.targets == off.targets) is not bool(case.alone)


def test_every_feature_of_the_paper_has_a_case() -> None:
    assert {case.feature for case in CASES} == set(PAPER) - {""}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_truth_of_every_case_is_kept(case: Case) -> None:
    address = parse(case.troubled.tolerant(case.url)).lasting(0.0)
    slo = [parse_objective(line) for line in case.slo]
    assert digest_of(address, slo, ARRIVALS, ERROR) in json.loads(KEPT.read_text())


def test_errors_are_of_every_estimate_and_coverage_of_the_intervals_given() -> None:
    refused = run(seed=2, status="no_verdict", estimate=198.0, low=None, high=None)
    silent = run(seed=3, status="at_most", estimate=None, low=None, high=None)
    row = row_of([run(high=181.0), run(seed=4), refused, silent])
    assert row.answered == pytest.approx(2 / 4)
    assert row.mean_abs == pytest.approx((0.05 + 0.05 + 0.10) / 3)
    assert row.bias == pytest.approx(0.0)
    assert row.too_high == pytest.approx(1 / 4)
    assert row.coverage == pytest.approx(1 / 2)
    assert row.explained == pytest.approx(1 / 4)


def test_without_any_estimate_there_is_no_error() -> None:
    row = row_of([run(status="at_most", estimate=None, low=None, high=None, failed=0)])
    assert math.isnan(row.mean_abs)
    assert "–" in cells(row)


def test_with_and_without_are_two_rows_beside_the_papers_numbers() -> None:
    rows = rows_of([run(), run(on=False)])
    assert [row.on for row in rows] == [True, False]
    assert [cells(row)[-1] for row in rows] == ["5.2%", "18.7%"]
    assert "| 18.7 % |" in markdown(rows)


def test_runs_done_before_are_read_again(tmp_path: Path) -> None:
    runs = [run(), run(on=False, estimate=None)]
    write(tmp_path / "runs.json", runs)
    assert read(tmp_path / "runs.json") == runs
    assert read(tmp_path / "none.json") == read(None) == []


def report(through_s: float, completed: int, in_flight: int) -> FleetReport:
    ticks = (Tick(round(through_s * 50), completed, 0),)
    waiting = (InFlight(0, in_flight),)
    through_ns = round(through_s * 1e9)
    return FleetReport(1, through_ns, 1, Ledger(), ticks=ticks, in_flight=waiting)


def test_a_target_tells_how_busy_it_was_in_the_last_second_and_how_many_wait() -> None:
    goal = goal_for(CASES[0], KNOWN, 1, on=True)
    clock = VirtualClock()
    fleet = SimulatedFleet(goal, target=parse(goal.targets[0]).target(1), clock=clock)
    told = Told(fleet, per_s=200.0, servers=8)
    assert asyncio.run(told.read()) == {}
    for quarter in range(1, 9):
        told.hear(report(quarter / 4, 10 if quarter <= 4 else 40, 20))
    assert asyncio.run(told.read()) == {UTILISATION: pytest.approx(160 / 200), QUEUE: 12.0}
