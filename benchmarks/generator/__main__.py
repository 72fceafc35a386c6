"""What does one worker send, how exactly, and how does that compare with other tools?

nginx with a fixed body has one core, the client the other. One tool runs after the other; each
measurement of ours lies between two of the tool it is compared with, and what is told are medians of
such ratios over rounds, with the least and the greatest.

    python -m benchmarks.generator [--goal NAME]... [--rounds 3] [--install] [--json FILE]

A goal that is not met is a result and no failure: the exit status is 0. It is 2 where something
that is needed is absent.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.generator import exactness, peers, recording, speed, weight
from benchmarks.generator.bench import Bench
from benchmarks.generator.servers import Cores
from benchmarks.generator.table import HEAD, Bound, Measured, Row, line
from benchmarks.machine import Machine

RECORDING = Bound("sum", 0.15, "us", at_most=True)


def record(bench: Bench) -> list[Row]:
    """The recorder alone, in a process of its own each round."""
    machine = Machine()
    rounds = [recording.measured(bench.pin) for _ in range(bench.rounds)]
    sums = tuple(sum(parts.values()) for parts in rounds)
    told = ", ".join(f"{name} {rounds[-1][name]:.2f}" for name in recording.PARTS)
    what = "recording, amortised over an arrival"
    reason = f"us by part: {told}"
    detail = {"parts_us": rounds}
    busy = machine.busy_ratio()
    return [Row("recording", what, (Measured(RECORDING, sums),), reason, busy, detail=detail)]


GOALS: dict[str, Callable[[Bench], list[Row]]] = {
    "speed": speed.speed,
    "locustfiles": speed.locustfiles,
    "lag": exactness.lag,
    "stall": exactness.stall,
    "truth": exactness.truth,
    "memory": weight.memory,
    "bodies": weight.bodies,
    "recording": record,
}


def measure(names: list[str], rounds: int, cores: Cores) -> list[Row]:
    """Rows of the goals, in the order of the table; one that cannot be measured is told."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as place:
        bench = Bench(cores, Path(place), rounds)
        for name, goal in GOALS.items():
            if name not in names:
                continue
            print(f"{name}:", flush=True)
            try:
                measured = goal(bench)
            except RuntimeError as error:
                why = " ".join(str(error).split())[:300]
                measured = [Row(name, name, (), why, 0.0, facts=(("measured", False),))]
            rows += measured
            for row in measured:
                print(line(row), flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--goal", action="append", choices=tuple(GOALS), help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--install", action="store_true", help="nginx, wrk and hey, by apt-get")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.install:
        peers.install()
    absent = peers.missing()
    if absent:
        print(f"not on PATH: {', '.join(absent)}; --install installs {', '.join(peers.PACKAGES)}")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and clients end with us
    cores = Cores.of_this_machine()
    others = ", ".join(f"{p.name} {'' if p.path else 'absent'}".strip() for p in peers.PEERS)
    print(f"client on core {cores.client}, server on core {cores.server}; {others}")
    if cores.client == cores.server:
        print("there is one core: client and server share it, and ratios are all that counts")
    rows = measure(given.goal or list(GOALS), max(1, given.rounds), cores)
    print(f"\n{HEAD}")
    for row in rows:
        print(line(row))
    if given.json:
        given.json.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
