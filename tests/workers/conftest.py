"""What do tests of the workers share? Locust first: it patches the process before anything else."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import locust  # noqa: F401
import pytest
from gevent import getcurrent

from workers.clients import traps
from workers.permit import PERMIT_KEY


@pytest.fixture
def stock() -> Iterator[None]:
    """The clients with their habits."""
    traps.remove()
    yield
    traps.remove()


@pytest.fixture
def fixed() -> Iterator[None]:
    traps.install()
    traps.install()  # a second time changes nothing
    yield
    traps.remove()


@pytest.fixture
def extra() -> Iterator[Any]:
    """The recorder behind the arrival at hand, which counts extra sends."""
    recorder = SimpleNamespace(extra_sends=0)
    here: Any = getcurrent()
    before = getattr(here, "spawn_tree_locals", None)
    here.spawn_tree_locals = {PERMIT_KEY: SimpleNamespace(recorder=recorder)}
    yield recorder
    here.spawn_tree_locals = before
