"""Does a line of the SLO mean what it says, and is a wrong one refused with the right one?"""

import pytest

from contract.objectives import Objective, ObjectiveError, parse_objective
from contract.units import Seconds


def test_a_quantile_leaves_the_rest_as_budget() -> None:
    assert parse_objective("p99 response_time <= 150ms") == Objective(
        text="p99 response_time <= 150ms",
        kind="quantile",
        metric="response_time",
        quantile=0.99,
        limit_s=Seconds(0.15),
        request_name=None,
        budget=0.01,
    )


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("p99.9 ttft <= 1s", 0.001),
        ("p50 e2e <= 2s", 0.5),
        ("error_ratio <= 0.1%", 0.001),
        ("error_ratio <= 0%", 0.0),
        ("goodput >= 99%", 0.01),
        ("goodput >= 99.9%", 0.001),
    ],
)
def test_the_budget_is_the_exact_decimal(text: str, budget: float) -> None:
    assert parse_objective(text).budget == budget


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/v2/models/toy/infer: p99 response_time <= 150ms", "/v2/models/toy/infer"),
        ("log in: error_ratio <= 1%", "log in"),
        ("http://host:80/a?b<=3: p95 service_time <= 1s", "http://host:80/a?b<=3"),
    ],
)
def test_a_prefix_names_the_request(text: str, name: str) -> None:
    assert parse_objective(text).request_name == name


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  p99.90   ttft<=1500 ms", "p99.9 ttft <= 1.5s"),
        ("a b :p95 itl <= 20ms", "a b: p95 itl <= 20ms"),
        ("error_ratio<=0.10%", "error_ratio <= 0.1%"),
        ("p99 itl <= 1234567us", "p99 itl <= 1234567us"),
        ("goodput >= 33.3333 %", "goodput >= 33.3333%"),
    ],
)
def test_the_canonical_text_means_exactly_the_same(text: str, canonical: str) -> None:
    objective = parse_objective(text)
    assert objective.text == canonical
    assert parse_objective(canonical) == objective


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (
            "p101 response_time <= 150ms",
            "'p101' is not a percentile: write one between p0 and p100",
        ),
        ("p100 response_time <= 150ms", "between p0 and p100"),
        ("p0 response_time <= 150ms", "between p0 and p100"),
        ("99 response_time <= 150ms", "write p and a number"),
        ("p99 respone_time <= 150ms", "did you mean 'response_time'?"),
        ("p99 latency_of_it <= 150ms", "'latency_of_it' is not a metric"),
        ("p99 TTFT <= 150ms", "did you mean 'ttft'?"),
        ("p99 response_time >= 150ms", "'>=' does not fit here: write '<='"),
        ("p99 response_time < 150ms", "write '<='"),
        ("goodput <= 99%", "write '>='"),
        ("error_ratio >= 1%", "write '<='"),
        ("error_rate <= 1%", "did you mean 'error_ratio'?"),
        ("ttft <= 1s", "name its percentile, such as p99 ttft"),
        ("p99 response_time <= 150", "'150' is not a duration"),
        ("p99 response_time <= 0ms", "write a limit above zero"),
        ("error_ratio <= 0.001", "write a percentage"),
        ("error_ratio <= 100%", "write less than 100%"),
        ("goodput >= 0%", "write more than 0%"),
        (": p99 ttft <= 1s", "no request name"),
        ("p99 response_time", "write 'p99 response_time <= 150ms'"),
        ("", "is not an objective"),
        (99, "is not an objective"),
    ],
)
def test_a_wrong_line_is_refused_with_the_fix(text: str, fix: str) -> None:
    with pytest.raises(ObjectiveError) as refused:
        parse_objective(text)
    assert str(refused.value).startswith(repr(text))
    assert fix in str(refused.value)
