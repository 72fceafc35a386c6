"""Does the local stack bring the workers that a search needs, and does the search wait for them?"""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from tests.e2e.scene import Target, goal
from tonnage import elastic
from tonnage.stack import Stack, StackOptions

WAIT_S = 60.0
CHECK_S = 0.2


def test_a_search_that_one_worker_does_not_carry_begins_with_two(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic, "cores", lambda: 4)
    monkeypatch.delenv(elastic.CEILING, raising=False)
    told: list[str] = []
    with Stack(StackOptions(directory=tmp_path, workers=1), told.append) as stack:
        one_carries_per_s = stack.controller.demand()["per_worker_per_s"]
        search = {"from": "20/s", "to": f"{1.5 * one_carries_per_s:.0f}/s"}
        run = stack.controller.create(goal(target.url, search=search), uuid.uuid4().hex)
        view = stack.controller.view(run)
        give_up_at = time.monotonic() + WAIT_S
        while view["state"] in ("queued", "preflight") and time.monotonic() < give_up_at:
            stack.check(run_active=True)
            time.sleep(CHECK_S)
            view = stack.controller.view(run)
        assert view["state"] == "running", told
        assert view["workers"] == ["w1", "w2"]
        assert any(text.startswith("starting 1 more worker: run ") for text in told)
        stack.controller.abort(run)
