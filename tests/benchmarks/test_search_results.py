"""Are results kept, resumed and reported as they were found?"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.search import found, page, plots
from benchmarks.search.__main__ import main
from benchmarks.search.families import Frozen
from tests.helpers.a_search import a_search

HELD_OUT = Frozen("254b033004", "2026-11-24")
TINY = (
    "run",
    "--quick",
    "--families=batch",
    "--disturbances=clean",
    "--strategies=sweep,mlperf_10s",
    "--seeds=1",
    "--processes=1",
    "--interpreted",
)


def test_a_line_is_read_as_it_was_written(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    written = [a_search(1), a_search(2, estimate=None, low=None, reason="50 % of ‘them’")]
    for one in written:
        found.append(results, one)
    assert list(found.read(results)) == written


def test_of_two_lines_of_a_cell_the_last_counts() -> None:
    again = a_search(1, estimate=90.0)
    assert found.latest([a_search(1), a_search(2), again]) == [again, a_search(2)]


def test_a_line_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    found.append(results, a_search(1))
    with results.open("a") as lines:
        lines.write('{"family": "fi')
    assert list(found.read(results)) == [a_search(1)]
    found.mend(results)
    found.append(results, a_search(2))
    assert list(found.read(results)) == [a_search(1), a_search(2)]


def test_a_line_that_is_no_search_is_named(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text("nonsense\n" + found.line_of(a_search(1)) + "\n")
    with pytest.raises(ValueError, match="line 1: not a search"):
        list(found.read(results))


@pytest.mark.slow
def test_two_tiny_cells_are_run_once_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, written = tmp_path / "results.jsonl", tmp_path / "page.md"
    options = [*TINY, f"--results={results}"]
    assert main(options) == 0
    assert "2 searches" in capsys.readouterr().out
    first = results.read_bytes()
    ours, theirs = sorted(found.read(results), key=lambda one: one.strategy, reverse=True)
    assert (ours.strategy, theirs.strategy) == ("sweep", "mlperf_10s")
    assert ours.answer == theirs.answer == "answered"
    assert abs(ours.error or 1.0) < 0.1
    assert ours.requests > ours.bad_requests > 0
    assert theirs.seconds > 0
    assert main(options) == 0
    assert "0 searches" in capsys.readouterr().out
    assert results.read_bytes() == first
    written.write_text(f"# A page\n{page.BEGIN}\n{page.END}\nIts end.\n")
    images = tmp_path / "img"
    report = ["report", str(results), f"--page={written}", f"--images={images}"]
    assert main(report) == 0
    text = written.read_text()
    assert "| `sweep` | default | 1 |" in text
    assert text.startswith("# A page\n")
    assert text.endswith("Its end.\n")
    links = re.findall(r"!\[.*\]\((.*)\)", text)
    assert links
    assert all((tmp_path / link).is_file() for link in links)


def test_results_of_other_questions_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.jsonl"
    found.append(results, a_search(1))
    assert main(["report", str(results)]) == 2
    told = capsys.readouterr().err
    assert "1 searches left out: what they were asked has changed" in told
    assert "no search of today's benchmark" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["run", "--families=nobody"], "family 'nobody' is not known: known are fifo"),
        (["report", "nowhere.jsonl"], "No such file"),
        (["list", "--frozen=later"], "write the id of a commit"),
        (["target", "--strategies=guess"], "known are bayes"),
        (["--slo=fast", "--strategies=bayes"], "'fast' is not an objective"),
    ],
)
def test_a_wrong_argument_is_told_with_what_is_right(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 2
    assert told in capsys.readouterr().err


def test_a_page_without_a_place_for_results_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for results"):
        page.placed("# A page\n", "text")


def test_a_report_names_the_commits_and_what_broke() -> None:
    searches = [
        a_search(1, commit="aaaaaaaaaa"),
        a_search(2, commit="bbbbbbbbbb", status="broken", estimate=None),
        a_search(3, family="below", place="below", status="at_most", truth=70.0),
        a_search(4, disturbance="spikes", strict_truth=60.0, strict=61.0),
        a_search(5, disturbance="stall2_every30", strict_truth=0.0, strict=None, status="at_most"),
    ]
    text = page.report(searches, HELD_OUT, [])
    assert "5 searches by aaaaaaaaaa, bbbbbbbbbb; 1 of them broke; family B is drawn from" in text
    assert "| `bayes` | below | 1 | 100.0 % (20.7–100.0) |" in text
    assert "| spikes | A | 1 | 100.0 % | 1.7 % | +1.7 % | 0.0 % (0.0–79.3) |" in text
    assert "| stall2_every30 | A | 1 |" in text


def test_a_report_scores_what_was_called_safe_by_disturbance() -> None:
    searches = [
        a_search(1, safe=97.0),
        a_search(2, safe=101.0),
        a_search(3, disturbance="stall2_every30", strict_truth=0.0, safe=50.0),
    ]
    text = page.report(searches, HELD_OUT, [])
    assert "at or below the strict truth (nominal 90 %)" in text
    assert "| clean | A | 2 | 100.0 % | 50.0 % (9.5–90.5) | – |" in text
    assert "| stall2_every30 | A | 1 | – | – | 100.0 % (20.7–100.0) |" in text


def test_pictures_are_the_same_for_the_same_results(tmp_path: Path) -> None:
    searches = [
        replace(a_search(seed, strategy=strategy), estimate=100.0 + seed)
        for strategy in ("bayes", "vidur")
        for seed in (1, 2)
    ]
    drawn = {folder: plots.draw(searches, tmp_path / folder) for folder in ("one", "two")}
    assert [path.name for path in drawn["one"]] == [f"{name}.svg" for name in page.PICTURES]
    for one, two in zip(drawn["one"], drawn["two"], strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert len(one.read_bytes()) < 100_000
