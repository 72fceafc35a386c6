"""Do fleet, health and metrics tell what is there?"""

from __future__ import annotations

import pytest

from controller.run.placement import Wish
from controller.search.probe import Verdict
from tests.api.fakes import ANSWERED, Api, beginning, decided, ending, heard

pytestmark = pytest.mark.anyio


async def test_the_demand_says_how_many_workers_and_why() -> None:
    api = Api()
    api.fleet.heard = (heard("w1"), heard("w2", run="r"))
    api.fleet.wishes = (Wish("r", frozenset({"a:80"}), 2_000.0),)
    body = (await api.http.get("/api/v1/fleet/demand")).json()
    assert body == {
        "workers": 3,
        "present": 2,
        "rate_per_s": 2100.0,
        "per_worker_per_s": 750.0,
        "ceiling": 8,
        "idle": ["w1"],
        "reason": "run r asks for up to 2.1k/s; a worker is counted on for 750/s",
    }
    api.fleet.wishes = ()
    assert (await api.http.get("/api/v1/fleet/demand")).json()["workers"] == 0
    steady = await api.http.get("/api/v1/fleet/demand", params={"steady": "true"})
    assert steady.json()["workers"] == 2
    api.fleet.down = True
    assert (await api.http.get("/api/v1/fleet/demand")).status_code == 503


async def test_the_fleet_shows_each_worker_and_what_it_does() -> None:
    api = Api()
    api.fleet.heard = (heard("w1"), heard("w2", run="r", probe=3), heard("w3", run="r"))
    body = (await api.http.get("/api/v1/fleet")).json()
    assert [w["state"] for w in body["workers"]] == ["idle", "probing", "prepared"]
    assert body["rate_per_s"] == 4500.0
    assert body["workers"][1] | {"health": None} == {
        "worker": "w2", "host": "here", "pid": 7, "version": "0.1.0", "state": "probing",
        "run": "r", "probe": 3, "rate_per_s": 1500.0, "targets": [], "last_heard_s": 0.5,
        "health": None,
    }  # fmt: skip
    assert body["workers"][0]["health"]["clock_offset_us"] == 120


async def test_the_process_is_alive_without_anything_else() -> None:
    api = Api()
    api.store.down = api.fleet.down = True
    assert (await api.http.get("/healthz")).json() == {"status": "ok"}


@pytest.mark.parametrize(("redis", "database"), [(True, True), (True, False), (False, True)])
async def test_readiness_names_what_does_not_answer(redis: bool, database: bool) -> None:
    api = Api()
    api.fleet.heard = (heard("w1"),)
    api.fleet.down, api.store.down = not redis, not database
    answer = await api.http.get("/readyz")
    assert answer.status_code == (200 if redis and database else 503)
    assert answer.json() == {
        "ready": redis and database,
        "redis": redis,
        "database": database,
        "workers": int(redis),
    }


async def test_the_metrics_count_runs_probes_and_workers() -> None:
    api = Api()
    await api.create()
    active, ended = await api.create(), await api.create()
    await api.runs.append(active, *beginning(), decided(1, 100.0, Verdict.FAIL))
    await api.runs.append(ended, *beginning(), *ending(ANSWERED))
    api.fleet.heard = (heard("w1"), heard("w2", run=active, probe=1))
    answer = await api.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = set(answer.text.splitlines())
    assert {
        'tonnage_runs{status="active"} 2',
        'tonnage_runs{status="answered"} 1',
        'tonnage_runs{status="failed"} 0',
        "tonnage_queue 1",
        'tonnage_probes{verdict="fail"} 1',
        'tonnage_workers{state="probing"} 1',
        'tonnage_workers{state="waiting"} 1',
        "tonnage_redis_up 1",
        "tonnage_fleet_rate 3000",
    } <= lines


async def test_the_metrics_are_there_without_redis() -> None:
    api = Api()
    api.fleet.down = True
    assert "tonnage_redis_up 0" in (await api.http.get("/metrics")).text.splitlines()
