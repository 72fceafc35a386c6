"""Do the four reports tell the answer, each in its format?"""

from __future__ import annotations

import csv
import io
import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from contract.units import Rate
from controller.report.page import html_of
from controller.report.result import result_of
from controller.search.answer import Capacity, Gate
from controller.search.journal import RunEnded
from controller.search.probe import SignalSummary, Verdict
from controller.search.view import view_of
from tests.api.fakes import ANSWERED, Api, beginning, decided, ending, goal_document

pytestmark = pytest.mark.anyio

GATE = Gate(Rate(200.0), True, "safe is 240/s")
RESULT_FIELDS = {
    "schema_version", "run", "goal", "seed", "versions", "status", "exit_status", "reason",
    "capacity", "gate", "binding_objective", "knee", "calibration", "fingerprint", "warm_up",
    "spikes", "generator", "probes", "cost", "features",
    "drifts",
}  # fmt: skip


async def report(extension: str, capacity: Capacity = ANSWERED, **changes: Any) -> str:
    api = Api()
    run = await api.create(**changes)
    await api.runs.append(run, *beginning(), *ending(capacity))
    answer = await api.http.get(f"/api/v1/runs/{run}/report.{extension}")
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_the_result_has_every_field_whatever_the_answer() -> None:
    none = Capacity("no_verdict", "the budget was spent", knee=Rate(math.nan))
    for capacity in (ANSWERED, none):
        result = json.loads(await report("json", capacity))
        assert set(result) == RESULT_FIELDS
        assert set(result["capacity"]) == {
            "estimate", "low", "high", "strict", "safe", "unit", "requests_per_arrival",
        }  # fmt: skip
        assert result["knee"] is None


async def test_the_result_tells_capacity_probes_and_cost() -> None:
    result = json.loads(await report("json"))
    assert result["goal"] == goal_document()
    assert (result["status"], result["exit_status"], result["seed"]) == ("answered", 0, 1)
    assert result["capacity"]["low"] == 230.0
    assert result["capacity"]["requests_per_arrival"] == 1.0
    assert [probe["verdict"] for probe in result["probes"]] == ["pass", "fail", "void"]
    times = result["probes"][0]["metrics"]["response_time"]
    assert times == {"p50_ms": 20.0, "p90_ms": 50.0, "p99_ms": 120.0}
    assert result["probes"][0]["metrics"]["connect"]["p90_ms"] == 2.0
    assert result["probes"][0]["metrics"]["tls"] is None
    assert result["generator"] == {
        "send_lag_p99_ms": 1.0, "shed": 0, "missed": 0, "extra_sends": 6, "void_probes": 1,
        "connections": [
            {"address": "10.0.0.5:80", "open": 40, "opened": 180, "closed": 30, "failed": 6},
        ],
    }  # fmt: skip
    assert result["cost"] == {"seconds": 36.0, "requests": 2400, "bad_requests": 9}


async def test_the_table_has_a_line_a_probe_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(await report("csv"))))
    assert [row["rate"] for row in rows] == ["100.0", "400.0", "200.0"]
    assert rows[0]["response_time_p99_ms"] == "120.0"
    assert rows[0]["reason"].startswith("'=")


@pytest.mark.parametrize(
    ("capacity", "element"),
    [
        (ANSWERED, None),
        (replace(ANSWERED, gate=Gate(Rate(200.0), True, "safe is 232/s")), None),
        (replace(ANSWERED, gate=Gate(Rate(300.0), False, "safe is 232/s")), "failure"),
        (Capacity("no_verdict", "the budget was spent"), "error"),
        (Capacity("failed", "Redis \x00 is gone"), "error"),
        (Capacity("aborted", "by a person"), "skipped"),
    ],
)
async def test_a_ci_server_sees_what_the_exit_status_says(
    capacity: Capacity, element: str | None
) -> None:
    suite = ET.fromstring(await report("junit", capacity)).find("testsuite")
    assert suite is not None
    case = suite.find("testcase")
    assert case is not None
    assert [child.tag for child in case] == ([] if element is None else [element])
    counted = {"failure": "failures", "error": "errors", "skipped": "skipped"}
    for kind, count in counted.items():
        assert suite.get(count) == str(int(kind == element))


async def test_the_page_shows_the_answer_and_lets_no_markup_in() -> None:
    page = await report("html", name="<script>alert(1)</script>")
    assert "240/s" in page
    assert "<script>" not in page
    assert "<b>" not in page
    assert page.count("<tr>") == 4
    assert "http://" not in page


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("bayes", "240/s (90 % interval 230/s to 251/s)"),
        ("binary", "240/s (bracket 230/s to 251/s)"),
        ("sweep", "240/s (bracket 230/s to 251/s)"),
        ("vanguard", "240/s (bracket 230/s to 251/s)"),
    ],
)
async def test_only_a_posterior_gives_an_interval_with_a_probability(
    strategy: str, said: str
) -> None:
    page = await report("html", search={"from": "10/s", "to": "2000/s", "strategy": strategy})
    assert said in page


async def test_the_page_and_the_result_tell_what_the_target_said_of_itself() -> None:
    power = SignalSummary("power <W>", 250.0, 300.0)
    outcome = replace(decided(1, 100.0, Verdict.PASS).outcome, signals=(power,), health="warn")
    quiet = decided(2, 200.0, Verdict.PASS)
    watched = replace(quiet, outcome=outcome)
    result = result_of(view_of("r1", [*beginning(), watched, quiet, RunEnded(1.0, ANSWERED)]))
    assert result["probes"][0]["signals"] == {"power <W>": {"mean": 250.0, "highest": 300.0}}
    assert result["probes"][0]["health"] == "warn"
    page = html_of(result)
    assert "<th scope='col'>power &lt;W&gt;</th>" in page
    assert "<td>250 (300)</td><td>warn</td>" in page
    assert "<td>–</td><td>–</td>" in page
    assert "Signals:" not in await report("html")


HELD = replace(ANSWERED, low=None, high=None, reason="held 240/s for 3h58min")


@pytest.mark.parametrize(
    ("search", "capacity", "said"),
    [
        (
            {"strategy": "external", "url": "http://127.0.0.1:9/x"},
            ANSWERED,
            "240/s (range 230/s to 251/s)",
        ),
        ({"strategy": "vanguard"}, HELD, "answered: 240/s (no interval)"),
    ],
)
async def test_an_answer_in_other_words_says_whose_it_is(
    search: dict[str, str], capacity: Capacity, said: str
) -> None:
    page = await report("html", capacity, search={"from": "10/s", "to": "2000/s"} | search)
    assert said in page


async def test_a_soak_shows_what_was_held_in_every_report() -> None:
    soak = {"strategy": "soak", "rate": "240/s", "budget": "4h"}
    assert "answered: held 240/s" in await report("html", HELD, search=soak)
    assert "carries 200/s" in await report("junit", replace(HELD, gate=GATE), search=soak)
    result = json.loads(await report("json", HELD, search=soak))
    assert (result["capacity"]["estimate"], result["capacity"]["low"]) == (240.0, None)
    assert result["probes"][0]["windows"] == []


@pytest.mark.parametrize("extension", ["json", "html", "csv", "junit"])
async def test_a_run_that_has_not_ended_has_no_report(extension: str) -> None:
    api = Api()
    run = await api.create()
    answer = await api.http.get(f"/api/v1/runs/{run}/report.{extension}")
    assert answer.status_code == 409
    assert "has not ended" in answer.json()["detail"]


async def test_an_unknown_kind_of_report_is_refused_with_the_known_ones() -> None:
    api = Api()
    run = await api.create()
    answer = await api.http.get(f"/api/v1/runs/{run}/report.pdf")
    assert answer.status_code == 422
    assert "'junit'" in answer.json()["errors"][0]["fix"]


async def test_an_answer_with_a_feature_off_says_so_everywhere() -> None:
    search = goal_document()["search"] | {"features": {"open_loop": "off"}}
    result = json.loads(await report("json", search=search))
    assert result["features"] == {
        "warm_up": True, "replay": True, "signals": True,
        "objectives": True, "batching": True, "open_loop": False,
    }  # fmt: skip
    assert "with open_loop off: no capacity to plan with" in await report("html", search=search)
    assert "to plan with" not in await report("html")
