"""Does the size check see code that is too long, and only code?"""

from pathlib import Path

from tools.sizes import FUNCTION_LINES, findings, long_functions


def function_of(lines: int) -> str:
    body = "\n".join(f"    x{number} = {number}" for number in range(lines - 1))
    return f"def f():\n{body}\n"


def test_a_function_at_the_limit_is_let_be() -> None:
    assert list(long_functions(function_of(FUNCTION_LINES))) == []


def test_a_function_over_the_limit_is_named_with_its_length() -> None:
    assert list(long_functions(function_of(FUNCTION_LINES + 1))) == [(1, "f", FUNCTION_LINES + 1)]


def test_docstring_comments_and_empty_lines_do_not_count() -> None:
    prose = '    """Why.\n\n    At length.\n    """\n\n    # And more.\n'
    text = function_of(FUNCTION_LINES).replace("def f():\n", f"def f():\n{prose}")
    assert list(long_functions(text)) == []


def test_a_string_over_many_lines_counts_as_code() -> None:
    text = "def f():\n    return '''" + "\n" * FUNCTION_LINES + "'''\n"
    assert [length for _, _, length in long_functions(text)] == [FUNCTION_LINES + 2]


def test_every_file_of_ours_is_read_as_it_lies() -> None:
    assert list(findings(Path(__file__).resolve())) == []
