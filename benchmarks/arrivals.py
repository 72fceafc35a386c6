"""Do the workers' shares make up the whole schedule, and does it follow its law?

Index by index: the shares of 1, 2 and 7 workers, and of 7 that differ, put together, must be the
schedule of one. By law: the Kolmogorov-Smirnov distance of the gaps to the law's own distribution
(of a replay: to the recording's gaps), beside its 1 % critical value 1.63 / sqrt(n) (Smirnov 1948).
The distance is taken over gaps of 100 ns and more: due times are whole nanoseconds, and a bursty
gamma law has many gaps below one. Of an mmpp, whose gaps are no strangers to each other, one in
`APART` sojourns is looked at. By number: the index of dispersion, variance over mean of the counts
in `WINDOWS` windows of `WINDOW` sojourns of the mmpp, beside what was asked.

    python -m benchmarks.arrivals [--rate 200/s] [--seconds 300] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from contract.arrivals import Law, Schedule
from contract.recorded import Recorded
from contract.shares import Hashed, Shares, Stride
from contract.units import Rate, Seconds, parse_rate

LAWS = (
    Law("constant"),
    Law("poisson"),
    Law("gamma", cv=0.5),
    Law("gamma", cv=2.0),
    Law("mmpp", dispersion=20.0, burst=9.0),
    Law("mmpp", dispersion=100.0, burst=50.0),
    Law("replay", times="gamma cv 3, 5,000 times"),
)
FLEETS: dict[str, Shares] = {
    "1": Stride(1),
    "2": Stride(2),
    "7": Stride(7),
    "7 that differ": Hashed((4096, 3000, 3000, 2048, 1024, 512, 100), (1, 1)),
}
RECORDED = Recorded(np.cumsum(np.random.default_rng(5).gamma(1 / 9, 9.0, 5000)), None)
WINDOWS, WINDOW, APART = 2000, 50, 10
DISPERSION_WITHIN = 0.1
SMIRNOV_1_PERCENT = 1.63
RESOLVED_S = 100e-9


def measure(law: Law, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """One row of the table."""
    schedule = Schedule(
        law=law,
        seed=seed,
        probe=1,
        rate=parse_rate(f"{rate}/s"),
        duration_s=Seconds(seconds),
        recorded=RECORDED if law.kind == "replay" else None,
    )
    whole = schedule.times()
    gaps_s = np.diff(whole) / 1e9
    row: dict[str, Any] = {
        "law": named(law),
        "arrivals": len(whole),
        "rate_per_s": len(whole) / seconds,
        "cv": float(gaps_s.std() / gaps_s.mean()),
    }
    row["unions"] = {name: union_is_exact(schedule, whole, s) for name, s in FLEETS.items()}
    if law.kind == "mmpp":
        long_s = WINDOWS * WINDOW / law.switches
        times_s = replace(schedule, rate=Rate(1.0), duration_s=Seconds(long_s)).times() / 1e9
        row["dispersion"] = dispersion(times_s, long_s)
        row["dispersion_asked"] = law.dispersion
        gaps_s = np.diff(times_s)[:: math.ceil(APART / law.switches)] / rate
    if law.kind != "constant":
        row["ks"] = distance(gaps_s, distribution(law, rate))
        row["ks_1_percent"] = SMIRNOV_1_PERCENT / math.sqrt(len(gaps_s))
    return row


def named(law: Law) -> str:
    """The law, for the table."""
    if law.kind == "gamma":
        return f"gamma cv {law.cv:g}"
    if law.kind == "replay":
        return "replay"
    return law.kind if law.kind != "mmpp" else f"mmpp {law.dispersion:g}, {law.burst:g}"


def distribution(law: Law, rate: float) -> Callable[[Any], Any]:
    """Distribution function of a gap between arrivals at `rate`, in s.

    Of an mmpp: 1 - p exp(D x) 1, with D the rates of leaving either state, by a switch or by an
    arrival, and p the states that arrivals find (Heffes and Lucantoni 1986).
    """
    if law.kind == "replay":
        known = np.sort(np.diff(RECORDED.since_first))
        scale = known.mean() * rate
        return lambda gaps_s: known.searchsorted(gaps_s * scale, side="right") / len(known)
    if law.kind != "mmpp":
        shape = 1 / law.cv**2
        found: Callable[[Any], Any] = stats.gamma(shape, scale=1 / (rate * shape)).cdf
        return found
    paces = np.array([1 + law.swing, 1 - law.swing])
    leaving = law.switches * np.array([[-1.0, 1.0], [1.0, -1.0]]) - np.diag(paces)
    decays, vectors = np.linalg.eigh(leaving)
    weights = (paces / paces.sum() @ vectors) * vectors.sum(axis=0)
    return lambda gaps_s: 1 - np.exp(np.outer(gaps_s * rate, decays)) @ weights


def dispersion(times_s: np.ndarray[Any, Any], until_s: float) -> float:
    """Variance over mean of the counts in equal windows."""
    counts = np.histogram(times_s, bins=WINDOWS, range=(0, until_s))[0]
    return float(counts.var() / counts.mean())


def distance(gaps_s: np.ndarray[Any, Any], cdf: Callable[[Any], Any]) -> float:
    """Largest difference of the empirical and the law's distribution function."""
    at = np.sort(gaps_s)
    at = at[at >= RESOLVED_S]
    below = len(gaps_s) - len(at)
    steps = (below + np.arange(len(at) + 1)) / len(gaps_s)
    expected = cdf(at)
    return float(max(np.abs(steps[1:] - expected).max(), np.abs(steps[:-1] - expected).max()))


def union_is_exact(schedule: Schedule, whole: np.ndarray[Any, Any], shares: Shares) -> bool:
    """Whether each index is owned once, at the time the whole schedule gives it."""
    owned = np.full(len(whole), -1, dtype=np.int64)
    for position in range(shares.count):
        for indices, due_ns in schedule.share(position, shares):
            if (owned[indices] != -1).any():
                return False
            owned[indices] = due_ns
    return bool((owned == whole).all())


def main() -> int:
    """Exit 1 when a union is not exact, a distance over its critical value or a dispersion off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", default="200/s")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = [measure(law, parse_rate(given.rate), given.seconds, given.seed) for law in LAWS]
    print(
        f"{'law':<14}{'arrivals':>9}{'per s':>8}{'cv':>7}  {'unions':<8}{'KS (1 % limit)':<18}"
        "dispersion (asked)"
    )
    for row in rows:
        unions = "exact" if all(row["unions"].values()) else "WRONG"
        ks = f"{row['ks']:.4f} ({row['ks_1_percent']:.4f})" if "ks" in row else "–"
        index = (
            f"{row['dispersion']:.1f} ({row['dispersion_asked']:g})" if "dispersion" in row else "–"
        )
        print(
            f"{row['law']:<14}{row['arrivals']:>9}{row['rate_per_s']:>8.1f}{row['cv']:>7.3f}"
            f"  {unions:<8}{ks:<18}{index}"
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(map(is_wrong, rows)))


def is_wrong(row: dict[str, Any]) -> bool:
    """Whether a union is not exact, or a number is not that of the law."""
    asked = row.get("dispersion_asked", 1.0)
    apart = abs(row.get("dispersion", asked) / asked - 1) > DISPERSION_WITHIN
    return not all(row["unions"].values()) or row.get("ks", 0) > row.get("ks_1_percent", 1) or apart


if __name__ == "__main__":
    sys.exit(main())
