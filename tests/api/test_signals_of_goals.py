"""Which signals may a goal watch, and what is told to someone who got them wrong?"""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.goals import rules, simulation_rules
from controller.api.schemas.faults import goal_of
from controller.errors import Fault, GoalRefused
from controller.search.goal import Goal
from tests.api.fakes import goal_document

SLO = ["p99 response_time <= 150ms", "max gpu_utilization <= 95%"]
ALLOWED = ("gpu.example:9400", "vllm.example:8000")


def goal(**changes: Any) -> Goal:
    return goal_of(goal_document(**changes), rules(ALLOWED))


def faults(**changes: Any) -> dict[str, Fault]:
    with pytest.raises(GoalRefused) as refused:
        goal(**changes)
    return {fault.field: fault for fault in refused.value.faults}


def watching(**signals: Any) -> dict[str, Any]:
    return {"signals": signals}


def test_a_goal_says_what_to_watch_and_what_to_hold_it_to() -> None:
    read = goal(
        slo=[*SLO, "kv <= 90% except 1% of windows"],
        **watching(
            url="http://gpu.example:9400/metrics",
            preset="dcgm",
            metrics={"kv": "max(cache_usage)", "power": "my_power * 1000"},
        ),
    )
    assert read.signals is not None
    assert read.signals.urls == ("http://gpu.example:9400/metrics",)
    metrics = dict(read.signals.metrics)
    assert metrics["gpu_utilization"] == "max(DCGM_FI_DEV_GPU_UTIL) * 0.01"
    assert (metrics["kv"], metrics["power"]) == ("max(cache_usage)", "my_power * 1000")
    assert [o.text for o in read.objectives] == SLO[:1]
    assert [(o.signal, o.budget) for o in read.signal_objectives] == [
        ("gpu_utilization", 0.05),
        ("kv", 0.01),
    ]


@pytest.mark.parametrize(
    ("preset", "target", "urls"),
    [
        ("demo", "http://127.0.0.1:9100", ("http://127.0.0.1:9100/metrics",)),
        ("vllm", "http://vllm.example:8000/v1", ("http://vllm.example:8000/metrics",)),
        ("triton", "http://[::1]:8000", ("http://[::1]:8002/metrics",)),
        ("torchserve", ["http://127.0.0.1:1", "http://127.0.0.1:2"], ("http://127.0.0.1:8082/metrics",)),
        ("demo", ["http://127.0.0.1:1", "http://127.0.0.1:2"], ("http://127.0.0.1:1/metrics", "http://127.0.0.1:2/metrics")),
    ],
)  # fmt: skip
def test_a_preset_knows_where_its_server_tells(
    preset: str, target: Any, urls: tuple[str, ...]
) -> None:
    read = goal(target=target, **watching(preset=preset))
    assert read.signals is not None
    assert read.signals.urls == urls


def test_metrics_alone_are_read_from_the_target() -> None:
    read = goal(**watching(metrics={"queue": 'depth{model="x*"}'}))
    assert read.signals is not None
    assert read.signals.urls == ("http://127.0.0.1:9100/metrics",)


@pytest.mark.parametrize("nothing", [{}, {"signals": None}, {"signals": {}}])
def test_a_goal_need_not_watch_anything(nothing: dict[str, Any]) -> None:
    assert goal(**nothing).signals is None


@pytest.mark.parametrize(
    ("changes", "field", "value", "fix"),
    [
        (watching(preset="trition"), "signals.preset", "trition", "did you mean 'triton'?"),
        (watching(preset="x"), "signals.preset", "x", "write one of dcgm, demo, torchserve"),
        (watching(presets="triton"), "signals.presets", "triton", "did you mean 'preset'?"),
        (watching(metrics={"q": "sum(x"}), "signals.metrics.q", "sum(x", "a parenthesis too many"),
        (watching(metrics={"q": 3}), "signals.metrics.q", "3", "write the name of a metric"),
        (watching(metrics={"a b": "x"}), "signals.metrics.a b", "a b", "letters, digits and"),
        (
            watching(preset="demo", url="ftp://127.0.0.1/metrics"),
            "signals.url.0", "ftp://127.0.0.1/metrics", "write http://HOST:PORT",
        ),
        (
            watching(preset="demo", url="http://10.0.0.7:9400/metrics"),
            "signals.url.0", "http://10.0.0.7:9400/metrics", "--allow-target 10.0.0.7:9400",
        ),
        (
            {"target": "http://vllm.example:8000", **watching(preset="triton")},
            "signals.url", "http://vllm.example:8002/metrics",
            "--allow-target vllm.example:8002, or write signals.url",
        ),
        (
            watching(preset="demo", url="http://me:hunter2@127.0.0.1/metrics"),
            "signals.url.0", "(not shown)", "carries a user or password",
        ),
        (watching(url="http://127.0.0.1:1/metrics"), "signals.url", None, "add preset or metrics"),
        ({"slo": SLO}, "slo.1", SLO[1], "no signal 'gpu_utilization' is defined: write signals"),
        (
            {"slo": SLO, **watching(metrics={"gpu_utilisation": "x"})},
            "slo.1", SLO[1], "did you mean 'gpu_utilisation'?",
        ),
        (
            {"slo": SLO, **watching(metrics={"q": "x"})},
            "slo.1", SLO[1], "known are q",
        ),
        ({"slo": SLO[1:], **watching(preset="dcgm", url="http://127.0.0.1:1/metrics")}, "slo", SLO[1], "a signal says nothing of the arrivals"),
        ({"slo": [SLO[0], "max q <= 9ms"], **watching(metrics={"q": "x"})}, "slo.1", "max q <= 9ms", "without a unit"),
    ],
)  # fmt: skip
def test_wrong_signals_are_refused_with_field_value_and_fix(
    changes: dict[str, Any], field: str, value: str | None, fix: str
) -> None:
    found = faults(**changes)
    assert list(found) == [field]
    assert fix in found[field].fix
    if value is not None:
        assert found[field].value == value


def test_a_simulated_target_has_no_signals() -> None:
    document = goal_document(target="sim://batch?base=20ms", signals={"preset": "demo"})
    with pytest.raises(GoalRefused, match="a simulated target has no signals"):
        goal_of(document, simulation_rules())
