"""What do the controller and Redis spend on so many simulated workers? One configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.control_plane.filled import REQUESTS
from benchmarks.control_plane.proc import allow_files
from tonnage import redis_server
from tonnage.child import Child

REDIS_WITHIN_S = 10.0
EACH_PROCESS = 500
"""Simulated workers a process."""
SPARE_FILES = 200
MAX_MEMORY = "1gb"
BEYOND_S = 48.0
"""Longest that all but the probe may take."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One configuration; ratios are of one core, over the steady part of the probe."""

    workers: int
    controller_ratio: float
    redis_ratio: float
    busy_ratio: float
    merged: int
    late: int
    lost: int
    unaccounted: int
    missing: int
    prepared_s: float


def cost(workers: int, seconds: int) -> Cost:
    """Run `workers` simulated workers through one probe of `seconds`.

    Raises:
        TooFewFiles: the machine does not allow as many connections.
        RuntimeError: a part did not come up or did not finish; the text has what it said.
    """
    allow_files(2 * workers + SPARE_FILES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            _redis(folder, workers) as (redis, url),
            _simulated(folder, url, workers, seconds),
        ):
            return _conducted(url, redis, workers, seconds)


@contextmanager
def _redis(folder: Path, workers: int) -> Iterator[tuple[int, str]]:
    server = redis_server.configure(folder)
    limits = ("--maxclients", str(2 * workers + SPARE_FILES), "--maxmemory", MAX_MEMORY)
    child = Child("redis", (*server.argv, *limits), folder / "redis.log")
    try:
        child.start()
        give_up_at = time.monotonic() + REDIS_WITHIN_S
        while not redis_server.answers(server.port):
            if not child.alive or time.monotonic() > give_up_at:
                raise RuntimeError(f"Redis did not start; it said:\n{child.log_tail()}")
            time.sleep(0.02)
        assert child.pid is not None
        yield child.pid, server.url
    finally:
        _end([child])


@contextmanager
def _simulated(folder: Path, url: str, workers: int, seconds: int) -> Iterator[None]:
    children = []
    for first in range(0, workers, EACH_PROCESS):
        count = min(EACH_PROCESS, workers - first)
        numbers = {"--first": first, "--count": count, "--of": workers, "--seconds": seconds}
        options = [str(word) for pair in numbers.items() for word in pair]
        argv = [sys.executable, "-m", "benchmarks.control_plane.worker", *options]
        log = folder / f"workers-{first}.log"
        children.append(Child(f"workers {first}", argv, log, {"TONNAGE_REDIS_URL": url}))
    try:
        for child in children:
            child.start()
        yield
        for child in children:
            if not child.alive:
                raise RuntimeError(f"{child.name} ended; they said:\n{child.log_tail()}")
    finally:
        _end(children)


def _conducted(url: str, redis_pid: int, workers: int, seconds: int) -> Cost:
    options = ["--workers", str(workers), "--seconds", str(seconds), "--redis-pid", str(redis_pid)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.control_plane.conductor", *options],
            env=dict(os.environ) | {"TONNAGE_REDIS_URL": url},
            capture_output=True,
            text=True,
            timeout=seconds + BEYOND_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the probe on {workers} workers did not end in time") from error
    if done.returncode:
        raise RuntimeError(f"the probe on {workers} workers failed: {done.stderr[-2_000:]}")
    told = json.loads(done.stdout)
    used = told["used"]
    return Cost(
        workers=workers,
        controller_ratio=used["ratios"]["controller"],
        redis_ratio=used["ratios"]["redis"],
        busy_ratio=used["busy_ratio"],
        merged=told["merged"],
        late=told["late"],
        lost=told["lost"],
        unaccounted=told["unaccounted"],
        missing=workers * seconds * REQUESTS - told["requests"],
        prepared_s=told["prepared_s"],
    )


def _end(children: list[Child]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        child.wait()
