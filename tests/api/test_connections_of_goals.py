"""Is a policy of connections read as asked, and a wrong one refused with field, value and fix?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contract.connections import Connections
from controller.api.goals import rules
from controller.api.schemas.faults import goal_of
from controller.errors import GoalRefused
from tests.api.fakes import goal_document


@pytest.fixture
def locustfiles(tmp_path: Path) -> Path:
    (tmp_path / "plain_http.py").write_text("x = 1")
    return tmp_path


def workload(**changes: Any) -> dict[str, Any]:
    return {"workload": {"user": "plain_http"} | changes}


def connections(**policy: Any) -> dict[str, Any]:
    return {"target": "https://127.0.0.1:9"} | workload(connections=policy)


def of_connections(name: str) -> str:
    return f"workload.connections.{name}"


BAD = [
    (connections(reus="user"), of_connections("reus"), "user", "did you mean 'reuse'?"),
    (connections(reuse="any"), of_connections("reuse"), "any", "write random (any idle"),
    (connections(most=0), of_connections("most"), "0", "write at least 1"),
    (connections(most=9, reuse="user"), of_connections("most"), "9", "leave it out"),
    (connections(requests="1"), of_connections("requests"), "1", "whole number"),
    (connections(resolve="0.1s"), of_connections("resolve"), "0.1s", "write 1s or more, or never"),
    (connections(resolve=30), of_connections("resolve"), "30", "never or a duration such as 30s"),
    (connections(server_name="a b"), of_connections("server_name"), "a b", "ranker.internal"),
    (connections(ca="ca.pem"), of_connections("ca"), "ca.pem", "PUT /api/v1/artefacts"),
    (connections(certificate="/etc/a"), of_connections("certificate"), "/etc/a", "write ${NAME}"),
    (
        connections(certificate="${TONNAGE_TOKEN}"),
        of_connections("certificate"),
        "${TONNAGE_TOKEN}",
        "the fleet's own",
    ),
    (connections(key="-----BEGIN"), of_connections("key"), "(not shown)", "write ${NAME}"),
    (connections(key="${KEY}"), of_connections("key"), "${KEY}", "has no certificate"),
    (connections(verify="no"), of_connections("verify"), "no", "write on or off"),
    (connections(verify="off", ca="a" * 64), of_connections("verify"), "off", "leave out one"),
    (
        workload(connections={"server_name": "a.b"}),
        of_connections("server_name"),
        "a.b",
        "is about TLS, and no target is https: write https://…",
    ),
    (workload(connections=["user"]), "workload.connections", "(not shown)", "is not a mapping"),
]


@pytest.mark.parametrize(("changes", "field", "value", "fix"), BAD)
def test_a_wrong_policy_is_refused_with_field_value_and_fix(
    changes: dict[str, Any], field: str, value: str, fix: str, locustfiles: Path
) -> None:
    with pytest.raises(GoalRefused) as refused:
        goal_of(goal_document(**changes), rules((), locustfiles))
    fault = {fault.field: fault for fault in refused.value.faults}[field]
    assert fault.value == value
    assert fix in fault.fix


def test_a_policy_of_connections_goes_into_the_goal_and_is_none_without_one(
    locustfiles: Path,
) -> None:
    policy = {
        "reuse": "user",
        "requests": 100,
        "resolve": "never",
        "server_name": "ranker.internal",
        "ca": "a" * 64,
        "certificate": "${CERT_FILE}",
        "key": "${KEY_FILE}",
        "verify": "on",
    }
    asked = goal_of(goal_document(**connections(**policy)), rules((), locustfiles))
    assert asked.workload.connections == Connections(
        "user", None, 100, None, "ranker.internal", "a" * 64, "${CERT_FILE}", "${KEY_FILE}", True
    )
    assert asked.artefacts == (("workload.connections.ca", "a" * 64),)
    plain = goal_of(goal_document(), rules((), locustfiles))
    assert plain.workload.connections == Connections()
