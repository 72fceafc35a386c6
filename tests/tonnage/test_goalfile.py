"""Does a goal file become the document a controller accepts, and is a broken one refused?"""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.bundle import unpacked
from tonnage.errors import REJECTED, CommandError
from tonnage.goalfile import MAX_GOAL_BYTES, GoalFile, read

GOAL: dict[str, Any] = {
    "name": "ranker",
    "target": "http://127.0.0.1:9100",
    "slo": ["p99 response_time <= 150ms"],
    "search": {"from": "10/s", "to": "200/s"},
}


def written(folder: Path, **more: object) -> GoalFile:
    path = folder / "goal.yaml"
    path.write_text(yaml.safe_dump({**GOAL, **more}))
    return read(path)


def refusal(path: Path) -> str:
    with pytest.raises(CommandError) as caught:
        read(path)
    assert caught.value.status == REJECTED
    return str(caught.value)


def test_a_goal_is_read_as_it_stands(tmp_path: Path) -> None:
    goal = written(tmp_path)
    assert goal.document == GOAL
    assert goal.artefacts == {}


def test_a_goal_in_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "goal.json"
    path.write_text('{"name": "ranker", "search": {"from": "10/s"}}')
    assert read(path).document == {"name": "ranker", "search": {"from": "10/s"}}


@pytest.mark.parametrize("user", ["mine.py", "users/mine.py", "./mine"])
def test_a_user_that_is_a_path_is_relative_to_the_goal_file(tmp_path: Path, user: str) -> None:
    goal = written(tmp_path, workload={"user": user})
    assert goal.document["workload"]["user"] == str((tmp_path / user).resolve())


def test_a_user_that_is_a_name_stays_a_name(tmp_path: Path) -> None:
    assert written(tmp_path, workload={"user": "kserve_v2"}).document["workload"] == {
        "user": "kserve_v2"
    }


def test_a_recording_goes_along_under_its_hash(tmp_path: Path) -> None:
    recording = tmp_path / "recorded.jsonl"
    recording.write_bytes(b'{"body": "a"}\n')
    sha256 = hashlib.sha256(recording.read_bytes()).hexdigest()
    goal = written(tmp_path, workload={"requests": "recorded.jsonl", "user": "plain_http"})
    assert goal.document["workload"] == {"requests": sha256, "user": "plain_http"}
    assert goal.artefacts == {sha256: recording.resolve()}


def test_a_hash_of_an_artefact_that_is_uploaded_already_stays(tmp_path: Path) -> None:
    goal = written(tmp_path, workload={"requests": "a" * 64})
    assert goal.document["workload"]["requests"] == "a" * 64
    assert goal.artefacts == {}


def test_recorded_times_go_along_under_their_hash(tmp_path: Path) -> None:
    times = tmp_path / "times.jsonl"
    times.write_bytes(b"1\n2\n")
    sha256 = hashlib.sha256(times.read_bytes()).hexdigest()
    goal = written(tmp_path, workload={"arrivals": {"replay": "times.jsonl", "speed": 2}})
    assert goal.document["workload"] == {"arrivals": {"replay": sha256, "speed": 2}}
    assert goal.artefacts == {sha256: times.resolve()}
    other = {"arrivals": {"mmpp": {"dispersion": 20, "burst": 9}}}
    assert written(tmp_path, workload=other).document["workload"] == other


def test_an_authority_goes_along_under_its_hash(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(b"-----BEGIN CERTIFICATE-----")
    sha256 = hashlib.sha256(authority.read_bytes()).hexdigest()
    goal = written(tmp_path, workload={"connections": {"ca": "ca.pem", "most": 4}})
    assert goal.document["workload"] == {"connections": {"ca": sha256, "most": 4}}
    assert goal.artefacts == {sha256: authority.resolve()}


def test_an_authority_that_is_not_there_is_refused_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "goal.yaml"
    path.write_text(yaml.safe_dump({**GOAL, "workload": {"connections": {"ca": "no.pem"}}}))
    assert "workload.connections.ca: 'no.pem'" in refusal(path)
    assert "give a PEM file relative to the goal file" in refusal(path)


def test_the_key_changes_with_the_recording(tmp_path: Path) -> None:
    recording = tmp_path / "recorded.jsonl"
    recording.write_bytes(b'{"body": "a"}\n')
    before = written(tmp_path, workload={"requests": "recorded.jsonl"})
    again = written(tmp_path, workload={"requests": "recorded.jsonl"})
    recording.write_bytes(b'{"body": "b"}\n')
    after = written(tmp_path, workload={"requests": "recorded.jsonl"})
    assert before.key == again.key != after.key


def test_what_the_controller_says_of_a_recording_names_the_file(tmp_path: Path) -> None:
    recording = tmp_path / "recorded.jsonl"
    recording.write_bytes(b"{\n")
    goal = written(tmp_path, workload={"requests": "recorded.jsonl"})
    said = f"workload.requests: {goal.document['workload']['requests']}: line 1: not JSON"
    assert goal.in_its_words(said) == f"workload.requests: {recording.resolve()}: line 1: not JSON"


def test_a_recording_that_is_not_there_is_named_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "goal.yaml"
    path.write_text(yaml.safe_dump({**GOAL, "workload": {"requests": "lost.jsonl"}}))
    message = refusal(path)
    assert "workload.requests" in message
    assert "'lost.jsonl'" in message
    assert "relative to the goal file" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: [a", "not YAML"),
        (b"- a\n- b\n", "a goal is a mapping"),
        (b"", "a goal is a mapping"),
        (b"name: \xff\xfe", "not UTF-8"),
        (b"name: !!python/object/apply:os.getcwd []", "not YAML"),
        (b"#" * (MAX_GOAL_BYTES + 1), "over 1 MiB"),
    ],
)
def test_what_is_no_goal_is_refused_in_one_line(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "goal.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert expected in message
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1


def test_a_goal_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yaml") == f"{tmp_path / 'none.yaml'}: No such file or directory"


def test_a_workload_that_is_no_mapping_is_left_to_the_controller(tmp_path: Path) -> None:
    assert written(tmp_path, workload="kserve_v2").document["workload"] == "kserve_v2"


def a_folder(folder: Path) -> Path:
    load = folder / "load"
    (load / "sub").mkdir(parents=True)
    (load / "locustfile.py").write_text("import sub.helper\n")
    (load / "sub" / "helper.py").write_text("X = 1\n")
    (load / "__pycache__").mkdir()
    (load / "__pycache__" / "helper.pyc").write_bytes(b"x")
    (load / ".env").write_text("SECRET=1")
    (load / "out.py").symlink_to("/etc/hosts")
    return load


def test_the_folder_of_a_bundle_goes_along_as_one_zip_without_what_is_hidden(
    tmp_path: Path,
) -> None:
    a_folder(tmp_path)
    goal = written(tmp_path, workload={"user": "locustfile.py", "bundle": "load"})
    ((sha256, data),) = goal.bundles.items()
    assert goal.document["workload"] == {"user": "locustfile.py", "bundle": sha256}
    assert sorted(unpacked(data)) == ["locustfile.py", "sub/helper.py"]
    assert hashlib.sha256(data).hexdigest() == sha256


def test_a_bundle_that_was_uploaded_before_is_named_by_its_hash(tmp_path: Path) -> None:
    goal = written(tmp_path, workload={"user": "locustfile.py", "bundle": "a" * 64})
    assert goal.document["workload"]["bundle"] == "a" * 64
    assert goal.bundles == {}


def test_a_bundle_of_no_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "goal.yaml"
    path.write_text(yaml.safe_dump({**GOAL, "workload": {"user": "a.py", "bundle": "nowhere"}}))
    assert "workload.bundle: 'nowhere': no such folder" in refusal(path)


def test_a_user_that_is_a_path_goes_along_with_the_hash_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "load.py").write_text("x = 1\n")
    workload = written(tmp_path, workload={"user": "load.py"}).document["workload"]
    assert workload["user_sha256"] == hashlib.sha256(b"x = 1\n").hexdigest()
