"""What do 2,000 workers at 1 Hz cost the controller and Redis, and Locust's master beside them?

Simulated workers speak the real contract over a real Redis, with filled reports; the controller's
side is the real fleet adapter in a process of its own. CPU is read from /proc over the steady part
of one probe. 10,000 workers are not run: a line through the measured points says what they would
cost, and is labelled so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.control_plane.fleet import Cost, cost
from benchmarks.control_plane.line import Line, line_through
from benchmarks.control_plane.locust_master import MasterCost, master_cost
from benchmarks.control_plane.proc import TooFewFiles
from benchmarks.control_plane.table import Goal, goals, printed

LEAST_S = 4


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers above zero, separated by commas; nothing gives none."""
    values = tuple(int(part) for part in text.split(",") if part)
    if any(value < 1 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r}: numbers of workers are above zero")
    return values


def seconds(text: str) -> int:
    value = int(text)
    if value < LEAST_S:
        raise argparse.ArgumentTypeError(f"{text} s: a probe has at least {LEAST_S} s")
    return value


def lines(costs: Sequence[Cost]) -> tuple[Line, Line] | None:
    """Of the controller and of Redis; None with fewer than two numbers of workers."""
    if len({c.workers for c in costs}) < 2:
        return None
    controller = line_through([(c.workers, c.controller_ratio) for c in costs])
    return controller, line_through([(c.workers, c.redis_ratio) for c in costs])


def measured(options: argparse.Namespace) -> tuple[list[Cost], list[MasterCost]]:
    costs = [cost(workers, options.seconds) for workers in options.workers]
    return costs, [master_cost(workers, options.seconds) for workers in options.locust]


def main() -> int:
    """The command line; 1 when a goal is missed, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=numbers, default=(250, 500, 1_000, 2_000))
    parser.add_argument("--seconds", type=seconds, default=12, help="length of the probe")
    parser.add_argument("--locust", type=numbers, default=(100, 300, 1_000))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    try:
        costs, masters = measured(options)
    except (TooFewFiles, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    fits = lines(costs)
    met: list[Goal] = goals(costs, fits)
    print(printed(costs, fits, met, masters))
    if options.json:
        document = {
            "seconds": options.seconds,
            "costs": [asdict(c) for c in costs],
            "lines": [asdict(line) for line in fits or ()],
            "goals": [asdict(goal) for goal in met],
            "locust": [asdict(m) for m in masters],
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if all(goal.met for goal in met) else 1


if __name__ == "__main__":
    sys.exit(main())
