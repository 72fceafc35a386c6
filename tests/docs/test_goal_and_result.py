"""Is everything that a goal may hold, a result tells and the API does documented, and no more?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from contract.units import Rate, Seconds
from controller.api.documented import goal_schema
from controller.api.problems import OF_ERROR
from controller.api.schemas.faults import goal_of
from controller.api.schemas.reading import Rules
from controller.report.result import result_of
from controller.search.answer import Capacity, Drift, Gate, Status, WarmUpSummary
from controller.search.goal import StrategyName
from controller.search.journal import Event, RunEnded
from controller.search.probe import Verdict
from controller.search.view import view_of
from tests.api.fakes import Api, beginning, decided
from tests.docs.pages import DOCS, ROOT, blocks, named, section, text

PAGE = text(DOCS / "goal-and-result.md")
MEASURED = ("p50_ms", "p90_ms", "p99_ms")


def fields_of(schema: dict[str, Any], defs: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, part in schema["properties"].items():
        inner = defs.get(str(part.get("$ref", "")).rpartition("/")[2])
        if inner is None:
            yield prefix + name
        else:
            yield from fields_of(inner, defs, f"{prefix}{name}.")


def leaves_of(value: Any, prefix: str = "") -> Iterator[str]:
    """Paths of a result, `probes[].rate`; what is the user's own is one leaf."""
    opaque = prefix in ("goal", "versions", "probes[].signals") or prefix.startswith(
        "probes[].metrics."
    )
    if isinstance(value, dict) and not opaque:
        for name, part in value.items():
            yield from leaves_of(part, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list) and value:
        yield from leaves_of(value[0], f"{prefix}[]")
    else:
        yield prefix


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """Of a run that has everything."""
    capacity = Capacity(
        status="answered",
        reason="because",
        estimate=Rate(200.0),
        low=Rate(195.0),
        high=Rate(205.0),
        gate=Gate(Rate(190.0), met=True, reason="reaches"),
        warm_up=WarmUpSummary(
            Rate(50.0), Seconds(20.0), True, "flat", "steady", cold_curve=((0.5, 0.02),)
        ),
        drifts=(Drift(9, 1.3, "slower"),),
    )
    probes = [decided(1, 100.0, Verdict.PASS)]
    events: list[Event] = [*beginning(), *probes, RunEnded(at=1.0, capacity=capacity)]
    return result_of(view_of("r1", events))


def test_every_field_of_a_goal_is_documented() -> None:
    schema = goal_schema()
    missing = set(fields_of(schema, schema["$defs"])) - named(section(PAGE, "## The goal file"))
    assert not missing


def test_no_field_is_documented_that_a_goal_does_not_have() -> None:
    schema = goal_schema()
    known = set(fields_of(schema, schema["$defs"]))
    assert named(section(PAGE, "## The goal file")) <= known


def test_every_field_of_a_result_is_documented(result: dict[str, Any]) -> None:
    missing = set(leaves_of(result)) - named(section(PAGE, "### result.json"))
    assert not missing


def test_no_field_is_documented_that_a_result_does_not_have(result: dict[str, Any]) -> None:
    parents = {"gate", "warm_up"}
    assert named(section(PAGE, "### result.json")) - parents <= set(leaves_of(result))


def test_the_quantiles_of_a_probe_are_documented(result: dict[str, Any]) -> None:
    times = result["probes"][0]["metrics"]["response_time"]
    assert tuple(times) == MEASURED
    assert all(f"`{name}`" in PAGE for name in MEASURED)


def test_every_status_is_documented_with_its_exit() -> None:
    assert named(section(PAGE, "## The answer").partition("###")[0]) == set(get_args(Status))


def test_every_route_is_documented() -> None:
    paths = Api().app.openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    documented = {name for name in named(section(PAGE, "## The API")) if "/" in name}
    assert documented == routes


def test_every_kind_of_problem_is_documented() -> None:
    kinds = {kind for _, kind in OF_ERROR.values()}
    assert not {kind for kind in kinds if f"`{kind}`" not in section(PAGE, "## The API")}


def test_every_strategy_has_its_section_and_its_line() -> None:
    page = text(DOCS / "strategies.md")
    for strategy in get_args(StrategyName):
        assert section(page, f"## {strategy}").strip()
        assert f"| `{strategy}`" in page


def test_the_searches_of_the_page_of_strategies_are_right() -> None:
    rules = Rules(check_target=lambda _: None, check_user=lambda _: None, check_url=lambda _: None)
    searches = [yaml.safe_load(b) for b in blocks(text(DOCS / "strategies.md"), "yaml")]
    assert len(searches) == 2
    for search in searches:
        goal = {"target": "http://127.0.0.1:9", "slo": ["p99 response_time <= 150ms"], **search}
        assert goal_of(goal, rules).strategy == search["search"]["strategy"]


def test_the_goals_of_the_documentation_are_right() -> None:
    rules = Rules(check_target=lambda _: None, check_user=lambda _: None)
    goals = [yaml.safe_load(block) for block in blocks(text(ROOT / "README.md"), "yaml")]
    whole = [goal for goal in goals if "slo" in goal]
    assert whole
    for goal in whole:
        assert goal_of(goal, rules).objectives
