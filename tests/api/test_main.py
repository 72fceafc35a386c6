"""Do the commands beside serve say what they found, and exit as the answer says?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from controller.__main__ import main
from controller.api.documented import goal_schema

SIMULATED = {
    "target": "sim://batch?base=20ms&per_item=2.5ms&max_batch=16",
    "slo": ["p99 response_time <= 150ms"],
    "search": {"from": "10/s", "to": "2000/s", "precision": "30%", "closing_probes": 0},
}


def goal_file(directory: Path, **changes: object) -> str:
    path = directory / "goal.yaml"
    path.write_text(yaml.safe_dump(SIMULATED | changes))
    return str(path)


def test_schema_writes_the_goal_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == goal_schema()


def test_a_simulation_tells_the_answer_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result_file = tmp_path / "result.json"
    status = main(["simulate", goal_file(tmp_path, require="1/s"), "--json", str(result_file)])
    result = json.loads(result_file.read_text())
    assert (status, result["status"], result["gate"]["met"]) == (0, "answered", True)
    assert result["goal"]["target"] == SIMULATED["target"]
    assert capsys.readouterr().out.startswith("answered: ")


DECODES = (
    "sim://decode?cap=64&token=20ms&token_per_request=0.5ms&output=20&output_cv=0.3"
    "&prompt=200&prompt_cv=0.3"
)
OF_TOKENS = ["p95 ttft <= 300ms", "p90 tpot <= 40ms", "p90 itl <= 50ms"]


def test_a_simulated_decoder_is_judged_by_the_times_of_its_tokens(tmp_path: Path) -> None:
    result_file = tmp_path / "result.json"
    rates = {"from": "5/s", "to": "200/s", "precision": "30%", "closing_probes": 0}
    goal = goal_file(tmp_path, target=DECODES, slo=OF_TOKENS, search=rates)
    assert main(["simulate", goal, "--json", str(result_file)]) == 0
    result = json.loads(result_file.read_text())
    assert result["status"] == "answered"
    assert result["binding_objective"] in OF_TOKENS
    assert 5 < result["capacity"]["estimate"] < 200
    assert {probe["verdict"] for probe in result["probes"]} == {"pass", "fail"}


def test_a_simulated_soak_replays_recorded_times_at_their_own_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "times.jsonl").write_text(
        "\n".join(json.dumps({"t_ms": 7 * k + 3 * (k % 2)}) for k in range(1000))
    )
    asked = {
        "search": {"strategy": "soak", "budget": "3min"},
        "workload": {"arrivals": {"replay": "times.jsonl", "speed": 0.5}},
    }
    assert main(["simulate", goal_file(tmp_path, **asked)]) == 0
    assert "held 71.4/s for" in capsys.readouterr().out
    asked["workload"] = {"arrivals": {"replay": "lost.jsonl"}}
    assert main(["simulate", goal_file(tmp_path, **asked)]) == 2
    said = capsys.readouterr().err
    assert "workload.arrivals: lost.jsonl: No such file or directory: give a file" in said


def test_a_simulated_target_without_tokens_refuses_objectives_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", goal_file(tmp_path, slo=["p99 ttft <= 1s"])]) == 2
    assert "cannot be judged by 'p99 ttft <= 1s'" in capsys.readouterr().out


def test_a_requirement_that_is_not_met_is_status_1(tmp_path: Path) -> None:
    assert main(["simulate", goal_file(tmp_path, require="1.9k/s")]) == 1


def test_a_wrong_goal_is_status_2_with_a_line_for_each_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = goal_file(tmp_path, serch=1, replicas=0)
    assert main(["simulate", path]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "replicas: 0: is too small: write at least 1",
        "serch: 1: unknown field 'serch': did you mean 'search'?",
    ]


@pytest.mark.parametrize(("text", "said"), [("a: [", "is not YAML"), (None, "cannot be read")])
def test_a_file_that_is_no_goal_is_status_2(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "goal.yaml"
    if text is not None:
        path.write_text(text)
    assert main(["simulate", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", goal_file(tmp_path), "--json", str(tmp_path / "no" / "x")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_report_of_no_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    assert main(["report", "nobody", "--database-url", url]) == 2
    assert "there is no run 'nobody'" in capsys.readouterr().err


def test_a_database_that_cannot_be_opened_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "r", "--database-url", "nothing://me:hunter2@host"]) == 2
    said = capsys.readouterr().err
    assert "check TONNAGE_DATABASE_URL" in said
    assert "hunter2" not in said
