"""Does the code keep the rules that a machine can check?

Runs the checkers side by side and prints what they found in a fixed order; nothing is printed of
one that found nothing but its name and time. Any finding makes the exit status 1.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPED = (
    "contract",
    "controller",
    "workers",
    "tonnage",
    "locustfiles",
    "deploy",
    "benchmarks",
    "tools",
    "tests",
)
CHECK_TIMEOUT_S = 600.0
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One checker and the arguments that Python starts it with."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a checker said; `status` is its exit status, -1 when it did not end in time."""

    check: Check
    status: int
    output: str
    seconds: float


def checks() -> list[Check]:
    """Slowest first, so that two at once end soonest."""
    typed = tuple(name for name in TYPED if any((ROOT / name).rglob("*.py")))
    lint_imports = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    return [
        Check("types (mypy --strict)", ("-m", "mypy", *typed)),
        Check("import rules", ("-c", lint_imports)),
        Check("style (ruff)", ("-m", "ruff", "check", "--quiet", ".")),
        Check("format (ruff; make format)", ("-m", "ruff", "format", "--check", "--quiet", ".")),
        Check("sizes", ("tools/sizes.py",)),
        Check("spelling (codespell)", ("-m", "codespell_lib", ".")),
    ]


def run(check: Check) -> Result:
    started_s = time.monotonic()
    try:
        done = subprocess.run(
            (sys.executable, *check.command),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        status, output = -1, f"not done after {CHECK_TIMEOUT_S:.0f} s\n"
    return Result(check, status, output, time.monotonic() - started_s)


def main() -> int:
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for result in pool.map(run, checks()):
            verdict = "ok" if result.status == 0 else "FAILED"
            print(f"{verdict:7}{result.check.name} ({result.seconds:.1f} s)", flush=True)
            if result.status != 0:
                failed.append(result.check.name)
                print(result.output.rstrip() or f"exit status {result.status}", flush=True)
    if failed:
        print(f"lint: failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
