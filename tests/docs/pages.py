"""What is written in the documentation?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])

_CODE = re.compile(r"`([^`\n]+)`")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def rows(page: str) -> Iterator[list[str]]:
    """Cells of every row of every table."""
    for line in page.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def named(page: str) -> set[str]:
    """What stands in code marks in the first cell of a row."""
    return {code for cells in rows(page) for code in _CODE.findall(cells[0])}


def section(page: str, heading: str) -> str:
    """What follows a heading, up to the next one of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    after = page[page.index(f"{heading}\n") + len(heading) :]
    end = re.search(rf"^#{{1,{rank}}} ", after, re.MULTILINE)
    return after[: end.start()] if end else after


def blocks(page: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    return [body for lang, body in _FENCE.findall(page) if lang == language]
