"""Does code reach a worker, send a probe, and go again, where its operator turned that on?"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from contract.bundle import SWITCH, packed
from controller.errors import PreflightFailed
from tests.far import scene
from tests.far.scene import a_probe, all_reports
from tests.helpers.redis_server import RedisServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs_redis_server,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

BUNDLE = packed(
    {
        "locustfile.py": b"""
from locust import FastHttpUser, task
from paths import PATH

class Asker(FastHttpUser):
    @task
    def ask(self):
        self.client.get(PATH)
""",
        "paths.py": b"PATH = '/from-the-bundle'\n",
    }
)
SHA256 = hashlib.sha256(BUNDLE).hexdigest()


class Uploaded:
    """The Artefacts port with the bundle in it."""

    async def put_artefact(self, sha256: str, data: bytes) -> None:
        raise AssertionError("nothing is uploaded here")

    async def artefact(self, sha256: str) -> bytes | None:
        return BUNDLE if sha256 == SHA256 else None


async def test_a_bundle_runs_where_it_is_on_and_nowhere_else(
    redis_server_program: Path, tmp_path: Path
) -> None:
    server = RedisServer(redis_server_program, tmp_path)
    await asyncio.to_thread(server.start)
    try:
        async with scene.world(server.url) as made:
            goal = made.goal(user="locustfile.py", bundle=SHA256)
            async with scene.workers(
                made, scene.worker("open", server.url, tmp_path, **{SWITCH: "on"})
            ):
                fleet = made.fleet(goal, artefacts=Uploaded())
                await fleet.prepare(ask_target=False)
                seen = await all_reports(fleet, a_probe(measure_s=1.0))
                lying = _bundles(tmp_path)
                await fleet.release()
                assert seen[-1].totals.succeeded == len(made.target.came_us["open"]) == 150
                assert len(lying) == 1
                assert _bundles(tmp_path) == []
            async with scene.workers(made, scene.worker("shut", server.url, tmp_path)):
                fleet = made.fleet(goal, fence=2, artefacts=Uploaded())
                with pytest.raises(PreflightFailed, match=r"worker shut: .* TONNAGE_BUNDLES=on"):
                    await fleet.prepare(ask_target=False)
                await fleet.release()
    finally:
        server.kill()


def _bundles(folder: Path) -> list[Path]:
    return sorted(folder.rglob("tonnage-bundle-*"))
