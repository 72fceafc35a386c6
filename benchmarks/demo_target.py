"""Does a search of a real server, over real sockets, find the capacity that the server has?

Each run starts a fresh demo server, searches it as anybody would (`tonnage search --local`), and
then computes the truth from the durations that this very server process measured of its own
batches: an event simulation of its queue, not the nominal numbers it was started with.

    python -m benchmarks.demo_target --json FILE [--settings demo,slow,fast] [--runs 5]
                                     [--precision 10%] [--require 200/s] [--off warm_up,batching]

The settings cold, stalls and both disturb the server of demo: four times as slow for its first 30 s,
stalls of 0.4 s every 25 s, and both. There the truth is that between stalls. gentle is the server of
demo, spared (`search.gentle`). --off switches features off (`search.features`), to see their worth.

FILE is read first and added to after every run, so that the benchmark can be done in pieces; a run
that is in it is not repeated. Exit 1 when an answer is off by more than 5 %, or is none, or the
median search of a setting took more than 3 minutes; or when stalls break every rate, a rate was
required and the search did not exit with 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from benchmarks import own_server
from benchmarks.demo_rows import HEAD, Row, line, meets_aims, read, summary, write
from benchmarks.machine import Machine
from controller.search.features import Features

BUDGET = "10min"
SEARCH_TIMEOUT_S = 900.0
TRUTH_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a goal is not the setting's; `off` are names of `search.features`."""

    precision: str = "10%"
    require: str | None = None
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A demo server: a batch takes base + per_item for each request in it."""

    name: str
    base: str
    per_item: str
    max_batch: int
    objective: str
    disturbed: tuple[str, ...] = ()
    gentle: bool = False

    @property
    def server_options(self) -> list[str]:
        sizes = ["--max-batch", str(self.max_batch)]
        return ["--base", self.base, "--per-item", self.per_item, *sizes, *self.disturbed]

    def goal(self, url: str, seed: int, asked: Asked) -> dict[str, Any]:
        """The goal of `tonnage demo`, for this server."""
        search: dict[str, Any] = {
            "from": "10/s",
            "to": "2000/s",
            "precision": asked.precision,
            "budget": BUDGET,
            "seed": seed,
            "closing_probes": 0,
        }
        if self.gentle:
            search["gentle"] = True
        if asked.off:
            search["features"] = dict.fromkeys(asked.off, False)
        required = {} if asked.require is None else {"require": asked.require}
        return {
            "name": f"{self.name}-{seed}",
            "target": url,
            "model": "toy",
            "workload": {"user": "kserve_v2", "arrivals": "poisson"},
            "slo": [self.objective, "error_ratio <= 0.1%"],
            "search": search,
            **required,
        }


DEMO = ("20ms", "2.5ms", 16, "p99 response_time <= 150ms")
COLD = ("--warm-up-slowdown", "4", "--warm-up", "30s")
STALLS = ("--stall-every", "25s", "--stall", "0.4s")
SETTINGS = (
    Setting("demo", *DEMO),
    Setting("slow", "40ms", "5ms", 16, "p99 response_time <= 300ms"),
    Setting("fast", "10ms", "1.5ms", 16, "p99 response_time <= 100ms"),
    Setting("cold", *DEMO, disturbed=COLD),
    Setting("stalls", *DEMO, disturbed=STALLS),
    Setting("both", *DEMO, disturbed=(*COLD, *STALLS)),
    Setting("gentle", *DEMO, gentle=True),
)
"""Nominal capacities near 235/s, 118/s and 430/s: server, workers and controller share a machine."""


def measure(setting: Setting, run: int, asked: Asked) -> Row:
    """One search against a fresh server, and the truth about that server.

    Raises:
        RuntimeError: the search ended without a result document.
    """
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as place:
        folder = Path(place)
        module = "deploy.demo.served_model"
        with own_server.running(module, setting.server_options, folder) as url:
            machine, began_s = Machine(), time.monotonic()
            result, exit_status = _search(setting.goal(url, run, asked), folder)
            wall_s, busy_ratio = time.monotonic() - began_s, machine.busy_ratio()
            truth = _truth(setting, url)
    capacity, cost, generator = result["capacity"], result["cost"], result["generator"]
    return Row(
        setting=setting.name,
        run=run,
        status=result["status"],
        reason=result["reason"],
        estimate=capacity["estimate"],
        low=capacity["low"],
        high=capacity["high"],
        truth=truth["measured"]["estimate"],
        nominal=truth["nominal"]["estimate"],
        seconds=cost["seconds"],
        wall_s=wall_s,
        probes=len(result["probes"]),
        requests=cost["requests"],
        bad_requests=cost["bad_requests"],
        void_probes=generator["void_probes"],
        send_lag_p99_ms=generator["send_lag_p99_ms"],
        busy_ratio=busy_ratio,
        strict=capacity["strict"],
        spikes=len(result["spikes"]),
        off=",".join(asked.off),
        require=asked.require,
        exit_status=exit_status,
    )


def _search(goal: dict[str, Any], folder: Path) -> tuple[dict[str, Any], int]:
    goal_file, result_file = folder / "goal.yaml", folder / "result.json"
    goal_file.write_text(yaml.safe_dump(goal, sort_keys=False))
    argv = ["tonnage", "search", str(goal_file), "--local", "--json", str(result_file)]
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SEARCH_TIMEOUT_S,
        check=False,
    )
    if not result_file.exists():
        raise RuntimeError(f"tonnage search ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return json.loads(result_file.read_text()), done.returncode


def _truth(setting: Setting, url: str) -> dict[str, Any]:
    argv = ["deploy.demo.served_model", "--truth", setting.objective, "--of", url, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        capture_output=True,
        text=True,
        timeout=TRUTH_TIMEOUT_S,
        check=True,
    )
    truth: dict[str, Any] = json.loads(done.stdout)
    return truth


def main() -> int:
    given = _given()
    asked = Asked(given.precision, given.require, tuple(filter(None, given.off.split(","))))
    rows = read(given.json)
    print(HEAD, flush=True)
    shown: list[Row] = []
    for setting in (s for s in SETTINGS if s.name in given.settings.split(",")):
        off = ",".join(asked.off)
        done = {row.run: row for row in rows if (row.setting, row.off) == (setting.name, off)}
        for run in range(1, given.runs + 1):
            if run not in done:
                done[run] = measure(setting, run, asked)
                rows.append(done[run])
                write(given.json, rows)
            print(line(done[run]), flush=True)
        print(summary(setting.name, list(done.values())), flush=True)
        shown += done.values()
    return int(not meets_aims(shown))


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [setting.name for setting in SETTINGS]
    features = [field.name for field in fields(Features)]
    plain = ",".join(s.name for s in SETTINGS if not s.disturbed and not s.gentle)
    parser.add_argument("--settings", default=plain, help=f"of {', '.join(names)}")
    parser.add_argument("--runs", type=int, default=5, help="of each setting")
    parser.add_argument("--precision", default="10%")
    parser.add_argument("--require", help="a rate, such as 200/s")
    parser.add_argument("--off", default="", help=f"of {', '.join(features)}")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    for option, known in (("settings", names), ("off", features)):
        if unknown := {*filter(None, getattr(given, option).split(","))} - set(known):
            parser.error(
                f"--{option}: {', '.join(sorted(unknown))}: write some of {', '.join(known)}"
            )
    return given


if __name__ == "__main__":
    sys.exit(main())
