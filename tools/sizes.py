"""Is any file or function too long to be read at once?

A file has at most 400 lines (300 is the aim), a function at most 40 of code: its docstring,
comments and empty lines do not count.
"""

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES = 400
FUNCTION_LINES = 40
SOURCES = ("*.py", "*.ts", "*.tsx", "*.css", "*.html", "*.sh", "*.lua", "Makefile", ".ci/run")
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> list[Path]:
    """Files that git tracks, or would; without git, all Python files outside hidden folders."""
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *SOURCES)
    try:
        names = subprocess.run(
            listing, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60.0
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**/*.py")]
    return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())


def code_lines(text: str) -> set[int]:
    """Numbers of the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def docstring_lines(function: Function) -> set[int]:
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None or first.end_lineno is None:
        return set()
    return set(range(first.lineno, first.end_lineno + 1))


def long_functions(text: str) -> Iterator[tuple[int, str, int]]:
    """Line, name and length of every function over the limit."""
    code = code_lines(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function) and node.end_lineno is not None:
            body = code & set(range(node.lineno, node.end_lineno + 1)) - docstring_lines(node)
            if len(body) > FUNCTION_LINES:
                yield node.lineno, node.name, len(body)


def findings(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    if (lines := len(text.splitlines())) > FILE_LINES:
        yield f"{name}: {lines} lines; at most {FILE_LINES}"
    if path.suffix == ".py":
        for line, function, length in long_functions(text):
            yield f"{name}:{line}: {function} has {length} lines of code; at most {FUNCTION_LINES}"


def main() -> int:
    found = [finding for path in sources() for finding in findings(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
