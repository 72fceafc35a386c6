"""Does a simulated target get an answer in virtual time, with nothing started?"""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.scene import goal, written
from tests.helpers.processes import running

SIMULATED = "sim://batch?base=10ms&per_item=5ms&max_batch=8"


def test_a_simulated_target_is_searched_in_virtual_time(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    document = goal(SIMULATED, model=None)
    argv = ("tonnage", "simulate", written(tmp_path, document), "--json", str(path))
    with running("simulate", argv, tmp_path) as program:
        assert program.ended(45) == 0, program.told("exit status")
        told = program.output()
    result = json.loads(path.read_text())
    assert result["status"] == "answered"
    assert result["capacity"]["low"] < 160 < 2 * result["capacity"]["high"]
    assert f"{result['capacity']['estimate']:.0f}"[:2] in told


def test_a_real_target_is_refused_with_the_command_to_use(tmp_path: Path) -> None:
    argv = ("tonnage", "simulate", written(tmp_path, goal("http://127.0.0.1:9100")))
    with running("simulate", argv, tmp_path) as program:
        assert program.ended(30) == 2
        told = program.output()
    assert "target.0" in told
    assert "tonnage search" in told
    assert "Traceback" not in told
