"""Does every end have the exit status that scripts depend on, and no end a traceback?"""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.helpers.processes import ROOT
from tests.tonnage.documents import result
from tonnage import __main__ as command
from tonnage import searching
from tonnage.errors import ABORTED, FAILED, REJECTED, CommandError
from tonnage.redis_server import free_port
from tonnage.signals import Interrupted

GOAL = """
name: ranker
target: http://127.0.0.1:9100
slo: [p99 response_time <= 150ms]
search: {from: 10/s, to: 200/s}
"""


def tonnage(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "tonnage", *argv),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4, 130])
def test_the_status_is_the_one_of_the_result(status: int) -> None:
    console = Console(file=io.StringIO())
    assert searching.finish(console, result(exit_status=status), None) == status


def test_the_result_is_written_whole_where_it_was_asked_for(tmp_path: Path) -> None:
    path, console = tmp_path / "result.json", Console(file=io.StringIO())
    searching.finish(console, result(reason="5 % – naïve"), path)
    assert json.loads(path.read_text(encoding="utf-8")) == result(reason="5 % – naïve")


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (CommandError("wrong", REJECTED), REJECTED),
        (CommandError("gone"), FAILED),
        (Interrupted("SIGINT"), ABORTED),
        (KeyboardInterrupt(), ABORTED),
        (PermissionError(13, "Permission denied", "/data"), FAILED),
    ],
)
def test_an_error_ends_in_its_status_and_one_sentence(
    raised: BaseException,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(command, "app", fail)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == status
    told = capsys.readouterr().err
    assert "Traceback" not in told
    if isinstance(raised, CommandError):
        assert told == f"tonnage: {raised}\n"


def test_a_goal_that_is_not_there_is_rejected_before_anything_starts(tmp_path: Path) -> None:
    done = tonnage("search", str(tmp_path / "none.yaml"), "--local")
    assert done.returncode == REJECTED
    assert "none.yaml: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Redis" not in done.stdout


@pytest.mark.parametrize("where", ["missing/result.json", ""])
def test_a_result_that_cannot_be_written_is_refused_before_minutes_are_spent(
    tmp_path: Path, where: str
) -> None:
    with pytest.raises(CommandError, match=r"--json: .* is not a file in an existing folder"):
        searching.check_writable(tmp_path / where)


def test_a_controller_that_does_not_answer_is_named(tmp_path: Path) -> None:
    (tmp_path / "goal.yaml").write_text(GOAL)
    url = f"http://127.0.0.1:{free_port()}"
    done = tonnage("search", str(tmp_path / "goal.yaml"), "--controller", url)
    assert done.returncode == FAILED
    assert f"no controller answers at {url}" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_targets_are_allowed_where_the_controller_is_started(tmp_path: Path) -> None:
    (tmp_path / "goal.yaml").write_text(GOAL)
    allow = ("--allow-target", "ranker:8000")
    done = tonnage(
        "search", str(tmp_path / "goal.yaml"), "--controller", "http://127.0.0.1:1", *allow
    )
    assert done.returncode == REJECTED
    assert "--allow-target goes with --local" in done.stderr


def test_an_option_that_is_none_is_a_usage_error() -> None:
    assert tonnage("search", "--nonsense").returncode == 2
