"""What does Locust's own master spend on so many workers of its own protocol?"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.control_plane.proc import Meter, allow_files
from tonnage.child import Child
from tonnage.redis_server import free_port

FILES_A_WORKER, SPARE_FILES = 4, 200
"""A ZeroMQ socket has an event descriptor beside its connection, on both sides."""
RUNNING_WITHIN_S, SETTLE_S = 30.0, 3.0
LOCUSTFILE = """
from locust import User, constant, task


class Nothing(User):
    wait_time = constant(1)

    @task
    def nothing(self):
        pass
"""


@dataclass(frozen=True, slots=True)
class MasterCost:
    """CPU of the master as a ratio of one core, while all workers run."""

    workers: int
    master_ratio: float
    busy_ratio: float


def master_cost(workers: int, seconds: int) -> MasterCost:
    """Run Locust's master with `workers` simulated ones for `seconds`.

    Raises:
        TooFewFiles: the machine does not allow as many connections.
        RuntimeError: the workers were not all running in time; the text has what the master said.
    """
    allow_files(FILES_A_WORKER * workers + SPARE_FILES)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        locustfile = folder / "locustfile.py"
        locustfile.write_text(LOCUSTFILE)
        many = ["--expect-workers", str(workers), "-u", str(workers), "-r", str(workers)]
        where = ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
        argv = [sys.executable, "-m", "locust", "-f", str(locustfile), "--master", "--headless"]
        master = Child("master", [*argv, *many, *where], folder / "master.log")
        marker = folder / "running"
        options = ["--port", str(port), "--workers", str(workers), "--marker", str(marker)]
        argv = [sys.executable, "-m", "benchmarks.control_plane.locust_workers", *options]
        simulated = Child("workers", argv, folder / "workers.log")
        try:
            master.start()
            simulated.start()
            _await_running(marker, master, simulated)
            time.sleep(SETTLE_S)
            assert master.pid is not None
            meter = Meter({"master": master.pid})
            time.sleep(seconds)
            used = meter.used()
        finally:
            for child in (simulated, master):
                child.terminate()
                child.wait(5.0)
    return MasterCost(workers, used.ratios["master"], used.busy_ratio)


def _await_running(marker: Path, *children: Child) -> None:
    give_up_at = time.monotonic() + RUNNING_WITHIN_S
    while not marker.exists():
        if time.monotonic() > give_up_at or not all(child.alive for child in children):
            said = "\n".join(f"{child.name}: {child.log_tail()}" for child in children)
            raise RuntimeError(f"not all of Locust's workers were told to run; they said:\n{said}")
        time.sleep(0.05)
