"""What does the kernel know of this process and of its host?

Small files of /proc and /sys, kept open and read again by `pread`: a reading costs microseconds.
Where a file is missing its text is empty, and what is read from it is zero or None.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_BLOCK_BYTES = 4_096


class KernelFile:
    """A short file that is read again and again."""

    def __init__(self, path: Path | None) -> None:
        self._fd = -1
        if path is not None:
            try:
                self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return

    def read(self) -> str:
        """Its first 4 kB; nothing when it cannot be read."""
        if self._fd < 0:
            return ""
        try:
            return os.pread(self._fd, _BLOCK_BYTES, 0).decode("ascii", "replace")
        except OSError:
            return ""

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def waited_ns(schedstat: str) -> int:
    """Time in the queue of a core, by /proc/self/schedstat: of the thread that runs the loop."""
    words = schedstat.split()
    return int(words[1]) if len(words) > 1 else 0


def resident_bytes(statm: str) -> int:
    """Memory of the process by /proc/self/statm; elsewhere the most that it ever had."""
    words = statm.split()
    if len(words) > 1:
        return int(words[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tcp_sockets(sockstat: str) -> int:
    """TCP sockets of the host, those in TIME_WAIT too, by /proc/net/sockstat."""
    for line in sockstat.splitlines():
        if line.startswith("TCP:"):
            words = line.split()
            known = dict(zip(words[1::2], words[2::2], strict=False))
            return int(known.get("alloc", 0)) + int(known.get("tw", 0))
    return 0


def throttled_ns(cpu_stat: str) -> int:
    """Time that a cgroup was held back by its CPU quota, of either version's cpu.stat."""
    for line in cpu_stat.splitlines():
        name, _, value = line.partition(" ")
        if name == "throttled_usec":
            return int(value) * 1_000
        if name == "throttled_time":
            return int(value)
    return 0


class Quota:
    """The CPU quota that this process has by its cgroup, the tightest from there up to the root."""

    def __init__(self, proc: Path = PROC, cgroups: Path = CGROUPS) -> None:
        self.cores: float | None = None
        self.stat: Path | None = None
        for folder in _folders(_text(proc / "self" / "cgroup"), cgroups):
            cores = _cores_of(folder)
            if cores is not None and (self.cores is None or cores < self.cores):
                self.cores, self.stat = cores, folder / "cpu.stat"


def _folders(cgroup: str, root: Path) -> list[Path]:
    """Where the quotas of a process may lie, by its /proc/self/cgroup."""
    found: list[Path] = []
    for line in cgroup.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        tops = [root] if not controllers else [root / controllers, root / "cpu"]
        own = Path(path.lstrip("/"))
        found += [top / step for top in tops for step in (own, *own.parents)]
    return list(dict.fromkeys(found))


def _cores_of(folder: Path) -> float | None:
    words = _text(folder / "cpu.max").split()
    if len(words) != 2:
        words = [_text(folder / f"cpu.cfs_{part}_us").strip() for part in ("quota", "period")]
    quota, period = words
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None  # "max", -1, or no such file
    return int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
