"""How often is a stall seen where there is none, and how often is one missed?

Probes against simulated targets, reported by the simulated fleet and read as in a search: of 20 s
with nothing wrong, where any stall that is found is a false one, and of 40 s with a single stall of
known length, which is found when one is listed that overlaps it. Loads are parts of the
rate at which p99 reaches the limit.

    python -m benchmarks.stalls [--clean 10000] [--each 50] [--minutes 30] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count, product
from pathlib import Path
from typing import Any

from benchmarks.search.statistics import Measured, share
from contract.objectives import parse_objective
from contract.units import Rate, Seconds
from controller.search import stalls
from controller.search.capacity import start
from controller.search.goal import Goal
from controller.search.probe import Probe, Stall
from controller.search.trial import begin, feed
from controller.sim.clock import VirtualClock
from controller.sim.compiled import compile_loops
from controller.sim.fleet import SimulatedFleet
from controller.sim.run import address_of

LOADS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
LENGTHS_S = (0.3, 0.5, 1.0, 2.0)
CLEAN_S, STALLING_S = 18.0, 38.0
"""Measured; a second of ramp and one to settle come before."""
STALL_AT_S = 25.0
"""On the target's clock, which is a second ahead of the probe's; the next one comes too late."""
AHEAD_S = 1.0
DRAIN_S = 6.0
"""Watched after the last arrival: what is left then is what takes long."""
SLACK_S = 0.25


@dataclass(frozen=True, slots=True)
class Target:
    """`capacity` in arrivals/s, `unloaded_s` what one takes alone: an earlier probe's to know."""

    name: str
    url: str
    limit: str
    capacity: float
    unloaded_s: float


TARGETS = (
    Target("fifo", "sim://fifo?servers=8&mean=40ms&cv=0.6", "200ms", 181.0, 0.040),
    Target("batch", "sim://batch?base=20ms&per_item=2.5ms&max_batch=16", "150ms", 235.5, 0.0225),
)
LOOSE = Target("loose", "sim://fifo?servers=16&mean=1s&cv=1&law=lognormal", "6s", 14.8, 0.35)
"""Few completions a second, some short probe has had a median of 0.35 s, and what is left at the end takes long."""
CLEAN_TARGETS = (*TARGETS, LOOSE)


@dataclass(frozen=True, slots=True)
class Row:
    """Probes of one kind; `found` of them had a stall listed where one was looked for."""

    target: str
    load: float
    stall_s: float
    probes: int
    found: int


def listed(target: Target, load: float, seed: int, stall_s: float = 0.0) -> tuple[Stall, ...]:
    """The stalls that a search would list of one probe."""
    return asyncio.run(_listed(target, load, seed, stall_s))


def is_found(among: tuple[Stall, ...], stall_s: float) -> bool:
    """Whether the one stall of the target is listed."""
    begun_s, ended_s = STALL_AT_S - AHEAD_S - SLACK_S, STALL_AT_S - AHEAD_S + stall_s + SLACK_S
    return any(stall.begun_s < ended_s and stall.ended_s > begun_s for stall in among)


async def _listed(target: Target, load: float, seed: int, stall_s: float) -> tuple[Stall, ...]:
    goal, probe = _asked(target, load, seed, stall_s)
    clock = VirtualClock()
    fleet = SimulatedFleet(goal, target=address_of(goal).target(seed), clock=clock)
    await fleet.prepare()
    trial = begin(replace(start(goal), unloaded_s=Seconds(target.unloaded_s)), probe)
    async with fleet.offer(probe) as reports:
        async for report in reports:
            trial = feed(trial, report)
            if trial.tally.through_s >= probe.duration_s + DRAIN_S:
                break
    return stalls.found(trial.setting, trial.tally).stalls


def _asked(target: Target, load: float, seed: int, stall_s: float) -> tuple[Goal, Probe]:
    stalling = f"&stall_every={STALL_AT_S:g}s&stall={stall_s:g}s" if stall_s else ""
    goal = Goal(
        name=target.name,
        targets=(target.url + stalling,),
        objectives=(parse_objective(f"p99 response_time <= {target.limit}"),),
        low=Rate(1.0),
        high=Rate(1000.0),
        seed=seed,
    )
    rate, measure_s = Rate(load * target.capacity), Seconds(STALLING_S if stall_s else CLEAN_S)
    return goal, Probe(1, "search", rate, Seconds(1.0), Seconds(1.0), measure_s)


def clean(probes: int, until_s: float) -> list[Row]:
    """So many probes without a stall, shared by targets and loads, or what the time allows."""
    cells = list(product(CLEAN_TARGETS, LOADS))
    done: dict[tuple[str, float], list[bool]] = {(t.name, load): [] for t, load in cells}
    for number in range(probes):
        if time.monotonic() > until_s:
            break
        target, load = cells[number % len(cells)]
        seed = 1 + number // len(cells)
        done[target.name, load].append(bool(listed(target, load, seed)))
    return [Row(name, load, 0.0, len(some), sum(some)) for (name, load), some in done.items()]


def stalling(each: int, until_s: float) -> Iterator[Row]:
    """`each` probes with a stall for every target, load and length, as far as the time allows."""
    for target, stall_s, load in product(TARGETS, LENGTHS_S, LOADS):
        found: list[bool] = []
        for seed in count(1_000_001):
            if len(found) >= each or time.monotonic() > until_s:
                break
            found.append(is_found(listed(target, load, seed, stall_s), stall_s))
        yield Row(target.name, load, stall_s, len(found), sum(found))


def percent(measured: Measured, digits: int = 0) -> str:
    if not measured.known:
        return "–"
    value, low, high = (
        f"{100 * v:.{digits}f}" for v in (measured.value, measured.low, measured.high)
    )
    return f"{value} % ({low}–{high})"


def table(rows: list[Row]) -> str:
    """Detection, one line for a target and a length."""
    lines = ["| target | stall | " + " | ".join(f"{load:.0%} load" for load in LOADS) + " |"]
    lines.append("|---|---|" + "---|" * len(LOADS))
    for target, stall_s in product(TARGETS, LENGTHS_S):
        cells = [
            percent(share(row.found, row.probes))
            for row in rows
            if (row.target, row.stall_s) == (target.name, stall_s)
        ]
        lines.append(f"| {target.name} | {stall_s:g} s | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    described.add_argument("--clean", type=int, default=10_000, help="probes without a stall")
    described.add_argument("--each", type=int, default=50, help="probes a target, length and load")
    described.add_argument("--minutes", type=float, default=30.0, help="for each of the two parts")
    described.add_argument("--json", type=Path)
    return described


def main() -> int:
    """Print both parts."""
    given = parser().parse_args()
    compile_loops()
    quiet = clean(given.clean, time.monotonic() + 60 * given.minutes)
    for target in CLEAN_TARGETS:
        rows = [row for row in quiet if row.target == target.name]
        false, probes = sum(row.found for row in rows), sum(row.probes for row in rows)
        print(f"{target.name}: {false} of {probes} clean probes with a stall,", end=" ")
        print(percent(share(false, probes), 3), flush=True)
    rows = list(stalling(given.each, time.monotonic() + 60 * given.minutes))
    print(table(rows))
    if given.json:
        document: dict[str, Any] = {"schema_version": 1, "measured_s": [CLEAN_S, STALLING_S]}
        document["clean"] = [asdict(row) for row in quiet]
        document["stalling"] = [asdict(row) for row in rows]
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
