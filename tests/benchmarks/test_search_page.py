"""Does the page say which search its rows are of, and which settings it lacks?"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search import page, provenance, tables
from benchmarks.search.families import Frozen, frozen
from tests.helpers.a_search import a_search

HELD_OUT = Frozen("254b033004", "2026-11-24")
SAME, OTHER, STRANGER = "aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"
BEST = {"vidur": "requests=4000", "plrsearch": "default"}


def differs(_: str, commit: str) -> bool | None:
    return {SAME: False, OTHER: True}.get(commit)


def test_the_page_names_the_commit_that_froze_the_search() -> None:
    text = page.report([a_search(commit=SAME)], HELD_OUT, [], differs)
    known = frozen()
    assert f"The search was frozen at commit {known.commit[:10]} of {known.date}." in text
    assert "1 row of `bayes` is of the frozen search, all there is." in text
    assert f"| `bayes` | {SAME} | 1 | the frozen one |" in text


def test_rows_of_another_search_are_counted_by_commit_in_a_sentence() -> None:
    rows = [a_search(seed, commit=SAME) for seed in (1, 2)]
    rows += [a_search(seed, commit=OTHER) for seed in (3, 4, 5)]
    text = page.report(rows, HELD_OUT, [], differs)
    said = f"3 rows of `bayes` are of a search that differs from the frozen one: 3 by {OTHER}."
    assert said in text
    assert f"| `bayes` | {SAME} | 2 | the frozen one |" in text
    assert f"| `bayes` | {OTHER} | 3 | **another** |" in text


def test_a_row_by_code_that_was_not_committed_is_flagged_whatever_its_commit() -> None:
    text = page.report([a_search(commit=f"{SAME}+")], HELD_OUT, [], differs)
    assert "1 row of `bayes` is of a search that differs, or may (by" in text
    assert f"from the frozen one: 1 by {SAME}+." in text
    assert "all there is" not in text


def test_rows_whose_commit_git_does_not_know_are_said_not_to_be_checked() -> None:
    rows = [a_search(1, commit=STRANGER), a_search(2, commit="")]
    text = page.report(rows, HELD_OUT, [], differs)
    assert "Whether 2 rows of `bayes` are of the frozen search was not checked" in text
    assert f"1 by no commit, 1 by {STRANGER}" in text
    assert f"| `bayes` | {STRANGER} | 1 | not checked |" in text


def test_rows_of_baselines_are_of_no_search_of_ours() -> None:
    rows = [a_search(commit=SAME), a_search(strategy="vidur", commit=OTHER)]
    assert "differs from the frozen one" not in page.report(rows, HELD_OUT, [], differs)


def test_without_git_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.differs(SAME, OTHER) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.differs(SAME, OTHER) is None
    assert provenance.differs(SAME, "--output=x") is None


def test_the_best_setting_of_a_baseline_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "tuned", lambda: BEST)
    rows = [
        a_search(strategy="vidur"),
        a_search(strategy="vidur", setting="requests=4000"),
        a_search(strategy="plrsearch"),
    ]
    text = tables.strategies(rows, "clean", "A")
    assert "| `vidur` | default | 1 |" in text
    assert "| `vidur` | requests=4000 (best) | 1 |" in text
    assert "| `plrsearch` | default (best) | 1 |" in text


def test_under_a_table_it_says_whose_best_setting_or_default_was_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = "The best setting was not run of `vidur` (requests=4000)."
    default, best = a_search(strategy="vidur"), a_search(strategy="vidur", setting="requests=4000")
    assert page.unshown([default, a_search(strategy="plrsearch")], BEST) == lacking
    assert page.unshown([best], BEST) == "The default was not run of `vidur`."
    assert page.unshown([default, best, a_search()], BEST) == ""
    monkeypatch.setattr(page, "tuned", lambda: BEST)
    assert f"|\n\n{lacking}\n\n" in page.report([default, a_search()], HELD_OUT, [], differs)
