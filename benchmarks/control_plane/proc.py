"""How much CPU time has a process used, and how many files may it open?"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Machine

USER_TICKS, SYSTEM_TICKS = 11, 12
"""Places of utime and stime behind the command's closing parenthesis, proc(5)."""


class TooFewFiles(RuntimeError):
    """The limit on open files is too low for so many connections."""


def cpu_s_of(stat: str, ticks_per_s: int) -> float:
    """CPU time of one line of /proc/PID/stat; the command in it may hold blanks and parentheses.

    Raises:
        ValueError: it is no such line.
    """
    _, closed, rest = stat.rpartition(")")
    values = rest.split()
    if not closed or len(values) <= SYSTEM_TICKS:
        raise ValueError(f"{stat!r:.60} is no line of /proc/PID/stat")
    return (int(values[USER_TICKS]) + int(values[SYSTEM_TICKS])) / ticks_per_s


def cpu_s(pid: int) -> float:
    """CPU time the process `pid` has used, user and system, all its threads."""
    return cpu_s_of(Path(f"/proc/{pid}/stat").read_text("ascii"), os.sysconf("SC_CLK_TCK"))


@dataclass(frozen=True, slots=True)
class Used:
    """CPU time of named processes over a stretch of time, as a ratio of one core each."""

    seconds: float
    ratios: dict[str, float]
    busy_ratio: float


class Meter:
    """Counts from its construction on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._machine = Machine()
        self._began_s = time.monotonic()
        self._before = {name: cpu_s(pid) for name, pid in self._pids.items()}

    def used(self) -> Used:
        seconds = time.monotonic() - self._began_s
        spent = {name: cpu_s(pid) - self._before[name] for name, pid in self._pids.items()}
        ratios = {name: spent_s / seconds for name, spent_s in spent.items()}
        return Used(seconds, ratios, self._machine.busy_ratio())


def allow_files(needed: int) -> None:
    """Raise this process's limit on open files, and that of the children it starts.

    Raises:
        TooFewFiles: the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewFiles(
            f"{needed} open files are needed and the hard limit is {hard}: raise it "
            f"(ulimit -Hn {needed}, or LimitNOFILE of the service), or take fewer workers"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
