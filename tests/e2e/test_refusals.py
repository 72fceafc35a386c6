"""Is a goal that cannot be run refused before any load, with the field, the value and the fix?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Document, Stack, Target, goal, searching
from tonnage.redis_server import free_port

REJECTED = 2
START_S = 30.0


def refused(stack: Stack, document: Document) -> list[Document]:
    """The faults of a goal that the controller does not take."""
    answer = stack.post(document)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    faults: list[Document] = answer.json()["errors"]
    return faults


@pytest.mark.parametrize(
    ("changes", "field", "value", "fix"),
    [
        ({"sarch": {}}, "sarch", "", "did you mean 'search'?"),
        ({"search": {"from": "0/s"}}, "search.from", "0/s", "above zero"),
        ({"search": {"from": "500/s"}}, "search.from", "500/s", "is not below search.to"),
        ({"slo": ["p101 response_time <= 1s"]}, "slo.0", "p101 response_time <= 1s", "p99"),
        ({"workload": {"timeout": "10 parsecs"}}, "workload.timeout", "10 parsecs", "ms, s, min"),
        ({"workload": {"user": "kserve_v3"}}, "workload.user", "kserve_v3", "'kserve_v2'"),
        (
            {"target": "http://example.com:80"},
            "target.0",
            "http://example.com:80",
            "--allow-target",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_a_fix(
    stack: Stack, target: Target, changes: dict[str, Any], field: str, value: str, fix: str
) -> None:
    (fault,) = refused(stack, goal(target.url, **changes))
    assert fault["field"] == field
    assert value in fault["value"]
    assert fix in fault["fix"]


def test_all_faults_are_told_at_once_and_the_command_exits_with_2(
    stack: Stack, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("class Broken(:\n    pass\n")
    document = goal(
        target.url, workload={"user": "mine.py"}, slo=["p99 respons_time <= 1s"], spykes=[]
    )
    with searching(tmp_path, document, "--controller", stack.url) as program:
        assert program.ended(START_S) == REJECTED
        told = program.output()
    for field in ("workload.user", "slo.0", "spykes"):
        assert field in told
    assert "syntax error in line 1" in told
    assert "response_time" in told
    assert "Traceback" not in told


def rejected(stack: Stack, document: Document) -> str:
    """The reason why a goal that reads well ends in preflight."""
    view = stack.until_ended(stack.begin(document), START_S)
    assert view["status"] == "rejected", stack.program.told(str(view["reason"]))
    assert view["exit_status"] == REJECTED
    assert view["probes"] == []
    assert "Traceback" not in view["reason"]
    return str(view["reason"])


def test_a_target_that_does_not_answer_is_rejected(stack: Stack) -> None:
    port = free_port()
    assert f"127.0.0.1:{port}" in rejected(stack, goal(f"http://127.0.0.1:{port}"))


def test_a_model_that_is_not_served_is_rejected_without_load(stack: Stack, target: Target) -> None:
    before = target.answered()
    reason = rejected(stack, goal(target.url, model="tyo"))
    assert "tyo" in reason
    assert "404" in reason
    assert target.answered() == before


def test_a_locustfile_that_does_not_import_on_the_workers_is_rejected_without_load(
    stack: Stack, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("import a_module_nobody_has\n")
    before = target.answered()
    reason = rejected(stack, goal(target.url, workload={"user": str(tmp_path / "mine.py")}))
    assert "mine.py" in reason
    assert "a_module_nobody_has" in reason
    assert target.answered() == before


def test_a_recording_with_a_broken_line_is_refused_by_its_name(
    stack: Stack, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "recorded.jsonl").write_text('{"body": {}}\n{"path": \n')
    document, before = goal(target.url, workload={"requests": "recorded.jsonl"}), target.answered()
    with searching(tmp_path, document, "--controller", stack.url) as program:
        assert program.ended(START_S) == REJECTED
        told = program.output()
    assert "workload.requests: " in told
    assert "recorded.jsonl: line 2: not JSON at column 10" in told
    assert "Traceback" not in told
    assert target.answered() == before
