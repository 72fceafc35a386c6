"""How many tests passed and failed, over the pytest processes that the suite needs?

`import locust` patches its whole process, so worker tests have one of their own; end-to-end
tests start real processes and have theirs. Output streams as it comes. The last line is
`N passed, N failed`, with `, N skipped` when tests were; a process that crashed, hung or found
no test counts as a failure.

    tools/test.py [main] [workers] [e2e] [-- PYTEST ARGUMENTS]
"""

import os
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = {
    "main": ("tests", "--ignore=tests/workers", "--ignore=tests/e2e"),
    "workers": ("tests/workers",),
    "e2e": ("tests/e2e",),
}
SUITE_TIMEOUT_S = 900.0
GRACE_S = 20.0
OK, TESTS_FAILED, NO_TESTS = 0, 1, 5


@dataclass(frozen=True, slots=True)
class Count:
    """Tests by outcome; `failed` includes errors outside the test itself."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def has_tests(suite: str) -> bool:
    """True when the suite's own folders hold a test file."""
    own = "tests" if suite == "main" else f"tests/{suite}"
    others = [] if suite != "main" else [ROOT / "tests" / name for name in SUITES]
    files = (ROOT / own).rglob("test_*.py")
    return any(not any(other in file.parents for other in others) for file in files)


def read_junit(path: Path) -> Count:
    """Count the cases of a JUnit file; raises OSError or ParseError when there is no whole one."""
    passed = failed = skipped = 0
    for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314 - our own file
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return Count(passed, failed, skipped)


def run_pytest(arguments: list[str]) -> int | None:
    """Exit status of pytest in a session of its own, or None when it had to be ended."""
    process = subprocess.Popen(
        (sys.executable, "-m", "pytest", *arguments),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(SUITE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt pytest, so that its fixtures stop what they started; then whatever is left."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(GRACE_S)


def judge(suite: str, status: int | None, count: Count | None, *, selected: bool) -> Count:
    """Turn how a process ended into counts: what is not plainly fine is a failure.

    `selected`: the person chose among the tests, so finding none of a suite is fine.
    """
    if status is None:
        complaint = f"not done after {SUITE_TIMEOUT_S:.0f} s"
    elif count is None:
        complaint = f"exit {status} and no results"
    elif status == NO_TESTS and selected:
        return count
    elif status == NO_TESTS:
        complaint = "found no test"
    elif status not in {OK, TESTS_FAILED}:
        complaint = f"exit {status}"
    elif (status == OK) != (count.failed == 0):
        complaint = f"exit {status}, yet its results say {count}"
    else:
        return count
    print(f"{suite}: {complaint}", flush=True)
    known = count or Count()
    return known if known.failed else known + Count(failed=1)


def run_suite(suite: str, extra: list[str]) -> Count:
    print(f"==> tests: {suite}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tonnage-tests-") as folder:
        junit = Path(folder) / "junit.xml"
        status = run_pytest([*SUITES[suite], f"--junitxml={junit}", *extra])
        try:
            count = read_junit(junit)
        except (OSError, ET.ParseError):
            count = None
    return judge(suite, status, count, selected=bool(extra))


def main(arguments: list[str]) -> int:
    names, extra = arguments, []
    if "--" in arguments:
        split = arguments.index("--")
        names, extra = arguments[:split], arguments[split + 1 :]
    if unknown := set(names) - set(SUITES):
        print(f"test: no suite {sorted(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    total = Count()
    for suite in names or SUITES:
        if has_tests(suite):
            total += run_suite(suite, extra)
        else:
            print(f"==> tests: {suite}: no test files", flush=True)
    if total.passed == 0 and total.failed == 0:
        print("no test passed", flush=True)
        total += Count(failed=1)
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
