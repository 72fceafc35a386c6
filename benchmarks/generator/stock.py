"""How many requests a second does stock Locust send from one core, as fast as it can?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

USERS = 50
SECONDS = 4
START_AND_END_S = 40.0
FOLDER = Path(__file__).with_name("locustfiles")


def run(kind: str, url: str, pin: tuple[str, ...]) -> float:
    """Requests/s of `locustfiles/KIND.py` in the seconds that were full ones.

    Raises:
        RuntimeError: Locust failed, or its requests did.
    """
    argv = [*pin, sys.executable, "-m", "locust", "-f", str(FOLDER / f"{kind}.py"), "--headless"]
    argv += ["--json", "-u", str(USERS), "-r", str(USERS), "-t", f"{SECONDS}s", "--host", url]
    done = subprocess.run(
        argv,
        env={name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS + START_AND_END_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"locust ended with {done.returncode}:\n{done.stderr[-1000:]}")
    return read(done.stdout)


def read(text: str) -> float:
    """Requests/s by `--json`: the mean without the first and the last second, which are parts.

    Raises:
        RuntimeError: it is no such JSON, requests failed, or there was no full second.
    """
    try:
        entries = json.loads(text)
        failed = sum(entry["num_failures"] for entry in entries)
        by_second: dict[int, int] = {}
        for entry in entries:
            for second, count in entry["num_reqs_per_sec"].items():
                by_second[int(second)] = by_second.get(int(second), 0) + count
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"locust said {text[:300]!r}") from error
    if failed:
        raise RuntimeError(f"{failed} requests of stock Locust failed")
    full = [by_second[second] for second in sorted(by_second)[1:-1]]
    if not full:
        raise RuntimeError("stock Locust had no full second")
    return sum(full) / len(full)
