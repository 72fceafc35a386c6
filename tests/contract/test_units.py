"""Are quantities read as written, written as read, and refused with the fix?"""

import math

import pytest

from contract.units import (
    UnitError,
    format_duration,
    format_rate,
    format_ratio,
    parse_duration,
    parse_rate,
    parse_ratio,
)

NOT_TEXT = [None, 5, 0.25, True, b"5s", ["5s"]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20us", 20e-6),
        ("250ms", 0.25),
        ("150ms", 0.15),
        ("1.5s", 1.5),
        ("10s", 10.0),
        ("5min", 300.0),
        ("2h", 7200.0),
        ("1h30min", 5400.0),
        ("1h 30min", 5400.0),
        (" 250 ms ", 0.25),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_read_exactly(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("10/s", 10.0),
        ("1.2k/s", 1200.0),
        ("90/min", 1.5),
        ("3M/h", 3e6 / 3600),
        ("10 / s", 10.0),
    ],
)
def test_a_rate_is_read_as_arrivals_per_second(text: str, per_second: float) -> None:
    assert parse_rate(text) == per_second


@pytest.mark.parametrize(
    ("text", "ratio"),
    [("0.1%", 0.001), ("99.9%", 0.999), ("0%", 0.0), ("100%", 1.0), ("8 %", 0.08)],
)
def test_a_percentage_is_read_as_a_part_of_one(text: str, ratio: float) -> None:
    assert parse_ratio(text) == ratio


def test_a_refused_duration_names_itself_and_the_fix() -> None:
    with pytest.raises(UnitError) as refused:
        parse_duration("250 parsecs")
    assert str(refused.value) == (
        "'250 parsecs' is not a duration: write a number and a unit of us, ms, s, min or h, "
        "such as 250ms"
    )


@pytest.mark.parametrize(
    "text",
    [
        *NOT_TEXT,
        "",
        "5",
        "s",
        "-1s",
        "+1s",
        "nan",
        "nans",
        "infs",
        "1e3s",
        "5m",
        "1,5s",
        "9" * 400 + "s",
    ],
)
def test_what_is_not_a_duration_is_refused(text: object) -> None:
    with pytest.raises(UnitError, match=r"is not a duration: .*such as 250ms"):
        parse_duration(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["30min1h", "1s1s", "5ms2s"])
def test_units_of_a_duration_come_longest_first_and_once(text: str) -> None:
    with pytest.raises(UnitError, match="longest first, such as 1h30min"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", [*NOT_TEXT, "", "10", "10/", "/s", "-1/s", "nan/s", "inf/s", "10rps", "10/ms", "1K/s"]
)
def test_what_is_not_a_rate_is_refused(text: object) -> None:
    with pytest.raises(UnitError, match=r"is not a rate: .*such as 10/s"):
        parse_rate(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0/s", "0.0k/h"])
def test_a_rate_of_zero_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="must be above zero"):
        parse_rate(text)


@pytest.mark.parametrize("text", [*NOT_TEXT, "0.001", "0.1", "1", "-1%", "101%", "nan%", "%"])
def test_a_ratio_without_its_sign_or_outside_one_is_refused(text: object) -> None:
    with pytest.raises(UnitError, match=r"is not a ratio: .*such as 0\.1%"):
        parse_ratio(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (20e-6, "20us"),
        (0.25, "250ms"),
        (0.0123456, "12.35ms"),
        (0.99999, "1s"),
        (1.5, "1.5s"),
        (59.9999, "1min"),
        (90.0, "1min30s"),
        (300.0, "5min"),
        (5400.0, "1h30min"),
        (3599.99, "1h"),
        (86400.0, "24h"),
    ],
)
def test_a_duration_is_written_in_the_unit_a_person_would_choose(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, "0/s"), (0.0251, "0.0251/s"), (236.4, "236/s"), (1200.0, "1.2k/s"), (999.9, "1k/s")],
)
def test_a_rate_is_written_to_three_digits(rate: float, text: str) -> None:
    assert format_rate(rate) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.0, "0%"),
        (0.001, "0.1%"),
        (0.08, "8%"),
        (0.99, "99%"),
        (0.99999, "99.999%"),
        (1.0, "100%"),
    ],
)
def test_a_ratio_close_to_one_is_not_rounded_to_all(ratio: float, text: str) -> None:
    assert format_ratio(ratio) == text


@pytest.mark.parametrize("exponent", range(-6, 6))
@pytest.mark.parametrize("digits", [1.0, 2.5, 3.14159, 9.9949])
def test_what_is_written_is_read_back_within_its_digits(exponent: int, digits: float) -> None:
    amount = digits * 10.0**exponent
    assert parse_duration(format_duration(amount)) == pytest.approx(amount, rel=1e-3)
    assert parse_rate(format_rate(amount)) == pytest.approx(amount, rel=5e-3)
    ratio = amount / 1e6
    assert parse_ratio(format_ratio(ratio)) == pytest.approx(ratio, rel=5e-3)


@pytest.mark.parametrize("amount", [math.nan, math.inf, -1.0, True])
def test_what_is_no_amount_is_not_written(amount: float) -> None:
    for write in (format_duration, format_rate, format_ratio):
        with pytest.raises(UnitError, match="must be finite and not negative"):
            write(amount)
