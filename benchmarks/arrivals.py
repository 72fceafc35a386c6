"""Do the workers' shares make up the whole schedule, and does it follow its law?

Index by index: the shares of 1, 2 and 7 workers, put together, must be the schedule of one.
By law: the Kolmogorov-Smirnov distance of the gaps to the law's own distribution, beside its
1 % critical value 1.63 / sqrt(n) (Smirnov 1948). The distance is taken over gaps of 100 ns
and more: due times are whole nanoseconds, and a bursty gamma law has many gaps below one.

    python -m benchmarks.arrivals [--rate 200/s] [--seconds 300] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from contract.arrivals import Law, Schedule
from contract.shares import Stride
from contract.units import Seconds, parse_rate

LAWS = (Law("constant"), Law("poisson"), Law("gamma", cv=0.5), Law("gamma", cv=2.0))
WORKERS = (1, 2, 7)
SMIRNOV_1_PERCENT = 1.63
RESOLVED_S = 100e-9


def measure(law: Law, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """One row of the table."""
    schedule = Schedule(
        law=law, seed=seed, probe=1, rate=parse_rate(f"{rate}/s"), duration_s=Seconds(seconds)
    )
    whole = schedule.times()
    gaps_s = np.diff(whole) / 1e9
    row: dict[str, Any] = {
        "law": law.kind if law.kind != "gamma" else f"gamma cv {law.cv:g}",
        "arrivals": len(whole),
        "rate_per_s": len(whole) / seconds,
        "cv": float(gaps_s.std() / gaps_s.mean()),
    }
    for count in WORKERS:
        row[f"union_of_{count}"] = union_is_exact(schedule, whole, count)
    if law.kind != "constant":
        shape = 1 / law.cv**2
        law_of_gaps = stats.gamma(shape, scale=1 / (rate * shape))
        row["ks"] = distance(gaps_s, law_of_gaps.cdf)
        row["ks_1_percent"] = SMIRNOV_1_PERCENT / math.sqrt(len(gaps_s))
    return row


def distance(gaps_s: np.ndarray[Any, Any], cdf: Callable[[Any], Any]) -> float:
    """Largest difference of the empirical and the law's distribution function."""
    at = np.sort(gaps_s)
    at = at[at >= RESOLVED_S]
    below = len(gaps_s) - len(at)
    steps = (below + np.arange(len(at) + 1)) / len(gaps_s)
    expected = cdf(at)
    return float(max(np.abs(steps[1:] - expected).max(), np.abs(steps[:-1] - expected).max()))


def union_is_exact(schedule: Schedule, whole: np.ndarray[Any, Any], count: int) -> bool:
    """Whether each index is owned once, at the time the whole schedule gives it."""
    owned = np.full(len(whole), -1, dtype=np.int64)
    for position in range(count):
        for indices, due_ns in schedule.share(position, Stride(count)):
            if (owned[indices] != -1).any():
                return False
            owned[indices] = due_ns
    return bool((owned == whole).all())


def main() -> int:
    """Exit 1 when a union is not exact or a distance is over its critical value."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", default="200/s")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = [measure(law, parse_rate(given.rate), given.seconds, given.seed) for law in LAWS]
    print(f"{'law':<14}{'arrivals':>9}{'per s':>8}{'cv':>7}  union of 1, 2, 7   KS (1 % limit)")
    for row in rows:
        unions = ", ".join("exact" if row[f"union_of_{n}"] else "WRONG" for n in WORKERS)
        ks = f"{row['ks']:.4f} ({row['ks_1_percent']:.4f})" if "ks" in row else "–"
        print(
            f"{row['law']:<14}{row['arrivals']:>9}{row['rate_per_s']:>8.1f}{row['cv']:>7.3f}"
            f"  {unions:<18} {ks}"
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")
    wrong = any(not row[f"union_of_{n}"] for row in rows for n in WORKERS)
    unlawful = any(row.get("ks", 0) > row.get("ks_1_percent", 1) for row in rows)
    return int(wrong or unlawful)


if __name__ == "__main__":
    sys.exit(main())
