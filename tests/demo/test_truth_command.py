"""Does the truth command read what a server measured, and refuse what it cannot answer?"""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.batching import Stalls, Timing
from deploy.demo.served_model import main
from deploy.demo.truth_command import Question, TruthError, ask, fetch, load, truth, words

TIMING = Timing(0.020, 0.0025, 16)
QUESTION = Question("p99 response_time <= 150ms", 0.150, 0.01, count=50_000)
SETTINGS = {
    "base_s": 0.020,
    "per_item_s": 0.0025,
    "max_batch": 16,
    "queue_bound": 4096,
    "stall_every_s": 0.0,
    "stall_s": 0.0,
    "fail_ratio": 0.0,
}


def document(slower: float = 1.0, **settings: float) -> dict[str, object]:
    by_size = {
        str(n): {"samples_us": [round(slower * (20_000 + 2_500 * n))] * 40} for n in range(1, 17)
    }
    return {
        "settings": {**SETTINGS, **settings},
        "warm_batches": 640,
        "by_size": by_size,
        "delivery": {"samples_us": [300]},
    }


def answered(**settings: Any) -> dict[str, Any]:
    return truth(QUESTION, TIMING, document(**settings))


def test_the_measured_truth_stands_beside_the_nominal_one() -> None:
    answer = answered(slower=1.2)
    assert answer["measured"]["estimate"] < 0.87 * answer["nominal"]["estimate"]
    assert answer["measured"]["batches"] == 640
    assert answer["nominal"]["strict"] == answer["nominal"]["estimate"]


def test_without_a_server_only_the_nominal_truth_is_told() -> None:
    answer = truth(QUESTION, TIMING, None)
    assert answer["measured"] is None
    assert words(answer).splitlines()[0] == "p99 response_time <= 150ms, poisson arrivals"
    assert words(answer).splitlines()[1].endswith("take 20ms + 2.5ms per request")


def test_the_settings_of_the_server_stand_before_the_flags() -> None:
    answer = truth(QUESTION, Timing(0.5, 0.1, 2), document())
    assert (answer["base_s"], answer["max_batch"]) == (0.020, 16)


def test_stalls_part_the_strict_truth_from_the_estimate() -> None:
    stalled = Timing(0.020, 0.0025, 16, stalls=Stalls(25.0, 0.4))
    answer: dict[str, Any] = truth(QUESTION, stalled, None)
    assert answer["nominal"]["estimate"] > 200
    assert answer["nominal"]["strict"] == 0.0
    assert "(strict 0.0/s)" in words(answer)


def test_failures_on_purpose_use_up_the_budget() -> None:
    half, all_of_it = answered(fail_ratio=0.005), answered(fail_ratio=0.02)
    assert 0 < half["nominal"]["estimate"] < answered()["nominal"]["estimate"]
    assert all_of_it["nominal"]["estimate"] == 0.0


def test_a_queue_bound_that_would_matter_is_not_ignored() -> None:
    with pytest.raises(TruthError, match="raise it above 40"):
        truth(QUESTION, Timing(0.020, 0.0025, 16, queue_bound=39), None)


def test_an_objective_without_a_limit_in_seconds_has_no_truth() -> None:
    with pytest.raises(TruthError, match="ask for a quantile of response_time"):
        ask("error_ratio <= 1%", "poisson", 1)
    with pytest.raises(ValueError, match="is not a metric"):
        ask("p99 latency <= 150ms", "poisson", 1)


def test_an_objective_is_read_as_limit_and_budget() -> None:
    question = ask("p95 response_time <= 80ms", "constant", 3)
    assert (question.limit_s, question.arrivals, question.seed) == (0.080, "constant", 3)
    assert question.budget == pytest.approx(0.05)


def test_a_saved_document_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "durations.json"
    path.write_text(json.dumps(document()))
    assert load(path) == document()


@pytest.mark.parametrize("text", ["", "[]", '{"by_size": {}}'])
def test_a_file_without_durations_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "durations.json"
    path.write_text(text)
    with pytest.raises(TruthError, match=r"save it from a server's /durations"):
        load(path)


@pytest.mark.parametrize("url", ["127.0.0.1:9100", "file:///etc/passwd"])
def test_an_address_that_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(TruthError, match="is no server"):
        fetch(url)


def test_broken_durations_are_refused_by_name() -> None:
    broken = document()
    broken["settings"] = {name: value for name, value in SETTINGS.items() if name != "base_s"}
    with pytest.raises(TruthError, match=r"lack settings\.base_s"):
        truth(QUESTION, TIMING, broken)
    broken = {**document(), "by_size": {"4": {"samples_us": ["fast"]}}}
    with pytest.raises(TruthError, match="not 'fast'"):
        truth(QUESTION, TIMING, broken)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--host", "example.org"], "--allow-remote"),
        (["--stall", "1s"], "--stall-every"),
        (["--warm-up", "1s"], "--warm-up-slowdown"),
        (["--truth", "p99 lateness <= 1s"], "lateness"),
        (["--truth", "p99 response_time <= 1s", "--durations", "/nonexistent"], "cannot read"),
    ],
)
def test_a_wrong_command_ends_with_a_sentence_and_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert says in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--base", "20"], "number and a unit"),
        (["--port", "70000"], "0 to 65535"),
        (["--max-batch", "0"], "whole number"),
        (["--of", "http://a", "--durations", "b"], "not allowed with"),
    ],
)
def test_a_wrong_flag_is_named(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err
