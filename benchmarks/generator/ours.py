"""What is the highest rate at which a worker's ledger is clean, and what is beside it then?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generator.probed import Ask, Probed

STEP = 1.12
COARSE_STEP = 1.3
COARSE_S = 1.0
PROBE_S = 3.0
OPENING_S = 2.0
LEAST_PER_S = 50.0
BUSY_RATIO = 0.6
"""With more of its core to spare, steps are as coarse as the first ones."""
MOST_STEPS = 9
BEGIN_RATIO = 0.8
"""A round begins so far below what was clean before."""
START_TIMEOUT_S = 90.0
OVER_S = 60.0
USERS = 300
CAP = 4_000

Run = Callable[[float, float], Probed]
"""A probe of a rate, for so many seconds."""
Beside = Callable[[], float]
"""What the peer does at this moment, in requests/s."""


class Client:
    """`benchmarks.generator.client` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self._process = process
        self._said = said

    def ask(self, ask: Ask) -> Probed:
        """Run one probe.

        Raises:
            RuntimeError: the client ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(ask.line())
        self._process.stdin.flush()
        return Probed.read(self.line())

    def run(self, rate: float, seconds: float) -> Probed:
        return self.ask(Ask(rate, seconds, cap=CAP))

    def line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended; it said:\n{self._said.read_text()[-2000:]}")
        return line

    def leave(self) -> None:
        """Let its users go and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(OVER_S)


@contextmanager
def client(
    user: str,
    url: str,
    pin: tuple[str, ...],
    folder: Path,
    *,
    users: int = USERS,
    options: Mapping[str, object] | None = None,
) -> Iterator[Client]:
    """A client whose users are ready, ended with the block."""
    argv = [*pin, sys.executable, "-m", "benchmarks.generator.client", "--user", user]
    argv += ["--host", url, "--users", str(users), "--options", json.dumps(options or {})]
    said = folder / "client.said"
    with said.open("w") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, text=True
        )
    try:
        ours = Client(process, said)
        while ours.line().strip() != "ready":
            continue
        yield ours
    finally:
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@dataclass(frozen=True, slots=True)
class Found:
    """The highest clean probe of a round, and the mean of the peer right before and after it."""

    probed: Probed
    beside_per_s: float
    stopped_by: str

    @property
    def ratio(self) -> float:
        return self.probed.rate / self.beside_per_s


def coarse(run: Run, start: float) -> float:
    """About the highest clean rate, by short probes; the first ones open the connections."""
    run(start, OPENING_S)
    rate = start
    while rate > LEAST_PER_S and not _is_clean(run, rate):
        rate /= COARSE_STEP
    for _ in range(MOST_STEPS):
        if not _is_clean(run, rate * COARSE_STEP):
            return rate
        rate *= COARSE_STEP
    return rate


def _is_clean(run: Run, rate: float) -> bool:
    """Twice if need be: a machine with other work has its moments."""
    return run(rate, COARSE_S).is_clean or run(rate, COARSE_S).is_clean


def highest_clean(run: Run, about: float, beside: Beside, seconds: float = PROBE_S) -> Found:
    """Rising steps, from below `about`, until two probes of a rate are not clean; the peer between all of them.

    Raises:
        RuntimeError: not even a rate far below `about` was clean.
    """
    rate, before, fault = about * BEGIN_RATIO, beside(), ""
    best: Found | None = None
    for _ in range(MOST_STEPS):
        probed, after = run(rate, seconds), beside()
        if not probed.is_clean:
            before, probed, after = after, run(rate, seconds), beside()
        between, before = (before + after) / 2, after
        if probed.is_clean:
            best = Found(probed, between, "")
            rate *= STEP if probed.cpu_ratio > BUSY_RATIO else COARSE_STEP
            continue
        fault = f"at {rate:,.0f}/s: {probed.fault}"
        if best is not None:
            break
        rate /= STEP**2
    if best is None:
        raise RuntimeError(f"no rate was clean; {fault}")
    return Found(best.probed, best.beside_per_s, fault)
