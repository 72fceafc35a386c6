"""Does a line of the SLO mean what it says, and is a wrong one refused with the right one?"""

import math

import pytest

from contract.objectives import Objective, ObjectiveError, is_bad, parse_objective
from contract.units import Seconds


def judge(
    text: str, *, response_s: float = 0.1, service_s: float = 0.1, failed: bool = False
) -> bool:
    return is_bad(parse_objective(text), response_s=response_s, service_s=service_s, failed=failed)


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


def test_a_response_beyond_the_limit_is_bad_and_one_at_it_is_not() -> None:
    assert not judge("p99 response_time <= 150ms", response_s=0.15)
    assert judge("p99 response_time <= 150ms", response_s=0.1500001)


def test_each_metric_is_judged_by_its_own_time() -> None:
    assert judge("p99 response_time <= 150ms", response_s=1.0, service_s=0.0)
    assert not judge("p99 service_time <= 150ms", response_s=1.0, service_s=0.0)
    assert judge("p99 e2e <= 150ms", response_s=1.0, service_s=0.0)
    ttft = parse_objective("p99 ttft <= 150ms")
    assert not is_bad(ttft, response_s=1.0, service_s=1.0, failed=False, ttft_s=0.1)
    assert is_bad(ttft, response_s=0.0, service_s=0.0, failed=False, ttft_s=0.2)


def test_a_failed_request_is_bad_however_fast() -> None:
    assert judge("p99 response_time <= 150ms", response_s=0.001, failed=True)
    assert judge("error_ratio <= 1%", response_s=0.001, failed=True)
    assert not judge("error_ratio <= 1%", response_s=100.0, failed=False)


def test_a_time_that_was_not_measured_is_bad_unless_only_errors_count() -> None:
    assert judge("p99 response_time <= 150ms", response_s=math.nan)
    assert judge("p99 ttft <= 150ms")
    assert not judge("error_ratio <= 1%", response_s=math.nan)


def test_goodput_is_not_judged_request_by_request() -> None:
    with pytest.raises(ObjectiveError, match="jointly"):
        judge("goodput >= 99%")
