"""What do tests call a goal, a probe, an outcome, when nothing about it matters but one thing?"""

from __future__ import annotations

from typing import Any

from contract.arrivals import Law
from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.search.goal import Goal, Workload
from controller.search.probe import Evidence, Outcome, Probe, Quantiles, Verdict


def a_goal(**changes: Any) -> Goal:
    """p99 below 150 ms, between 10/s and 1000/s, without warm-up."""
    workload = Workload(law=Law("constant"), timeout_s=Seconds(2.0))
    settings: dict[str, Any] = {
        "name": "toy",
        "targets": ("http://127.0.0.1:9100",),
        "objectives": (parse_objective("p99 response_time <= 150ms"),),
        "low": Rate(10.0),
        "high": Rate(1000.0),
        "workload": workload,
        "strategy": "binary",
        "warm_up": "none",
        "closing_probes": 0,
    }
    return Goal(**(settings | changes))


def a_probe(number: int = 1, rate: float = 100.0, measure_s: float = 5.0) -> Probe:
    return Probe(
        number, "search", Rate(rate), Seconds(1.0), Seconds(1.0), Seconds(measure_s), why="because"
    )


def an_outcome(number: int = 1, verdict: Verdict = Verdict.PASS, **changes: Any) -> Outcome:
    settings: dict[str, Any] = {
        "probe": a_probe(number),
        "verdict": verdict,
        "rule": "end",
        "reason": "p99 10 ms of 150 ms",
        "evidence": Evidence(Rate(100.0), (500,), (0,), (1.0,)),
        "response_time": Quantiles(0.008, 0.009, 0.01),
        "requests": 500,
        "seconds": Seconds(8.0),
    }
    return Outcome(**(settings | changes))
