"""Is a policy of connections that contradicts itself refused with its field and its fix?"""

from __future__ import annotations

from typing import Any

import pytest

from contract.connections import Connections, ConnectionsError, variable_of

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"most": 0}, "most", "is not in 1 to 1,000,000"),
    ({"requests": 2_000_000}, "requests", "is not in 1 to 1,000,000"),
    ({"resolve_s": 0.5}, "resolve", "write 1s or more, or never"),
    ({"resolve_s": float("nan")}, "resolve", "write 1s or more, or never"),
    ({"most": 3, "reuse": "user"}, "most", "leave it out"),
    ({"ca_sha256": "ca.pem"}, "ca", "is no sha256"),
    ({"certificate": "/etc/passwd"}, "certificate", "write ${NAME}"),
    ({"certificate": "${A}${B}"}, "certificate", "write ${NAME}"),
    ({"certificate": "${tonnage_token}"}, "certificate", "the fleet's own"),
    ({"key": "${KEY}"}, "key", "has no certificate"),
    ({"verify": False, "ca_sha256": "a" * 64}, "verify", "leave out one of them"),
]


@pytest.mark.parametrize(("policy", "field", "fix"), BAD)
def test_a_policy_that_contradicts_itself_names_its_field_and_the_fix(
    policy: dict[str, Any], field: str, fix: str
) -> None:
    with pytest.raises(ConnectionsError) as refused:
        Connections(**policy)
    assert (refused.value.field, fix in refused.value.fix) == (field, True)
    assert str(refused.value).startswith(f"workload.connections.{field}: ")


def test_what_may_be_a_secret_is_not_repeated() -> None:
    with pytest.raises(ConnectionsError) as refused:
        Connections(certificate="${A}", key="-----BEGIN PRIVATE KEY-----")
    assert "BEGIN" not in str(refused.value)


def test_a_file_on_the_worker_goes_by_the_name_of_a_variable() -> None:
    assert variable_of("${CERT_FILE}", "certificate") == "CERT_FILE"


@pytest.mark.parametrize(
    "policy",
    [{"server_name": "a"}, {"ca_sha256": "a" * 64}, {"certificate": "${A}"}, {"verify": False}],
)
def test_a_policy_says_whether_it_is_about_tls(policy: dict[str, Any]) -> None:
    assert Connections(**policy).says_tls
    assert not Connections(most=3, requests=1).says_tls
