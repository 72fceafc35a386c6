"""What do end-to-end tests share: their marker, time to finish, a target and a standing stack?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.scene import Stack, Target, serving, standing

TIMEOUT_S = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder; a hang is ended after two minutes instead of one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.needs_redis_server)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A model server that survives the tests."""
    with serving(tmp_path_factory.mktemp("target")) as target:
        yield target


@pytest.fixture(scope="session")
def standing_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with standing(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def stack(standing_stack: Stack) -> Iterator[Stack]:
    """The standing stack, whole and idle; a run that a test leaves behind is aborted."""
    standing_stack.until_whole(workers=2)
    yield standing_stack
    with contextlib.suppress(httpx.HTTPError):
        standing_stack.abort_all()
