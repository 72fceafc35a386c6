"""Does an earlier result become a goal's prior, and is one of something else refused?"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tonnage.earlier import with_prior
from tonnage.errors import REJECTED, CommandError
from tonnage.goalfile import GoalFile, read

GOAL: dict[str, Any] = {
    "target": "http://127.0.0.1:9100",
    "model": "toy",
    "slo": ["p99 response_time <= 150ms"],
    "search": {"from": "10/s", "to": "2000/s"},
}
CAPACITY = {"estimate": 225.0, "low": 214.5, "high": 236.25}


def goal(folder: Path, **changes: Any) -> GoalFile:
    path = folder / "goal.yaml"
    path.write_text(yaml.safe_dump(GOAL | changes))
    return read(path)


def result(folder: Path, then: dict[str, Any] | None = None, **changes: Any) -> Path:
    document = {
        "schema_version": 1,
        "status": "answered",
        "goal": GOAL | (then or {}),
        "capacity": CAPACITY,
    }
    path = folder / "result.json"
    path.write_text(json.dumps(document | changes))
    return path


def refusal(given: GoalFile, path: Path) -> str:
    with pytest.raises(CommandError, match=r"^--prior: ") as caught:
        with_prior(given, path)
    assert caught.value.status == REJECTED
    return str(caught.value)


def test_estimate_and_interval_fill_the_goals_field(tmp_path: Path) -> None:
    before = goal(tmp_path)
    search = with_prior(before, result(tmp_path)).document["search"]
    assert search == {
        "from": "10/s",
        "to": "2000/s",
        "prior": {"estimate": "225.000000/s", "low": "214.500000/s", "high": "236.250000/s"},
    }
    assert "prior" not in before.document["search"]


def test_an_estimate_without_an_interval_is_enough(tmp_path: Path) -> None:
    path = result(tmp_path, capacity=CAPACITY | {"low": None}, status="no_verdict")
    search = with_prior(goal(tmp_path), path).document["search"]
    assert search["prior"] == {"estimate": "225.000000/s"}


def test_a_port_or_name_that_changed_does_not_matter(tmp_path: Path) -> None:
    path = result(tmp_path, {"target": ["http://127.0.0.1:1"], "name": "before"})
    assert "prior" in with_prior(goal(tmp_path), path).document["search"]


@pytest.mark.parametrize("estimate", [None, 0.0, "225/s", True])
def test_one_without_an_estimate_is_refused(tmp_path: Path, estimate: object) -> None:
    path = result(tmp_path, capacity=CAPACITY | {"estimate": estimate}, status="at_least")
    assert "ended 'at_least' without an estimate" in refusal(goal(tmp_path), path)


@pytest.mark.parametrize(
    ("then", "says"),
    [
        ({"model": "other"}, "its model was other, the goal's is toy"),
        ({"model": None}, "its model was not named, the goal's is toy"),
        ({"target": "sim://batch"}, "its target was simulated, the goal's is served"),
        ({"replicas": 4}, "its number of replicas was 4, the goal's is 1"),
    ],
)
def test_one_of_something_else_is_refused(tmp_path: Path, then: dict[str, Any], says: str) -> None:
    assert says in refusal(goal(tmp_path), result(tmp_path, then))


def test_two_priors_are_one_too_many(tmp_path: Path) -> None:
    given = goal(tmp_path, search=GOAL["search"] | {"prior": "200/s"})
    assert "has a search.prior of its own" in refusal(given, result(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"capacity": 3}', "\xff"])
def test_what_is_no_result_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(text.encode("latin-1"))
    assert "give what --json of an earlier search wrote" in refusal(goal(tmp_path), path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "absent.json: No such file" in refusal(goal(tmp_path), tmp_path / "absent.json")
