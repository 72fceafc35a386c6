"""Does code come to a worker only where its operator wants it, and go again with its run?"""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.bundle import packed
from contract.messages import Stop
from tests.workers.agents import Scene
from tests.workers.servers import eventually
from workers.bundle import Bundles
from workers.engine.locustfile import load
from workers.order import CannotPrepare

FILES = {
    "load/locustfile.py": b"""
from locust import User, task
import bundled_helper

class Asker(User):
    @task
    def ask(self):
        return bundled_helper.ANSWER
""",
    "load/bundled_helper.py": b"ANSWER = 1\n",
}
USER = "load/locustfile.py"
NEWER = FILES | {"load/bundled_helper.py": b"ANSWER = 2\n"}


@pytest.fixture
def bundles() -> Iterator[Bundles]:
    made = Bundles(on=True, signed=True)
    yield made
    made.clear()


@pytest.mark.parametrize(
    ("bundles", "fix"),
    [
        (Bundles(), "TONNAGE_BUNDLES=on"),
        (Bundles(signed=True), "TONNAGE_BUNDLES=on"),
        (Bundles(on=True), "set TONNAGE_FLEET_KEY as well"),
    ],
)
def test_no_code_comes_where_it_is_off_or_anybody_could_send_it(bundles: Bundles, fix: str) -> None:
    with pytest.raises(CannotPrepare, match=fix):
        bundles.unpack(packed(FILES), USER)


def test_a_bundle_lies_where_nobody_else_can_read_it_and_is_deleted(bundles: Bundles) -> None:
    path = bundles.unpack(packed(FILES), USER)
    root = path.parents[1]
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert path.read_bytes() == FILES[USER]
    bundles.clear()
    assert not root.exists()


def test_what_a_bundle_imports_is_its_own_and_not_that_of_the_one_before(bundles: Bundles) -> None:
    for files, answer in ((FILES, 1), (NEWER, 2)):
        path = bundles.unpack(packed(files), USER)
        load(str(path))
        assert answer == sys.modules["bundled_helper"].ANSWER
        bundles.clear()
        assert "bundled_helper" not in sys.modules
        assert not any("tonnage-bundle" in entry for entry in sys.path)


def test_a_bundle_without_its_user_says_what_there_is(bundles: Bundles) -> None:
    with pytest.raises(CannotPrepare, match=r"load/bundled_helper.py, load/locustfile.py"):
        bundles.unpack(packed(FILES), "locustfile.py")


def test_a_worker_lays_a_bundle_out_for_its_run_and_deletes_it_with_it() -> None:
    scene = Scene(bundles=Bundles(on=True, signed=True))
    sha256 = scene.stored(packed(FILES))
    ready = scene.prepared(user=USER, bundle_sha256=sha256)
    (order,) = scene.engine.orders
    assert ready.error is None
    assert Path(order.user).read_bytes() == FILES[USER]
    scene.agent.obey(Stop("r1", 1, ("w1", "w2"), None, "enough"))
    scene.agent.tick()
    eventually(lambda: not Path(order.user).exists())
    scene.close()


def test_a_worker_that_takes_none_refuses_the_run_and_fetches_nothing() -> None:
    scene = Scene()
    ready = scene.prepared(user=USER, bundle_sha256="0" * 64)
    assert ready.error is not None
    assert "TONNAGE_BUNDLES=on" in ready.error
    assert scene.engine.orders == []
    scene.close()
