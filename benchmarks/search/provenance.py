"""Are the searches that a page counts those of the search that was frozen?

Every row keeps the commit it was searched by, with "+" where files differed from it. The search is
what lies in SEARCH; where git finds it other than at the frozen commit, the page says so.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from benchmarks.search.families import Frozen, is_commit
from benchmarks.search.found import Found

SEARCH = ("controller/search", "contract")
DIRTY = "+"
TRUTHS_ASIDE = ":(top,exclude)benchmarks/search/truths.json"
ROOT = Path(__file__).resolve().parents[2]

Differs = Callable[[str, str], bool | None]
"""Whether SEARCH is another at the second commit than at the first; None: not known."""
Origin = Literal["frozen", "other", "changed", "unknown"]

_SAYS: dict[Origin, str] = {
    "frozen": "the frozen one",
    "other": "**another**",
    "changed": "**with changes that were not committed**",
    "unknown": "not checked",
}


def differs(frozen: str, commit: str) -> bool | None:
    """By git; None where there is none, or it knows one of the commits not."""
    if not (is_commit(frozen) and is_commit(commit)):
        return None
    done = _git("diff", "--quiet", frozen, commit, "--", *SEARCH)
    return None if done is None else {0: False, 1: True}.get(done.returncode)


def code_commit() -> str:
    """The commit this code is at, DIRTY behind it where files differ; "" outside a repository.

    The kept truths grow while the benchmark runs, and make no other search.
    """
    told = _git("describe", "--always", "--abbrev=10", "--exclude=*")
    changed = _git("diff", "--quiet", "HEAD", "--", ":/", TRUTHS_ASIDE)
    if told is None or told.returncode or changed is None:
        return ""
    return told.stdout.strip() + (DIRTY if changed.returncode else "")


def _git(*words: str) -> subprocess.CompletedProcess[str] | None:
    """How git ended and what it said; None where there is none."""
    try:
        return subprocess.run(
            ("git", *words), cwd=ROOT, check=False, capture_output=True, text=True, timeout=30.0
        )
    except (OSError, subprocess.SubprocessError):
        return None


def origins(
    found: Sequence[Found], frozen: Frozen, differ: Differs = differs
) -> dict[str, dict[str, tuple[int, Origin]]]:
    """By strategy and commit: how many searches, and of which search they are."""
    counts = Counter((one.strategy, one.commit) for one in found)
    known = {commit: _origin(commit, frozen, differ) for commit in {c for _, c in counts}}
    rows: dict[str, dict[str, tuple[int, Origin]]] = {}
    for (strategy, commit), count in sorted(counts.items()):
        rows.setdefault(strategy, {})[commit] = (count, known[commit])
    return rows


def _origin(commit: str, frozen: Frozen, differ: Differs) -> Origin:
    if commit.endswith(DIRTY):
        return "changed"
    other = differ(frozen.commit, commit) if commit else None
    return "unknown" if other is None else "other" if other else "frozen"


def row(strategy: str, commit: str, count: int, origin: Origin) -> list[str]:
    """Of a table of strategies and the commits they were run by."""
    return [f"`{strategy}`", commit or "not known", f"{count:,}", _SAYS[origin]]


def sentence(strategy: str, commits: dict[str, tuple[int, Origin]]) -> str:
    """Whether the rows of a strategy are of the frozen search."""
    strange = {c: n for c, (n, origin) in commits.items() if origin in ("other", "changed")}
    unknown = {c: n for c, (n, origin) in commits.items() if origin == "unknown"}
    said = []
    if strange:
        may = any(origin == "changed" for _, origin in commits.values())
        differing = f'differs, or may (by "{DIRTY}", not committed),' if may else "differs"
        said.append(
            f"**{_rows(strange)} of `{strategy}` {_are(strange)} of a search that {differing} from "
            f"the frozen one: {_named(strange)}.**"
        )
    if unknown:
        said.append(
            f"Whether {_rows(unknown)} of `{strategy}` {_are(unknown)} of the frozen search was not "
            f"checked, for git is not here or does not know the commit: {_named(unknown)}."
        )
    whole = {commit: count for commit, (count, _) in commits.items()}
    plain = f"{_rows(whole)} of `{strategy}` {_are(whole)} of the frozen search, all there {_are(whole)}."
    return " ".join(said) or plain


def _rows(counts: dict[str, int]) -> str:
    whole = sum(counts.values())
    return f"{whole:,} {'row' if whole == 1 else 'rows'}"


def _are(counts: dict[str, int]) -> str:
    return "is" if sum(counts.values()) == 1 else "are"


def _named(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} by {commit or 'no commit'}" for commit, count in counts.items())
