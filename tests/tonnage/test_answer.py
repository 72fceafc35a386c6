"""Does the terminal show the answer first, and never a number that is none?"""

import io
from typing import Any

import pytest
from rich.console import Console

from tests.tonnage.documents import result
from tonnage.answer import headline, show


def shown(document: dict[str, Any], width: int = 160) -> str:
    out = io.StringIO()
    show(document, Console(file=out, width=width))
    return out.getvalue()


def capacity(**numbers: float | None) -> dict[str, Any]:
    return {**dict.fromkeys(("estimate", "low", "high", "strict", "safe")), **numbers}


@pytest.mark.parametrize(
    ("status", "numbers", "expected"),
    [
        (
            "answered",
            {"estimate": 100.0, "low": 95.5, "high": 104.46},
            "100.0/s, 90 % between 95.5/s and 104.5/s",
        ),
        ("answered", {"estimate": 100.0}, "about 100.0/s, without an interval"),
        ("at_least", {}, "at least 2000/s, the highest rate asked for"),
        ("at_most", {}, "below 10/s, the lowest rate asked for"),
        ("no_verdict", {}, "no number: no_verdict"),
        ("failed", {}, "no number: failed"),
    ],
)
def test_the_headline_says_what_is_known(
    status: str, numbers: dict[str, float], expected: str
) -> None:
    goal = {"search": {"from": "10/s", "to": "2000/s"}}

    found = result(status=status, goal=goal, capacity=capacity(**numbers))

    assert headline(found) == expected


@pytest.mark.parametrize(
    ("search", "status", "numbers", "expected"),
    [
        ({"strategy": "soak", "rate": "200/s"}, "answered", {"estimate": 200.0}, "held 200/s"),
        ({"strategy": "soak", "rate": "200/s"}, "at_most", {}, "did not hold 200/s"),
        ({"strategy": "soak", "rate": "200/s"}, "no_verdict", {}, "no number: no_verdict"),
        (
            {"strategy": "external"},
            "answered",
            {"estimate": 100.0, "low": 95.5, "high": 104.5},
            "100.0/s, between 95.5/s and 104.5/s",
        ),
        (
            {"strategy": "vanguard"},
            "answered",
            {"estimate": 550.0, "low": 550.0, "high": 775.0},
            "550.0/s, bracketed by 550.0/s and 775.0/s",
        ),
    ],
)
def test_the_headline_of_other_strategies(
    search: dict[str, str], status: str, numbers: dict[str, float], expected: str
) -> None:
    found = result(status=status, goal={"search": search}, capacity=capacity(**numbers))
    assert headline(found) == expected


def test_an_answer_with_a_feature_off_is_none_to_plan_with() -> None:
    known = capacity(estimate=100.0, low=95.0, high=105.0, safe=97.0)
    features = {"open_loop": False, "replay": True}
    text = shown(result(status="answered", capacity=known, features=features))
    assert "with open_loop off: to measure its worth, no capacity to plan with" in text
    assert "safe to plan with" not in text
    assert "safe to plan with" in shown(result(status="answered", capacity=known))


def test_a_rejected_run_has_no_capacity_at_all() -> None:
    assert headline(result(status="rejected", capacity=None)) == "no number: rejected"


def test_the_block_says_number_reason_cost_and_generator_in_that_order() -> None:
    told = shown(result())
    places = [
        told.index(text)
        for text in (
            "answered",
            "100.0/s, 90 % between",
            "safe to plan with: 97.0/s",
            "p99 response_time limits it.",
            "cost: 1min2s, 4,321 requests, 12 of them bad",
            "send lag p99 0.31 ms, 0 shed, 2 missed, 1 void probes",
            "offered/s",
        )
    ]
    assert places == sorted(places)


def test_every_probe_has_a_row_with_verdict_and_reason() -> None:
    told = shown(result())
    row = next(line for line in told.splitlines() if "● pass" in line)
    assert " ".join(row.split()) == "90.2 – 30.0 99.9 1 4.0 ● pass within budget"
    void = next(line for line in told.splitlines() if "○ void" in line)
    assert " ".join(void.split()).startswith("120.0 – – – 0 2.0 ○ void")
    assert "worker w1 was lost in mid-probe" in void


def test_the_gate_is_told_when_the_goal_has_one() -> None:
    gate = {"require": 200.0, "met": False, "reason": "safe is 97/s, below 200/s"}
    assert "require: safe is 97/s, below 200/s" in shown(result(gate=gate))
    assert "require" not in shown(result())


def test_no_safe_number_is_offered_without_an_answer() -> None:
    document = result(status="no_verdict", capacity=capacity(safe=97.0))
    assert "safe to plan with" not in shown(document)


def test_a_run_that_measured_nothing_is_shown_without_a_table() -> None:
    told = shown(
        result(
            status="rejected",
            capacity=None,
            probes=[],
            generator={"send_lag_p99_ms": None, "shed": 0, "missed": 0, "void_probes": 0},
        )
    )
    assert "offered/s" not in told
    assert "send lag" not in told


def test_markup_in_a_reason_is_text() -> None:
    assert "[bold]x[/bold]" in shown(result(reason="[bold]x[/bold]"))
