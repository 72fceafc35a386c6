"""Which benchmarks are there, and what does each measure?"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def question(path: Path) -> str:
    """First line of a script's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0]


def main() -> int:
    """Scripts are those that can be started: they end in a `__main__` block."""
    folder = ROOT / "benchmarks"
    scripts = [
        path
        for path in sorted((*folder.glob("*.py"), *folder.glob("*/__main__.py")))
        if "__main__" in path.read_text(encoding="utf-8")
    ]
    if not scripts:
        print("There are no benchmarks yet.")
        return 0
    print("Each prints a table and writes JSON; run one with .venv/bin/python:")
    for path in scripts:
        print(f"  {path.relative_to(ROOT)}  {question(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
