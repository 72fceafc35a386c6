"""Is every wrong goal refused with its field, its value and its fix, all faults at once?"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from contract.arrivals import Law
from contract.units import Rate
from controller.api.goals import rules, simulation_rules
from controller.api.schemas.faults import goal_of
from controller.errors import Fault, GoalRefused
from controller.search.earlier import Earlier
from controller.search.features import Features
from tests.api.fakes import Api, goal_document

LOCUSTFILES = {"plain_http": "x = 1", "kserve_v2": "x = 1"}


@pytest.fixture
def locustfiles(tmp_path: Path) -> Path:
    for name, text in LOCUSTFILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "broken.py").write_text("x = 1\ny = (\n")
    return tmp_path


def faults_of(document: Any, locustfiles: Path) -> dict[str, Fault]:
    with pytest.raises(GoalRefused) as refused:
        goal_of(document, rules(("allowed.example:8000",), locustfiles))
    return {fault.field: fault for fault in refused.value.faults}


def search(**changes: Any) -> dict[str, Any]:
    return {"search": {"from": "10/s", "to": "2000/s"} | changes}


def workload(**changes: Any) -> dict[str, Any]:
    return {"workload": {"user": "plain_http"} | changes}


BAD = [
    ({"serch": 1}, "serch", "1", "unknown field 'serch': did you mean 'search'?"),
    (search(form="1/s"), "search.form", "1/s", "did you mean 'from'?"),
    (search(zzz="1/s"), "search.zzz", "1/s", "known here are strategy, from, to"),
    (workload(optoins={}), "workload.optoins", "(not shown)", "did you mean 'options'?"),
    ({"name": 3}, "name", "3", "put it in quotes"),
    ({"name": ""}, "name", "", "at least one character"),
    (search(**{"from": 0}), "search.from", "0", "write arrivals per s, min or h"),
    (search(**{"from": "0/s"}), "search.from", "0/s", "must be above zero"),
    (search(**{"from": "10"}), "search.from", "10", "write arrivals per s, min or h"),
    (search(to="5/parsec"), "search.to", "5/parsec", "write arrivals per s, min or h"),
    (search(**{"from": "3k/s"}), "search.from", "3k/s", "is not below search.to, 2k/s"),
    (search(to=None), "search.to", "null", "write arrivals per s"),
    (search(precision="0.1%"), "search.precision", "0.1%", "from 0.5% to 100%"),
    (search(precision=8), "search.precision", "8", "with its sign, such as 0.1%"),
    (search(budget="10"), "search.budget", "10", "a unit of us, ms, s, min or h"),
    (search(budget="0s"), "search.budget", "0s", "must be above zero"),
    (search(features={"bathing": "off"}), "search.features.bathing", "off", "'batching'?"),
    (search(features={"replay": "no"}), "search.features.replay", "no", "write on or off"),
    (search(features=["replay"]), "search.features", "(not shown)", "is not a mapping"),
    (search(gentle="very"), "search.gentle", "very", "write on or off"),
    (search(prior="225"), "search.prior", "225", "write arrivals per s, min or h"),
    (search(prior={"low": "1/s"}), "search.prior", "(not shown)", "an earlier capacity, such as"),
    (
        search(prior={"estimate": "9/s", "low": "8/s"}),
        "search.prior",
        "(not shown)",
        "write both low and high",
    ),
    (
        search(prior={"estimate": "9/s", "low": "10/s", "high": "11/s"}),
        "search.prior",
        "(not shown)",
        "in that order",
    ),
    (workload(replica_header="x: y"), "workload.replica_header", "x: y", "such as x-replica"),
    (search(seed=-1), "search.seed", "-1", "write at least 0"),
    (search(seed="x"), "search.seed", "x", "whole number"),
    (search(closing_probes=6), "search.closing_probes", "6", "write at most 5"),
    (search(strategy="bays"), "search.strategy", "bays", "bayes, binary, sweep, vanguard, soak or"),
    (search(strategy=["bayes"]), "search.strategy", "(not shown)", "is not a strategy"),
    (search(rate="200/s"), "search.rate", "200/s", "belongs to strategy soak, and this is bayes"),
    (search(url="http://127.0.0.1:9"), "search.url", None, "belongs to strategy external"),
    ({"search": {"to": "2000/s"}}, "search.from", "(missing)", "write from: 10/s"),
    ({"search": {"from": "10/s"}}, "search.to", "(missing)", "write to: 2000/s"),
    ({"search": {"strategy": "soak"}}, "search.rate", "(missing)", "write rate: 200/s"),
    (
        {"search": {"strategy": "soak", "rate": "200/s", "to": "300/s"}},
        "search.to",
        "300/s",
        "a soak holds one rate: write rate: 200/s, and leave this out",
    ),
    (
        {"search": {"strategy": "soak", "rate": "200/s", "precision": "5%"}},
        "search.precision",
        "5%",
        "a soak gives no interval that could be so narrow: leave it out",
    ),
    (
        {"search": {"strategy": "soak", "rate": "200/s", "closing_probes": 0}},
        "search.closing_probes",
        "0",
        "a soak is one long probe and confirms nothing: leave it out",
    ),
    ({"search": {"strategy": "soak", "rate": "0/s"}}, "search.rate", "0/s", "must be above zero"),
    (search(strategy="external"), "search.url", "(missing)", "write url: http://127.0.0.1:9000"),
    (search(strategy="external", url=7), "search.url", "7", "is not a URL"),
    (
        search(strategy="external", url="http://10.0.0.7/x"),
        "search.url",
        "http://10.0.0.7/x",
        "--allow-target 10.0.0.7:80",
    ),
    (
        search(strategy="external", url="http://me:pw@127.0.0.1"),
        "search.url",
        "(not shown)",
        "carries a user or password",
    ),
    ({"search": 7}, "search", "7", "is not a mapping"),
    ({"slo": []}, "slo", "(not shown)", "give at least one"),
    ({"slo": "p99"}, "slo", "p99", "is not a list"),
    ({"slo": ["p101 response_time <= 1s"]}, "slo.0", "p101 response_time <= 1s", "such as p99"),
    ({"slo": ["p99 response_tim <= 1s"]}, "slo.0", None, "did you mean 'response_time'?"),
    ({"slo": ["error_ratio <= 0.1"]}, "slo.0", "error_ratio <= 0.1", "with its sign"),
    ({"slo": ["p99 ttft <= 1s"]}, "slo.0", "p99 ttft <= 1s", "ttft is not yet measured"),
    ({"slo": ["p99 response_time <= 20s"]}, "workload.timeout", "10s", "largest limit of slo, 20s"),
    ({"target": "127.0.0.1:9100"}, "target.0", "127.0.0.1:9100", "write http://HOST:PORT"),
    ({"target": "ftp://127.0.0.1"}, "target.0", "ftp://127.0.0.1", "write http://HOST:PORT"),
    ({"target": "http://127.0.0.1:99999"}, "target.0", None, "write http://HOST:PORT"),
    ({"target": "http://10.0.0.7"}, "target.0", "http://10.0.0.7", "--allow-target 10.0.0.7:80"),
    ({"target": "http://0.0.0.0:80"}, "target.0", None, "--allow-target 0.0.0.0:80"),
    ({"target": "http://allowed.example"}, "target.0", None, "--allow-target allowed.example:80"),
    ({"target": "sim://batch"}, "target.0", "sim://batch", "python -m controller simulate"),
    ({"target": "http://me:pw@127.0.0.1"}, "target.0", "(not shown)", "headers"),
    ({"target": []}, "target", "(not shown)", "give at least one"),
    (workload(user="plain_htp"), "workload.user", "plain_htp", "did you mean 'plain_http'?"),
    (workload(user="zzz"), "workload.user", "zzz", "write one of broken, kserve_v2, plain_http"),
    (workload(requests="a.jsonl"), "workload.requests", "a.jsonl", "PUT /api/v1/artefacts"),
    (
        workload(options={"headers": {"Authorization": "Bearer abc"}}),
        "workload.options.headers.Authorization",
        "(not shown)",
        "write headers: {Authorization: ${NAME}} at the top",
    ),
    (
        workload(options={"headers": {"authorization": "${TOKEN}"}}),
        "workload.options.headers.authorization",
        "(not shown)",
        "at the top of the goal",
    ),
    (
        workload(options={"calls": [{"Headers": {"X-Api-Key": 7}}]}),
        "workload.options.calls.0.Headers.X-Api-Key",
        "(not shown)",
        "at the top of the goal",
    ),
    (
        workload(options={"headers": {"X-Tenant": "${TENANT}"}}),
        "workload.options.headers.X-Tenant",
        "${TENANT}",
        "is not filled in here",
    ),
    (
        workload(options={"headers": {"A": "x\r\nB: y"}}),
        "workload.options.headers.A",
        "(not shown)",
        "on one line",
    ),
    (workload(timeout=10), "workload.timeout", "10", "a unit of us, ms, s, min or h"),
    ({"warm_up": "maybe"}, "warm_up", "maybe", "write auto, none or a duration"),
    ({"spikes": "no"}, "spikes", "no", "write count"),
    ({"require": 200}, "require", "200", "write arrivals per s, min or h"),
    ({"replicas": 0}, "replicas", "0", "write at least 1"),
    (
        {"headers": {"Authorization": "Bearer abc"}},
        "headers.Authorization",
        "(not shown)",
        "${NAME}",
    ),
    ({"headers": {"X-Api-Key": "abc"}}, "headers.X-Api-Key", "(not shown)", "${NAME}"),
    ({"headers": {"A": "${TONNAGE_TOKEN}"}}, "headers.A", "${TONNAGE_TOKEN}", "another name"),
    ({"headers": {"A": "x\r\nB: y"}}, "headers.A", "(not shown)", "on one line"),
    ({"headers": {"A b": "x"}}, "headers.A b", "A b", "letters, digits and dashes"),
    ({"headers": {"A": 3}}, "headers.A", "3", "put it in quotes"),
]


@pytest.mark.parametrize(("changes", "field", "value", "fix"), BAD)
def test_a_wrong_goal_is_refused_with_field_value_and_fix(
    changes: dict[str, Any], field: str, value: str | None, fix: str, locustfiles: Path
) -> None:
    faults = faults_of(goal_document(**changes), locustfiles)
    assert list(faults) == [field]
    assert fix in faults[field].fix
    if value is not None:
        assert faults[field].value == value


@pytest.mark.parametrize("name", ["target", "slo", "search"])
def test_a_missing_field_is_named_with_an_example(name: str, locustfiles: Path) -> None:
    document = goal_document()
    del document[name]
    fault = faults_of(document, locustfiles)[name]
    assert fault.value == "(missing)"
    assert fault.fix.startswith(f"write {name}: ")


@pytest.mark.parametrize("document", [[], 3, None, "goal"])
def test_what_is_no_mapping_is_no_goal(document: Any, locustfiles: Path) -> None:
    assert "(the goal)" in faults_of(document, locustfiles)


def test_all_faults_are_told_at_once(locustfiles: Path) -> None:
    document = goal_document(
        workload={"user": "plain_http"},
        **search(**{"from": "0/s", "precision": "x"}),
        target="http://10.0.0.7",
        headers={"Cookie": "a", "X-Token": "b"},
        serch=1,
    )
    assert set(faults_of(document, locustfiles)) == {
        "search.from",
        "search.precision",
        "target.0",
        "headers.Cookie",
        "headers.X-Token",
        "serch",
    }


def test_a_secret_is_never_repeated(locustfiles: Path) -> None:
    document = goal_document(
        target="http://me:hunter2@127.0.0.1:bad",
        headers={"Authorization": "Bearer hunter2"},
        workload={"options": {"headers": {"Authorization": "Bearer hunter2"}}},
        heders={"Authorization": "hunter2"},
        token="hunter2",
    )
    assert "hunter2" not in repr(faults_of(document, locustfiles))


def test_a_locustfile_with_a_syntax_error_is_refused_with_its_line(locustfiles: Path) -> None:
    user = str(locustfiles / "broken.py")
    fault = faults_of(goal_document(**workload(user=user)), locustfiles)["workload.user"]
    assert fault.value == user
    assert "syntax error in line 2" in fault.fix


def test_a_path_that_is_no_regular_file_is_refused_unread(locustfiles: Path) -> None:
    os.mkfifo(locustfiles / "pipe.py")
    (locustfiles / "folder.py").mkdir()
    for path in (locustfiles / "pipe.py", locustfiles / "folder.py", Path("/dev/zero")):
        document = goal_document(**workload(user=str(path)))
        assert "is not a regular file" in faults_of(document, locustfiles)["workload.user"].fix


def test_a_locustfile_over_a_mebibyte_is_refused_and_one_of_just_that_is_read(
    locustfiles: Path,
) -> None:
    large = locustfiles / "large.py"
    document = goal_document(**workload(user=str(large)))
    large.write_bytes(b"#" * 1024**2)
    assert goal_of(document, rules((), locustfiles)).workload.user == str(large)
    large.write_bytes(b"#" * (1024**2 + 1))
    assert "is larger than 1 MiB" in faults_of(document, locustfiles)["workload.user"].fix


def test_a_path_that_only_the_workers_have_is_left_to_them(locustfiles: Path) -> None:
    document = goal_document(**workload(user="/on/the/workers/user.py"))
    assert goal_of(document, rules((), locustfiles)).workload.user == "/on/the/workers/user.py"


def test_a_goal_is_read_with_its_units(locustfiles: Path) -> None:
    document = goal_document(
        **search(**{"from": "90/min", "to": "1.2k/s", "seed": 2**63, "closing_probes": 0}),
        **workload(
            arrivals={"gamma": {"cv": 2}},
            options={"path": "/v2", "headers": {"Accept": "text/html"}},
        ),
        target=["http://127.0.0.1:1", "http://allowed.example:8000/x", "http://[::1]:2"],
        warm_up="1min30s",
        spikes="leave_out",
    )
    goal = goal_of(document, rules(("allowed.example:8000",), locustfiles))
    assert (goal.low, goal.high, goal.precision, goal.budget_s) == (1.5, 1200.0, 0.08, 600.0)
    assert (goal.seed, goal.closing_probes, goal.warm_up) == (2**63, 0, 90.0)
    assert goal.workload.law == Law("gamma", 2.0)
    assert goal.workload.options == '{"headers": {"Accept": "text/html"}, "path": "/v2"}'
    assert goal.headers == (("Authorization", "${TOKEN}"),)
    assert len(goal.targets) == 3


def test_the_time_out_is_ten_times_the_largest_limit_unless_given(locustfiles: Path) -> None:
    assert goal_of(goal_document(), rules((), locustfiles)).workload.timeout_s == 10.0
    limits = ["p99 response_time <= 150ms", "p50 service_time <= 2s"]
    document = goal_document(workload={"user": "plain_http"}, slo=limits)
    assert goal_of(document, rules((), locustfiles)).workload.timeout_s == 20.0
    document = goal_document(workload=None, slo=["error_ratio <= 1%"])
    assert goal_of(document, rules((), locustfiles)).workload.timeout_s == 10.0


def test_a_goal_of_three_lines_is_enough(locustfiles: Path) -> None:
    document = {name: goal_document()[name] for name in ("target", "slo", "search")}
    goal = goal_of(document, rules((), locustfiles))
    assert (goal.name, goal.workload.user) == ("127.0.0.1:9100", "plain_http")
    assert goal.workload.law == Law("poisson")


def test_a_soak_names_its_one_rate(locustfiles: Path) -> None:
    document = goal_document(search={"strategy": "soak", "rate": "200/s", "budget": "4h"})
    goal = goal_of(document, rules((), locustfiles))
    assert (goal.strategy, goal.low, goal.high) == ("soak", 200.0, 200.0)
    assert goal.budget_s == 14_400.0


def test_an_advisor_may_be_on_loopback_or_listed(locustfiles: Path) -> None:
    held_to = rules(("allowed.example:8000",), locustfiles)
    for url in ("http://127.0.0.1:9000/next", "https://allowed.example:8000/next"):
        document = goal_document(**search(strategy="external", url=url))
        assert goal_of(document, held_to).advisor == url


def test_a_simulation_asks_advisors_on_this_machine_only() -> None:
    document = goal_document(target="sim://batch?base=20ms")
    here = search(strategy="external", url="http://localhost:9000/next")
    assert goal_of(document | here, simulation_rules()).advisor == "http://localhost:9000/next"
    away = search(strategy="external", url="http://10.0.0.7:9000/next")
    with pytest.raises(GoalRefused, match="is not on this machine"):
        goal_of(document | away, simulation_rules())


def test_only_a_simulation_takes_simulated_targets() -> None:
    held_to = simulation_rules()
    document = goal_document(target="sim://batch?base=20ms")
    assert goal_of(document, held_to).targets == ("sim://batch?base=20ms",)
    with pytest.raises(GoalRefused, match="is not simulated"):
        goal_of(goal_document(), held_to)


@pytest.mark.anyio
async def test_a_recording_with_a_broken_line_is_refused_with_the_line() -> None:
    api = Api()
    data = b'{"path": "/a"}\nnot json\n'
    sha256 = hashlib.sha256(data).hexdigest()
    document = goal_document(workload={"user": "/users/ranker.py", "requests": sha256})
    (absent,) = await api.faults(document)
    assert f"upload it with PUT /api/v1/artefacts/{sha256}" in absent["fix"]
    await api.store.put_artefact(sha256, data)
    other, broken = await api.faults(document | {"require": 3})
    assert (other["field"], broken["field"]) == ("require", "workload.requests")
    assert "line 2" in broken["fix"]


def test_switches_gentleness_and_an_earlier_capacity_are_read(locustfiles: Path) -> None:
    asked = search(
        gentle="on",
        prior={"estimate": "225/s", "low": "214/s", "high": "236/s"},
        features={"batching": "off", "open_loop": False, "replay": True},
    )
    document = goal_document(**asked, **workload(replica_header="X-Replica"))
    goal = goal_of(document, rules((), locustfiles))
    assert goal.gentle
    assert goal.prior == Earlier(Rate(225.0), Rate(214.0), Rate(236.0))
    assert goal.features.off == ("batching", "open_loop")
    assert goal.workload.replica_header == "x-replica"
    short = goal_of(goal_document(**search(prior="225/s", features=None)), rules((), locustfiles))
    assert (short.prior, short.features) == (Earlier(Rate(225.0)), Features())
    assert (short.gentle, short.workload.replica_header) == (False, None)


def test_the_first_latency_objective_leads_where_it_decides_alone(locustfiles: Path) -> None:
    slo = ["error_ratio <= 1%", "p99 response_time <= 150ms", "p50 response_time <= 50ms"]
    document = goal_document(slo=slo, **search(features={"objectives": "off"}))
    goal = goal_of(document, rules((), locustfiles))
    assert [o.text for o in goal.objectives] == [slo[1], slo[2], slo[0]]
    assert [o.text for o in goal.deciding().objectives] == [slo[1]]
