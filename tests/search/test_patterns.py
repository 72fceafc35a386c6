"""Which value does an expression give, and which expressions are refused?"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.search.patterns import PatternError, Scrape, parse_pattern, value_of
from controller.search.presets import PRESETS

A, B, C = (("model", "rank-a"),), (("model", "rank-b"),), (("model", "vision"),)
BEFORE = Scrape(
    10.0,
    {"hits_total": {A: 100.0, B: 50.0, C: 9.0}, "spent_us": {A: 1e6, B: 0.0}},
    frozenset({"hits_total", "spent_us"}),
)
NOW = Scrape(
    12.0,
    {
        "hits_total": {A: 140.0, B: 60.0, C: 4.0, (("model", "new"),): 3.0},
        "spent_us": {A: 2e6, B: 1e6},
        "used": {A: 0.25, B: 0.75, C: math.nan},
        "room": {A: 4.0, B: 1.0},
    },
    frozenset({"hits_total", "spent_us"}),
)


@pytest.mark.parametrize(
    ("claim", "text", "value"),
    [
        ("of gauges the largest", "used", 0.75),
        ("of counters the sum", "hits_total", 207.0),
        ("or what is asked for", "mean(used)", 0.5),
        ("the smallest", "min(used)", 0.25),
        ("the sum", "sum( used )", 1.0),
        ("a label by its value", 'used{model="rank-a"}', 0.25),
        ("a label by a glob", 'sum(hits_total{model="rank-?"})', 200.0),
        ("several labels", 'used{model="*", model="rank-b",}', 0.75),
        ("a factor", "used * 100", 75.0),
        ("a factor without spaces", "used*1e2", 75.0),
        ("a rate adds up what did not fall or begin", "rate(hits_total)", 25.0),
        ("the fastest of several rates", "max(rate(hits_total))", 20.0),
        ("seconds a request", "rate(spent_us) / rate(hits_total) * 1e-6", 0.04),
        ("a share", 'used{model="rank-b"} / room', 0.1875),
    ],
)
def test_values(claim: str, text: str, value: float) -> None:
    assert value_of(parse_pattern(text), NOW, BEFORE) == pytest.approx(value), claim


@pytest.mark.parametrize("text", ["absent", 'used{model="x"}', "used / absent", "used / zero"])
def test_what_cannot_be_told_is_no_value(text: str) -> None:
    now = Scrape(NOW.at_s, {**NOW.series, "zero": {A: 0.0}})
    assert value_of(parse_pattern(text), now, BEFORE) is None


def test_a_rate_takes_two_looks() -> None:
    pattern = parse_pattern("rate(hits_total)")
    assert value_of(pattern, NOW, None) is None
    assert value_of(pattern, NOW, NOW) is None


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("", "is not the name of a metric"),
        ("95", "is not the name of a metric"),
        ("used)", "a parenthesis too many or too few"),
        ("max(used", "a parenthesis too many or too few"),
        ("max used", "cannot be read from 'used' on"),
        ("used * x", "cannot be read from '* x' on"),
        ("used / room / used", "cannot be read from '/ used' on"),
        ("used{model=a}", "is not a label"),
        ("used{model}", "is not a label"),
        ("used + room", "cannot be read from '+ room' on"),
    ],
)
def test_a_bad_expression_is_refused_with_what_would_be_right(text: str, fix: str) -> None:
    with pytest.raises(PatternError) as refused:
        parse_pattern(text)
    assert fix in str(refused.value)
    assert "write " in str(refused.value)


@given(st.text(alphabet='abs_m(){}=",*/ .1e-', max_size=40))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except PatternError:
        return
    assert parse_pattern(pattern.text) == pattern


def test_every_preset_can_be_read() -> None:
    for preset in PRESETS.values():
        for text in preset.metrics.values():
            assert parse_pattern(text).names
