"""Does the gate's count tell a green run from one that only looks green?"""

from pathlib import Path

import pytest

from tools.test import Count, judge, read_junit

GREEN = Count(passed=3)
RED = Count(passed=2, failed=1)


def test_the_summary_names_skipped_tests_only_when_there_are_some() -> None:
    assert str(Count(2, 0)) == "2 passed, 0 failed"
    assert str(Count(2, 1, 4)) == "2 passed, 1 failed, 4 skipped"


def test_counts_of_several_processes_add_up() -> None:
    assert Count(1, 2, 3) + Count(10, 20, 30) == Count(11, 22, 33)


def test_failures_errors_skips_and_passes_are_told_apart(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text(
        "<testsuites><testsuite>"
        "<testcase name='a'/><testcase name='b'><system-out>hello</system-out></testcase>"
        "<testcase name='c'><failure message='no'/></testcase>"
        "<testcase name='d'><error message='fixture'/></testcase>"
        "<testcase name='e'><skipped message='macOS'/></testcase>"
        "</testsuite></testsuites>",
        encoding="utf-8",
    )
    assert read_junit(junit) == Count(passed=2, failed=2, skipped=1)


@pytest.mark.parametrize(
    ("status", "count", "judged"),
    [
        pytest.param(0, GREEN, GREEN, id="all passed"),
        pytest.param(1, RED, RED, id="one failed"),
        pytest.param(None, GREEN, Count(3, 1), id="hung after three passed"),
        pytest.param(-9, None, Count(0, 1), id="killed before it wrote results"),
        pytest.param(3, GREEN, Count(3, 1), id="pytest itself broke"),
        pytest.param(2, Count(0, 1), Count(0, 1), id="a collection error is counted once"),
        pytest.param(1, GREEN, Count(3, 1), id="failed, but no case says so"),
        pytest.param(0, RED, RED, id="passed, but a case failed"),
        pytest.param(5, Count(), Count(0, 1), id="test files without a test"),
    ],
)
def test_what_is_not_plainly_fine_is_a_failure(
    status: int | None, count: Count | None, judged: Count
) -> None:
    assert judge("main", status, count, selected=False) == judged


def test_a_selection_may_leave_a_suite_without_tests() -> None:
    assert judge("e2e", 5, Count(), selected=True) == Count()
