"""How long does one update of the posterior take?

A search of a simulated batching target is run once, with the goal as it is by default. What its
probes taught is taught again, in order, and each update timed: `learned`, and the quantiles that
the next rate is chosen by. Beside each, in the same run, the least that any update on such a grid
must do is timed: its weights multiplied by numbers, normalised and summed, in plain numpy. Times
differ from machine to machine, the ratio less so. Each is the least of some repetitions.

    python -m benchmarks.posterior [--seeds 3] [--repeat 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contract.objectives import parse_objective
from contract.units import Rate
from controller.run.conductor import conduct
from controller.search.estimate import Counts, Posterior, learned, prior, quantiles
from controller.search.goal import Goal
from controller.sim.run import simulate

GOAL_MS = 1.0
PROBABILITIES = (0.05, 0.10, 0.50, 0.95)
CLUSTERING = 12.0
GOAL = Goal(
    name="posterior",
    targets=("sim://batch?base=20ms&per_item=2.5ms&max_batch=16",),
    objectives=(parse_objective("p99 response_time <= 150ms"),),
    low=Rate(10.0),
    high=Rate(2000.0),
)


@dataclass(frozen=True, slots=True)
class Update:
    """One probe's; times in ms, `capacities` and `weights` are the size of the grid before it."""

    seed: int
    number: int
    capacities: int
    weights: int
    learned_ms: float
    quantiles_ms: float
    plain_ms: float

    @property
    def whole_ms(self) -> float:
        return self.learned_ms + self.quantiles_ms


def updates(seed: int, repeat: int) -> Iterator[Update]:
    """Every update of one search."""
    posterior = prior(GOAL, GOAL.objectives[0].budget)
    for number, counts in enumerate(taught(seed), 1):
        after = learned(posterior, counts)
        yield Update(
            seed,
            number,
            capacities=len(posterior.log_rates),
            weights=posterior.weights.size,
            learned_ms=_least_ms(partial(learned, posterior, counts), repeat),
            quantiles_ms=_least_ms(partial(quantiles, after, PROBABILITIES, CLUSTERING), repeat),
            plain_ms=_least_ms(_plain(posterior), repeat),
        )
        posterior = after


def taught(seed: int) -> list[Counts]:
    """What the probes of a simulated search counted."""
    done = asyncio.run(simulate(replace(GOAL, seed=seed), conduct=conduct))
    evidence = [d.outcome.evidence for d in done.view.probes if d.outcome.probe.purpose != "scale"]
    return [
        Counts(one.offered_per_s, one.judged[0], one.bad[0], one.censored)
        for one in evidence
        if one is not None and one.judged[0] > 0
    ]


def table(found: Sequence[Update]) -> str:
    head = (
        f"{'probe':>6}{'capacities':>12}{'weights':>10}{'learned':>10}{'quantiles':>11}{'plain':>9}"
    )
    lines = [
        f"{one.number:>6}{one.capacities:>12,}{one.weights:>10,}{one.learned_ms:>7.2f} ms"
        f"{one.quantiles_ms:>8.3f} ms{one.plain_ms:>6.2f} ms"
        for one in found
    ]
    return "\n".join([head, *lines])


def summed_up(found: Sequence[Update]) -> dict[str, Any]:
    """Medians over all updates, and whether the goal is met by them and by the slowest."""
    whole_ms = [one.whole_ms for one in found]
    return {
        "updates": len(found),
        "median_ms": statistics.median(whole_ms),
        "slowest_ms": max(whole_ms),
        "median_plain_ms": statistics.median(one.plain_ms for one in found),
        "median_ratio": statistics.median(one.whole_ms / one.plain_ms for one in found),
        "goal_ms": GOAL_MS,
        "met": statistics.median(whole_ms) < GOAL_MS,
    }


def _plain(posterior: Posterior) -> Callable[[], object]:
    likelihood = np.full_like(posterior.weights, 0.5)

    def work() -> object:
        weights = posterior.weights * likelihood
        weights /= weights.max()
        return weights.sum(axis=(0, 1, 3))

    return work


def _least_ms(work: Callable[[], object], repeat: int) -> float:
    taken_s = []
    for _ in range(repeat):
        begun_s = time.perf_counter()
        work()
        taken_s.append(time.perf_counter() - begun_s)
    return 1e3 * min(taken_s)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    described.add_argument("--seeds", type=int, default=3)
    described.add_argument("--repeat", type=int, default=20)
    described.add_argument("--json", type=Path)
    return described


def main() -> int:
    """Print the updates of the first search, and what all come to."""
    given = parser().parse_args()
    logging.disable(logging.WARNING)
    found = [one for seed in range(1, given.seeds + 1) for one in updates(seed, given.repeat)]
    print(table([one for one in found if one.seed == 1]))
    summary = summed_up(found)
    print(
        f"{summary['updates']} updates: median {summary['median_ms']:.2f} ms, slowest"
        f" {summary['slowest_ms']:.2f} ms, {summary['median_ratio']:.1f} times plain numpy"
        f" ({summary['median_plain_ms']:.2f} ms); goal < {GOAL_MS:g} ms:"
        f" {'met' if summary['met'] else 'missed'}"
    )
    if given.json:
        document = {"schema_version": 1, **summary, "all": [asdict(one) for one in found]}
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
