"""Does one standing stack serve the searches of others, and go down as a whole?"""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.e2e.scene import START_S, Stack, Target, goal, searching, standing, until_gone
from tests.helpers.processes import command_line

GATE_NOT_MET = 1


def test_a_search_on_a_controller_that_runs_already_fails_its_gate(
    stack: Stack, target: Target, tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    document = goal(target.url, require="390/s")
    options = ("--controller", stack.url, "--json", str(path))
    with searching(tmp_path, document, *options) as program:
        assert program.ended(90) == GATE_NOT_MET, program.told("exit status")
        assert "require: " in program.output()
    result = json.loads(path.read_text())
    assert result["status"] == "answered"
    assert result["gate"]["met"] is False
    assert result["capacity"]["safe"] < result["gate"]["require"]
    assert stack.program.alive


def test_a_term_signal_takes_everything_down_and_no_password_was_shown(tmp_path: Path) -> None:
    with standing(tmp_path) as stack:
        family = stack.program.family()
        assert len(family) == 4, stack.program.told(str(family))
        shown = "\n".join(command_line(process) for process in family)
        stack.program.send(signal.SIGTERM)
        assert stack.program.ended(START_S) == 0
        until_gone(family, stack.program)
        shown += "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    conf = (tmp_path / "data" / "redis.conf").read_text()
    password = conf.partition("requirepass ")[2].split()[0]
    assert password not in shown
