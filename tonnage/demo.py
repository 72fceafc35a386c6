"""What does a newcomer see first: a real search against a model server of known capacity?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from tonnage.errors import FAILED, CommandError
from tonnage.goalfile import GoalFile
from tonnage.searching import check_writable, finish, say, search_on
from tonnage.signals import Interrupted, interruptible
from tonnage.stack import Stack, StackOptions

OBJECTIVE = "p99 response_time <= 150ms"
SERVER = ("--base", "20ms", "--per-item", "2.5ms", "--max-batch", "16")
START_TIMEOUT_S = 20.0
TRUTH_TIMEOUT_S = 180.0


def run_demo(console: Console, *, workers: int, json_path: Path | None, precision: str) -> int:
    """Exit status of the demo: 0 when the search answered."""
    check_writable(json_path)
    with (
        interruptible() as interruption,
        tempfile.TemporaryDirectory(prefix="tonnage-demo-", ignore_cleanup_errors=True) as folder,
    ):
        options = StackOptions(directory=Path(folder), workers=workers)
        try:
            with Stack(options, lambda text: say(console, text)) as stack:
                url = _start_target(stack, Path(folder))
                say(console, f"model server at {url}: batches of up to 16 take 20 ms + 2.5 ms each")
                say(console, f"question: how many requests/s keep {OBJECTIVE}?")
                result = search_on(console, stack, _goal(url, precision), interruption)
                status = finish(console, result, json_path)
                if status == 0:
                    _compare(console, url, result)
                interruption.held = True
        except Interrupted:
            say(console, "stopped")
            return 130
    if status == 0:
        _what_next(console)
    return status


def _what_next(console: Console) -> None:
    say(console, "To keep a stack running: make up (or: tonnage up). To search a server of yours:")
    say(console, "  tonnage search goal.yaml --local      (the README explains the goal file)")


def _goal(url: str, precision: str) -> GoalFile:
    document: dict[str, Any] = {
        "name": "demo",
        "target": url,
        "model": "toy",
        "workload": {"user": "kserve_v2", "arrivals": "poisson"},
        "slo": [OBJECTIVE, "error_ratio <= 0.1%"],
        "search": {
            "from": "10/s",
            "to": "2000/s",
            "precision": precision,
            "budget": "10min",
            "closing_probes": 0,
        },
    }
    return GoalFile(Path("demo"), document, {})


def _start_target(stack: Stack, folder: Path) -> str:
    port_file = folder / "target.port"
    argv = ["deploy.demo.served_model", "--port", "0", "--print-port-to", str(port_file), *SERVER]
    child = stack.start_child("target", argv)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (port_file.exists() and port_file.read_text().strip()):
        if not child.alive or time.monotonic() > deadline:
            raise CommandError(f"the demo's model server did not start:\n{child.log_tail()}")
        time.sleep(0.05)
    return f"http://127.0.0.1:{port_file.read_text().strip()}"


def _compare(console: Console, url: str, result: dict[str, Any]) -> None:
    """Put the answer beside the truth, simulated from the batches the server really ran."""
    say(console, "computing the truth from the batch durations the server really had …")
    argv = ["--truth", OBJECTIVE, "--of", url, "--json", *SERVER]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.demo.served_model", *argv],
            capture_output=True,
            text=True,
            timeout=TRUTH_TIMEOUT_S,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"the truth could not be computed: {error}", FAILED) from error
    truth = json.loads(done.stdout)
    found = result["capacity"]["estimate"]
    real, nominal = truth["measured"]["estimate"], truth["nominal"]["estimate"]
    say(
        console,
        f"answer {found:.1f}/s · truth {real:.1f}/s (difference {found / real - 1:+.1%}; "
        f"nominal {nominal:.1f}/s)",
    )
