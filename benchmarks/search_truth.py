"""Which rate can a simulated target truly carry inside its objectives?

The long-run share of bad arrivals is simulated at one rate after the other, the target warm, its
noise and stalls as they are, drift and step as they are at a given time. The truth is the highest
rate at which the share is inside the budget of every objective:

    steady or noisy   of the long run
    stalls            with them (strict) or without (tolerant); 0 where they alone spend a budget
    autoscaler        after it has settled at that very rate
    retries           arrivals are tasks, tried again by their clients; the target starts idle and
                      keeps its good state on average over HORIZON_S, again and again
    not monotone      the upper edge of the range that is entered from below
    limiter           where refusals spend a budget

Rates are tried upwards by STEP until the first edge. It is then found for each seed alone, with the
same arrivals and the same chance of the target at every rate up to the scale of time (common random
numbers, Law and Kelton 2000, ch. 11), by false position on the logarithm of share over budget. Seeds
differ by what one run cannot know: the truth is their mean, and requests are added until its
standard error is small enough. What has been found is kept in benchmarks/search/truths.json.

    python -m benchmarks.search_truth URL SLO...     one truth
    python -m benchmarks.search_truth --check        all that is kept, again with other seeds
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.long_run import HORIZON_S, shares
from contract.objectives import Objective, ObjectiveError, parse_objective
from controller.errors import GoalRefused
from controller.sim.address import Address, parse
from controller.sim.compiled import compile_loops
from controller.sim.traffic import Traffic

KEPT = Path(__file__).parent / "search" / "truths.json"
SEEDS = tuple(range(101, 109))
OTHER_SEEDS = tuple(range(201, 209))
ERROR = 0.0015
"""Largest standard error wanted, relative to the truth."""
ARRIVALS, MOST_ARRIVALS, PILOT = 500_000, 64_000_000, 60_000
"""Per seed and rate: at first, at most, and for a first look."""
LOWEST, HIGHEST, STEP = 0.5, 1e5, 1.25
HOPELESS = 12
"""So many steps in a row with nearly all bad, and no higher rate will do."""
_CLOSE, _MOST_STEPS, _LEAST = 2e-4, 40, 1e-3
_TOO_FEW_TIMES = 1.3
_VERSION = 3


@dataclass(frozen=True, slots=True)
class Truth:
    """Arrivals per second; infinite where any rate is carried, 0 where none is.

    `by_seed` are the seeds' own, `arrivals` how many each of their rates was tried with.
    """

    capacity: float
    standard_error: float
    by_seed: tuple[float, ...]
    arrivals: int

    @property
    def spread(self) -> float:
        """The largest less the smallest over the seeds."""
        return max(self.by_seed) - min(self.by_seed)

    def place(self, low: float, high: float) -> Literal["inside", "above", "below"]:
        """Where it lies as seen by a search from `low` to `high`."""
        return "above" if self.capacity > high else "below" if self.capacity < low else "inside"


def truth(
    url: str,
    objectives: Objective | Sequence[Objective],
    *,
    stalls: bool = True,
    at_s: float = 0.0,
    arrivals: int = ARRIVALS,
    error: float = ERROR,
    kept: Path | None = KEPT,
) -> Truth:
    """Capacity of the target at `url` under its URL's arrivals, Poisson unless it says otherwise, from what is kept where it is known.

    `stalls` False leaves them out; `at_s` is when drift and step are looked at; `error` is the
    standard error wanted, relative.

    Raises:
        GoalRefused: the URL is wrong.
    """
    slo = (objectives,) if isinstance(objectives, Objective) else tuple(objectives)
    address = parse(url).lasting(at_s, stalls=stalls)
    digest = digest_of(address, slo, arrivals, error)
    known = _read(kept).get(digest)
    if known is not None:
        return _truth_of(known)
    compile_loops()
    found = simulated(address, slo, arrivals=arrivals, error=error)
    if kept is not None:
        _keep(kept, digest, _entry(address, slo, arrivals, error, found))
    return found


def simulated(
    address: Address,
    objectives: Sequence[Objective],
    *,
    arrivals: int = ARRIVALS,
    error: float = ERROR,
    seeds: Sequence[int] = SEEDS,
) -> Truth:
    """The same by simulation alone."""
    excess = _excess_of(address, objectives)
    edge = _first_edge(excess, seeds)
    if not 0 < edge < math.inf:
        return Truth(edge, 0.0, (edge,) * len(seeds), PILOT)
    while True:
        found = tuple(_edge_of(excess, edge, seed, arrivals) for seed in seeds)
        edge = float(np.mean(found))
        spread = float(np.std(found, ddof=1)) / math.sqrt(len(found)) if len(found) > 1 else 0.0
        if spread <= error * edge or arrivals >= MOST_ARRIVALS:
            return Truth(edge, spread, found, arrivals)
        more = _TOO_FEW_TIMES * (spread / (error * edge)) ** 2
        arrivals = min(round(arrivals * min(max(more, 2.0), 16.0)), MOST_ARRIVALS)


Excess = Callable[[float, int, int], float]


def _excess_of(address: Address, objectives: Sequence[Objective]) -> Excess:
    """log(share / budget) of the objective that fares worst, at (rate, seed, arrivals)."""

    def excess(rate: float, seed: int, arrivals: int) -> float:
        found = shares(address, objectives, rate, seed=seed, arrivals=arrivals)
        return max(
            math.log(max(share, _LEAST * budget, 1e-12) / budget)
            for share, budget in zip(found, (max(o.budget, 1e-9) for o in objectives), strict=True)
        )

    return excess


def _first_edge(excess: Excess, seeds: Sequence[int]) -> float:
    """About where the first range of good rates ends; infinite or 0 where there is none."""
    rate, carried, hopeless = LOWEST, False, 0
    while rate <= HIGHEST:
        over = [excess(rate, seed, PILOT) for seed in seeds[:2]]
        good = sum(over) <= 0
        if carried and not good:
            return rate / math.sqrt(STEP)
        hopeless = 0 if good or min(over) < math.log(20) else hopeless + 1
        if hopeless >= HOPELESS and not carried:
            return 0.0
        carried, rate = good, rate * STEP
    return math.inf if carried else 0.0


def _edge_of(excess: Excess, near: float, seed: int, arrivals: int) -> float:
    """Where one seed's excess goes through 0, nearest to `near`."""
    width = 0.02
    low, high = _Point.at(excess, near * (1 - width), seed, arrivals), None
    while low.over > 0 and low.rate > near / 3:
        high, width = low, 1.6 * width
        low = _Point.at(excess, low.rate * (1 - width), seed, arrivals)
    high = high or _Point.at(excess, near * (1 + width), seed, arrivals)
    while high.over <= 0 and high.rate < 3 * near:
        low, width = high, 1.6 * width
        high = _Point.at(excess, high.rate * (1 + width), seed, arrivals)
    for step in range(_MOST_STEPS):
        if high.rate - low.rate <= _CLOSE * high.rate or low.over > 0 or high.over <= 0:
            break
        part = -low.over / (high.over - low.over)
        part = 0.5 if step % 3 == 2 else min(max(part, 0.02), 0.98)
        middle = _Point.at(excess, low.rate + part * (high.rate - low.rate), seed, arrivals)
        low, high = (middle, high) if middle.over <= 0 else (low, middle)
    part = -low.over / (high.over - low.over) if high.over > low.over else 0.5
    return low.rate + min(max(part, 0.0), 1.0) * (high.rate - low.rate)


@dataclass(frozen=True, slots=True)
class _Point:
    rate: float
    over: float

    @classmethod
    def at(cls, excess: Excess, rate: float, seed: int, arrivals: int) -> _Point:
        return cls(rate, excess(rate, seed, arrivals))


def digest_of(
    address: Address, objectives: Sequence[Objective], arrivals: int, error: float
) -> str:
    """Of everything a truth depends on, however its URL was written."""
    horizon = HORIZON_S if address.family == "retry" else None
    question: list[Any] = [
        _VERSION,
        address.family,
        sorted(address.values.items()),
        [objective.text for objective in objectives],
        [arrivals, error, SEEDS, horizon],
    ]
    if address.traffic != Traffic():
        question.append(asdict(address.traffic))
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]


def _entry(
    address: Address, objectives: Sequence[Objective], arrivals: int, error: float, found: Truth
) -> dict[str, Any]:
    traffic = {} if address.traffic == Traffic() else {"traffic": asdict(address.traffic)}
    return {
        **traffic,
        "family": address.family,
        "values": dict(sorted(address.values.items())),
        "slo": [objective.text for objective in objectives],
        "asked": [arrivals, error],
        "capacity": found.capacity,
        "standard_error": found.standard_error,
        "by_seed": list(found.by_seed),
        "arrivals": found.arrivals,
    }


def _truth_of(entry: dict[str, Any]) -> Truth:
    return Truth(
        float(entry["capacity"]),
        float(entry["standard_error"]),
        tuple(map(float, entry["by_seed"])),
        int(entry["arrivals"]),
    )


def _read(kept: Path | None) -> dict[str, dict[str, Any]]:
    if kept is None or not kept.exists():
        return {}
    entries: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8"))
    return entries


def _keep(kept: Path, digest: str, entry: dict[str, Any]) -> None:
    """Add an entry to what is kept by now."""
    entries = {**_read(kept), digest: entry}
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(f".{os.getpid()}")
    lines = [f"{json.dumps(key)}: {json.dumps(entries[key])}" for key in sorted(entries)]
    draft.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    draft.replace(kept)


def check(kept: Path = KEPT, times: float = 4.0) -> list[str]:
    """Simulate all that is kept again, with other seeds; gives what does not agree."""
    compile_loops()
    wrong = []
    for entry in _read(kept).values():
        before = _truth_of(entry)
        address = Address(entry["family"], entry["values"], Traffic(**entry.get("traffic", {})))
        slo = tuple(map(parse_objective, entry["slo"]))
        again = simulated(address, slo, error=entry["asked"][1], seeds=OTHER_SEEDS)
        allowed = times * math.hypot(before.standard_error, again.standard_error)
        line = f"{entry['family']} {entry['slo']}: {before.capacity:.4g} then {again.capacity:.4g}"
        agrees = before.capacity == again.capacity or (
            abs(before.capacity - again.capacity) <= allowed + _CLOSE * before.capacity
        )
        print(line + ("" if agrees else "  DIFFERENT"), flush=True)
        wrong += [] if agrees else [line]
    return wrong


def main() -> int:
    """Exit 1 when something does not agree, 2 when an argument is wrong."""
    described = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    described.add_argument("target", nargs="?", metavar="URL")
    described.add_argument("slo", nargs="*", metavar="SLO")
    described.add_argument("--tolerant", action="store_true", help="leave stalls out")
    described.add_argument("--check", action="store_true", help="simulate again what is kept")
    given = described.parse_args()
    if given.check:
        return 1 if check() else 0
    try:
        slo = [parse_objective(text) for text in given.slo]
        if not slo:
            raise ValueError("write a URL and at least one line of an SLO, or --check")
        found = truth(given.target, slo, stalls=not given.tolerant)
    except (GoalRefused, ObjectiveError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{found.capacity:.5g} ± {found.standard_error:.2g}/s, {found.arrivals} arrivals a seed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
