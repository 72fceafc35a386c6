"""What does stock Locust, run as anybody runs it, report of the stalling server?"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stalling_target import Case, Quantiles

LOCUSTFILE = Path(__file__).with_name("stock_user.py")
STOP_TIMEOUT_S = 5
START_AND_END_S = 30.0
COLUMNS = ("50%", "95%", "99%")


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says of its own run: requests completed, and their times.

    Stock Locust has no schedule, hence neither arrivals scheduled nor a send lag.
    """

    requests: int
    reported_ms: Quantiles
    scheduled: int | None = None
    send_lag_p99_ms: float | None = None


def run(case: Case, wait: str, users: int, url: str, folder: Path) -> Told:
    """Stock Locust with `users` that together ask for the case's rate.

    All users start at once, and what is in flight at the end may finish.

    Raises:
        RuntimeError: Locust ended with an error.
    """
    prefix = folder / "stock"
    argv = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    argv += ["--host", url, "--users", str(users), "--spawn-rate", str(users * 10)]
    argv += ["--run-time", f"{case.seconds:g}s", "--stop-timeout", str(STOP_TIMEOUT_S)]
    argv += ["--csv", str(prefix), "--exit-code-on-error", "0"]
    env = {**os.environ, "STOCK_WAIT": wait, "STOCK_PER_USER": f"{case.rate / users:g}"}
    done = subprocess.run(
        argv,
        env=env,
        capture_output=True,
        text=True,
        timeout=case.seconds + STOP_TIMEOUT_S + START_AND_END_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"locust ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return _read(prefix.with_name("stock_stats.csv"))


def _read(path: Path) -> Told:
    with path.open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    p50, p95, p99 = (float(row[column]) for column in COLUMNS)
    return Told(int(row["Request Count"]), (p50, p95, p99))
