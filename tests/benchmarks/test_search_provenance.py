"""Does a row say what it was searched by?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.search import provenance
from benchmarks.search.provenance import code_commit


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of a search and of truths, all committed."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for name in ("controller/search.py", "benchmarks/search/truths.json"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1\n")
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "all")):
        subprocess.run(("git", *words), cwd=tmp_path, check=True, timeout=30.0)
    return tmp_path


def test_the_commit_is_named_and_whether_files_differ_from_it(checkout: Path) -> None:
    commit = code_commit()
    assert len(commit) == 10
    (checkout / "controller/search.py").write_text("2\n")
    assert code_commit() == f"{commit}+"


def test_truths_that_were_kept_meanwhile_make_no_other_search(checkout: Path) -> None:
    commit = code_commit()
    (checkout / "benchmarks/search/truths.json").write_text("2\n")
    assert code_commit() == commit


def test_outside_a_repository_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert code_commit() == ""
