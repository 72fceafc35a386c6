"""Are arrivals, profiles and recorded times read as asked, and wrong ones refused with the fix?"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from controller.api.goals import rules
from controller.api.schemas.faults import goal_of
from controller.errors import GoalRefused
from tests.api.fakes import Api, goal_document


@pytest.fixture
def locustfiles(tmp_path: Path) -> Path:
    (tmp_path / "plain_http.py").write_text("x = 1")
    return tmp_path


def workload(**changes: Any) -> dict[str, Any]:
    return {"workload": {"user": "plain_http"} | changes}


BAD = [
    (workload(arrivals={"replay": "a"}), "workload.arrivals", None, "PUT /api/v1/artefacts"),
    (
        workload(arrivals={"replay": "f" * 64, "speed": 1}),
        "workload.arrivals",
        None,
        "belongs to strategy soak",
    ),
    (workload(profile="150%"), "workload.profile", "150%", "is not a list of 1 to 1000 pairs"),
    (workload(profile=[]), "workload.profile", None, "is not a list of 1 to 1000 pairs"),
    (workload(profile=[["0s"]]), "workload.profile", None, "entry 1 is not a time and a perc"),
    (workload(profile=[["0s", 1]]), "workload.profile", None, "entry 1: 1 is not a percentage"),
    (workload(profile=[["0s", "1%"], ["x", "1%"]]), "workload.profile", None, "entry 2: 'x' is"),
    (workload(profile=[["5s", "1%"]]), "workload.profile", None, "begins at 0s, not at 5s"),
    (workload(profile=[["0s", "2000%"]]), "workload.profile", None, "from 0% to 1000%"),
    (workload(profile=[["0s", "90%"]]), "workload.profile", None, "belongs to strategy soak"),
    (workload(arrivals="gamma"), "workload.arrivals", "gamma", "write {gamma: {cv: 2}}"),
]


@pytest.mark.parametrize(("changes", "field", "value", "fix"), BAD)
def test_wrong_arrivals_are_refused_with_field_value_and_fix(
    changes: dict[str, Any], field: str, value: str | None, fix: str, locustfiles: Path
) -> None:
    with pytest.raises(GoalRefused) as refused:
        goal_of(goal_document(**changes), rules((), locustfiles))
    (fault,) = refused.value.faults
    assert fault.field == field
    assert fix in fault.fix
    if value is not None:
        assert fault.value == value


def test_a_soak_may_follow_a_profile(locustfiles: Path) -> None:
    profile = [["0s", "100%"], ["1min", "150%"], ["1min", "0.5 %"]]
    soak = {"strategy": "soak", "rate": "200/s", "budget": "4h"}
    goal = goal_of(goal_document(search=soak, **workload(profile=profile)), rules((), locustfiles))
    assert goal.workload.profile == ((0.0, 1.0), (60.0, 1.5), (60.0, 0.005))
    assert goal.peak == 300.0


def times(*seconds: float) -> tuple[str, bytes]:
    data = "\n".join(map(str, seconds)).encode()
    return hashlib.sha256(data).hexdigest(), data


@pytest.mark.anyio
async def test_recorded_times_that_cannot_be_replayed_are_refused_with_the_line() -> None:
    api = Api()
    sha256, data = times(1, 3, 2)
    document = goal_document(workload={"user": "/users/ranker.py", "arrivals": {"replay": sha256}})
    (absent,) = await api.faults(document)
    assert absent["field"] == "workload.arrivals"
    assert f"upload it with PUT /api/v1/artefacts/{sha256}" in absent["fix"]
    await api.store.put_artefact(sha256, data)
    other, broken = await api.faults(document | {"require": 3})
    assert (other["field"], broken["field"]) == ("require", "workload.arrivals")
    assert "line 3: '2' is before '3'" in broken["fix"]


@pytest.mark.anyio
async def test_a_soak_takes_its_rate_from_the_times_that_it_replays() -> None:
    api = Api()
    sha256, data = times(*(k / 50 for k in range(500)))
    await api.store.put_artefact(sha256, data)
    replay = {"user": "/users/ranker.py", "arrivals": {"replay": sha256, "speed": 2}}
    soak = {"strategy": "soak", "budget": "1h"}
    quoted = await api.http.post("/api/v1/quote", json=goal_document(workload=replay, search=soak))
    assert (quoted.status_code, quoted.json()["requests"]) == (200, 100 * 3600)
    (fault,) = await api.faults(goal_document(workload=replay, search=soak | {"rate": "100/s"}))
    assert (fault["field"], fault["value"]) == ("search.rate", "100/s")
    assert "speed gives the rate" in fault["fix"]
    data = b"\n".join(b'{"t": %d}' % (k * k) for k in range(500))
    sha256 = hashlib.sha256(data).hexdigest()
    await api.store.put_artefact(sha256, data)
    replay = {"user": "/users/ranker.py", "arrivals": {"replay": sha256, "speed": 2}}
    (fault,) = await api.faults(goal_document(workload=replay, search=soak))
    assert "the unit of its times is not told" in fault["fix"]
