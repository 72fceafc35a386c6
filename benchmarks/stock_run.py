"""What does stock Locust, run as anybody runs it, report of the stalling server?"""

from __future__ import annotations

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
    argv = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    argv += ["--host", url, "--users", str(users), "--spawn-rate", str(users * 10)]
    argv += ["--run-time", f"{case.seconds:g}s", "--stop-timeout", str(STOP_TIMEOUT_S)]
    argv += ["--exit-code-on-error", "0"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    env |= {"STOCK_WAIT": wait, "STOCK_PER_USER": f"{case.rate / users:g}"}
    done = subprocess.run(
        argv,
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=case.seconds + STOP_TIMEOUT_S + START_AND_END_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"locust ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return read_summary(done.stdout)


def read_summary(text: str) -> Told:
    """What Locust prints of all requests together when it ends.

    Raises:
        RuntimeError: it printed no percentiles.
    """
    words = [line.split() for line in text.splitlines()]
    heads = next((line for line in words if line[:2] == ["Type", "Name"] and "99%" in line), None)
    rows = [line for line in words if line[:1] == ["Aggregated"]]
    if heads is None or not rows:
        raise RuntimeError(f"locust printed no percentiles:\n{text[-2000:]}")
    by_head = dict(zip(heads[2:], rows[-1][1:], strict=False))
    p50, p95, p99 = (float(by_head[column]) for column in COLUMNS)
    return Told(int(rows[-1][-1]), (p50, p95, p99))
