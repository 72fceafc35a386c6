"""What does a goal that says little come to?"""

from __future__ import annotations

import pytest

from contract.objectives import parse_objective
from controller.search.goal import time_out_s


@pytest.mark.parametrize(
    ("slo", "timeout_s"),
    [
        (["p95 ttft <= 500ms", "p90 tpot <= 50ms"], 60.0),
        (["p95 ttft <= 8s"], 80.0),
        (["p95 ttft <= 500ms", "p99 response_time <= 3s"], 30.0),
    ],
)
def test_limits_of_tokens_say_nothing_of_how_long_an_answer_may_take(
    slo: list[str], timeout_s: float
) -> None:
    objectives = [parse_objective(text) for text in slo]
    assert time_out_s(objectives) == timeout_s
