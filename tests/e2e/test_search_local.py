"""Does one command bring everything up, answer, and leave nothing behind, however it ends?"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import START_S, Target, goal, searching, until_gone

END_S = 100.0
CHILDREN = 4
"""Redis, controller and two workers."""

QUANTILES = {"p50_ms", "p90_ms", "p99_ms"}
FIELDS = {
    *("schema_version", "run", "goal", "seed", "versions", "status", "reason", "capacity", "gate"),
    *("binding_objective", "knee", "calibration", "fingerprint", "warm_up", "spikes", "generator"),
    *("probes", "cost"),
}
CAPACITY = {"estimate", "low", "high", "strict", "safe", "unit", "requests_per_arrival"}
GENERATOR = {"send_lag_p99_ms", "shed", "missed", "void_probes"}
PROBE = {
    *("rate", "offered_per_s", "sent_per_s", "achieved_per_s", "requests", "bad_requests"),
    *("metrics", "verdict", "reason", "seconds"),
}
COST = {"seconds", "requests", "bad_requests"}


def has_every_field(result: dict[str, Any]) -> bool:
    probes = result["probes"]
    return (
        result.keys() >= FIELDS
        and result["capacity"].keys() >= CAPACITY
        and result["generator"].keys() >= GENERATOR
        and result["cost"].keys() >= COST
        and all(probe.keys() >= PROBE for probe in probes)
        and all(probe["metrics"]["response_time"].keys() >= QUANTILES for probe in probes)
    )


def test_a_search_answers_with_an_interval_and_a_whole_result(
    target: Target, tmp_path: Path
) -> None:
    path, before = tmp_path / "result.json", target.answered()
    with searching(tmp_path, goal(target.url), "--local", "--json", str(path)) as program:
        assert program.ended(END_S) == 0, program.told("exit status")
        until_gone(program.family(), program)
        told = program.output()
    result = json.loads(path.read_text())
    assert result["status"] == "answered"
    assert has_every_field(result)
    capacity, probes = result["capacity"], result["probes"]
    assert capacity["low"] < capacity["estimate"] < capacity["high"]
    assert {probe["verdict"] for probe in probes} >= {"pass", "fail"}
    assert result["generator"]["void_probes"] == sum(p["verdict"] == "void" for p in probes)
    assert result["cost"]["requests"] >= sum(p["requests"] for p in probes)
    asked_before_the_search = 1
    assert result["cost"]["requests"] == target.answered() - before - asked_before_the_search
    assert "90 % between" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_signal_stops_the_load_and_takes_everything_down(
    number: signal.Signals, status: int, target: Target, tmp_path: Path
) -> None:
    path, enough = tmp_path / "result.json", target.answered() + 50
    with searching(tmp_path, goal(target.url), "--local", "--json", str(path)) as program:
        program.until(lambda: target.answered() > enough, "load is offered", START_S)
        family = program.family()
        assert len(family) == CHILDREN, program.told(str(family))
        program.send(number)
        assert program.ended(START_S) == status, program.told("exit status")
        until_gone(family, program)
        told = program.output()
    assert target.is_left_alone()
    assert "Traceback" not in told
    if number == signal.SIGINT:
        assert json.loads(path.read_text())["status"] == "aborted"
        assert "aborted" in told
