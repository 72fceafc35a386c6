"""What did the stalling server see, and what would arrivals on schedule have waited?"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.arrivals import Law, Schedule
from contract.units import Rate, Seconds

ANSWER_TIMEOUT_S = 10.0
QUANTILES = (0.5, 0.95, 0.99)

Floats = NDArray[np.float64]
Quantiles = tuple[float, float, float]
"""p50, p95, p99 in ms."""


@dataclass(frozen=True, slots=True)
class Case:
    """A rate for a time, and the stalls in it. `every_s` 0 means one stall."""

    name: str
    rate: float
    seconds: float
    stall_at_s: float
    stall_s: float = 1.0
    every_s: float = 0.0

    @property
    def server_options(self) -> list[str]:
        times = {"--stall-at": self.stall_at_s, "--stall": self.stall_s, "--every": self.every_s}
        return [word for name, value in times.items() for word in (name, f"{value:g}s")]

    def law(self, kind: str) -> Law:
        """Poisson for stock Locust's poisson, constant for its constant_throughput."""
        return Law("poisson" if kind == "poisson" else "constant")

    def schedule(self, kind: str) -> Schedule:
        """Nominal arrivals of the law, the very ones that a Tonnage worker sends."""
        law, rate, seconds = self.law(kind), Rate(self.rate), Seconds(self.seconds)
        return Schedule(law=law, seed=1, probe=1, rate=rate, duration_s=seconds)


@dataclass(frozen=True, slots=True)
class Seen:
    """Requests at the server, in seconds since the first one."""

    arrivals_s: Floats
    answers_s: Floats
    stalls_s: Floats

    def stalled_s(self, at_s: Floats) -> Floats:
        """How long a request that comes at each instant waits for the end of a stall."""
        wait_s = np.zeros_like(at_s)
        for start, end in self.stalls_s:
            inside = (at_s >= start) & (at_s < end)
            wait_s[inside] = end - at_s[inside]
        return wait_s

    @property
    def during_stalls(self) -> int:
        return int((self.stalled_s(self.arrivals_s) > 0).sum())

    @property
    def service_s(self) -> Floats:
        """Time at the server beyond the stalls."""
        spent_s = self.answers_s - self.arrivals_s - self.stalled_s(self.arrivals_s)
        return spent_s[~np.isnan(spent_s)]

    @property
    def at_server_ms(self) -> Quantiles:
        """Of the requests that came, from their arrival at the server."""
        spent_s = self.answers_s - self.arrivals_s
        return quantiles_ms(spent_s[~np.isnan(spent_s)])

    def on_schedule_ms(self, schedule: Schedule) -> Quantiles:
        """Of every arrival of `schedule`, had it been sent when due: waited stall + service."""
        due_s = schedule.times() / 1e9
        due_s -= due_s[0]
        return quantiles_ms(self.stalled_s(due_s) + float(np.median(self.service_s)))


def scheduled_in_stalls(seen: Seen, schedule: Schedule) -> int:
    """Arrivals of `schedule` that are due while the server stalls."""
    due_s = schedule.times() / 1e9
    return int((seen.stalled_s(due_s - due_s[0]) > 0).sum())


def quantiles_ms(times_s: Floats) -> Quantiles:
    """Nearest-rank p50, p95, p99."""
    found = np.quantile(times_s, QUANTILES, method="inverted_cdf") * 1000
    return float(found[0]), float(found[1]), float(found[2])


def reset(url: str) -> None:
    """The next request to /work is the server's second 0."""
    _ask(f"{url}/reset", "POST")


def seen(url: str) -> Seen:
    """What came since the last reset."""
    document = _ask(f"{url}/seen", "GET")
    answers = [np.nan if at is None else at for at in document["answers_s"]]
    return Seen(
        np.array(document["arrivals_s"], dtype=np.float64),
        np.array(answers, dtype=np.float64),
        np.array(document["stalls_s"], dtype=np.float64),
    )


def _ask(url: str, method: str) -> Any:
    request = urllib.request.Request(url, data=b"" if method == "POST" else None, method=method)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=ANSWER_TIMEOUT_S) as answer:
        return json.loads(answer.read())
