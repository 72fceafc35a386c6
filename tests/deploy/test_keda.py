"""Do the manifests ask the API for what it has, and give workers the time that they need?"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from controller import settings
from controller.api.schemas.answers import DemandShown
from controller.run.staffing import FOLLOWED_FOR_S
from controller.search.opening import LONGEST_WARM_UP_S
from tests.api.fakes import Api

FOLDER = Path(__file__).parents[2] / "deploy" / "keda"
TOLERATED = 0.1
"""Kubernetes' horizontal-pod-autoscaler-tolerance, where nobody has set another."""

Document = dict[str, Any]


def documents() -> dict[str, Document]:
    """Every object of the folder, by its kind."""
    texts = [path.read_text() for path in sorted(FOLDER.glob("*.yaml"))]
    return {document["kind"]: document for text in texts for document in yaml.safe_load_all(text)}


@pytest.fixture
def found() -> dict[str, Document]:
    return documents()


def trigger(found: dict[str, Document]) -> Document:
    (only,) = found["ScaledObject"]["spec"]["triggers"]
    assert only["type"] == "metrics-api"
    return dict(only)


def test_the_scaler_reads_a_number_that_the_api_has(found: dict[str, Document]) -> None:
    metadata = trigger(found)["metadata"]
    assert metadata["valueLocation"] == "workers"
    assert DemandShown.model_fields[metadata["valueLocation"]].annotation is int
    assert all(isinstance(value, str) for value in metadata.values())  # KEDA takes nothing else


def test_the_scaler_asks_a_route_that_is_there_and_by_a_parameter_that_it_has(
    found: dict[str, Document],
) -> None:
    url = urlsplit(trigger(found)["metadata"]["url"])
    operation = Api().app.openapi()["paths"][url.path]["get"]
    assert url.port == settings.read(port=None).port
    assert set(parse_qs(url.query)) == {p["name"] for p in operation["parameters"]} == {"steady"}


def test_the_token_goes_along_as_the_api_wants_it(found: dict[str, Document]) -> None:
    asking = trigger(found)
    assert asking["metadata"]["authMode"] == "bearer"
    authentication = found["TriggerAuthentication"]
    assert asking["authenticationRef"]["name"] == authentication["metadata"]["name"]
    (secret,) = authentication["spec"]["secretTargetRef"]
    assert secret["parameter"] == "token"


def test_it_is_the_workers_that_are_scaled_and_their_number_stands_nowhere_else(
    found: dict[str, Document],
) -> None:
    target = found["ScaledObject"]["spec"]["scaleTargetRef"]
    workers = found["Deployment"]
    assert target == {
        "apiVersion": workers["apiVersion"],
        "kind": "Deployment",
        "name": workers["metadata"]["name"],
    }
    assert "replicas" not in workers["spec"]
    labels = workers["spec"]["template"]["metadata"]["labels"]
    assert workers["spec"]["selector"]["matchLabels"] == labels


@pytest.mark.parametrize("wanted", range(1, 65))
def test_a_fleet_at_rest_is_never_below_the_demand(found: dict[str, Document], wanted: int) -> None:
    spec = found["ScaledObject"]["spec"]
    target = float(trigger(found)["metadata"]["targetValue"])
    at_rest = [
        pods
        for pods in range(1, spec["maxReplicaCount"] + 1)
        if abs(wanted / (target * pods) - 1.0) <= TOLERATED
    ]
    assert min(at_rest, default=wanted) >= wanted
    assert spec["maxReplicaCount"] * target >= settings.read().fleet_ceiling >= wanted


def test_somebody_asks_often_enough_for_runs_to_wait(found: dict[str, Document]) -> None:
    assert found["ScaledObject"]["spec"]["pollingInterval"] < FOLLOWED_FOR_S / 2


def test_a_worker_that_is_told_to_go_may_finish_its_probe(found: dict[str, Document]) -> None:
    pod = found["Deployment"]["spec"]["template"]["spec"]
    grace_s = pod["terminationGracePeriodSeconds"]
    (container,) = pod["containers"]
    args = container["args"]
    leave_s = float(args[args.index("--leave-within") + 1])
    assert LONGEST_WARM_UP_S < leave_s < grace_s
    down = found["ScaledObject"]["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert down["scaleDown"]["stabilizationWindowSeconds"] >= grace_s


def test_a_worker_has_a_core_and_no_quota_that_could_throttle_it(
    found: dict[str, Document],
) -> None:
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == "1"
    assert "cpu" not in container["resources"]["limits"]
    names = {variable["name"] for variable in container["env"]}
    assert "TONNAGE_REDIS_URL" in names
    assert all("value" not in variable for variable in container["env"])  # secrets stay secrets
