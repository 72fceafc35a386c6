"""Which limits of the operating system could stop this worker, and what is the cure?

Each sentence has the number there is, the number that is needed, and what to do.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workers.kernel import PROC, Quota

FILES_BESIDE_USERS = 64
"""Descriptors for Redis, logs, the interpreter and the like."""
USUAL_USERS = 1_000
"""So many connections a worker should be able to hold, whatever the run."""
TIME_WAIT_S = 60.0
"""A port of a connection that this side has closed is not used again for so long."""
FEWEST_WAITING = 1_024
"""Connections that a listener on this host should be able to hold until it accepts them."""
_PORTS = (32_768, 60_999)
LOOPBACK = ("127.", "localhost", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class Limits:
    """What this process has. `cores` is its CPU quota, None without one."""

    open_files: int = sys.maxsize
    ports: tuple[int, int] = _PORTS
    waiting: int = FEWEST_WAITING
    cores: float | None = None

    @property
    def port_count(self) -> int:
        first, last = self.ports
        return max(1, last - first + 1)


@dataclass(frozen=True, slots=True)
class Need:
    """What a run may want: `users` at once, and new connections a second."""

    users: int = USUAL_USERS
    dials_per_s: float = 0.0
    targets: tuple[str, ...] = ()

    @property
    def ports(self) -> int:
        return round(self.users + self.dials_per_s * TIME_WAIT_S)


def raise_open_files() -> int:
    """Raise the limit of open files as far as it goes; gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some systems promise more than they let one take
            return soft
    return hard if hard != resource.RLIM_INFINITY else sys.maxsize


def read_limits(open_files: int, quota: Quota, proc: Path = PROC) -> Limits:
    """The limits of this process and its host."""
    first, last = _numbers(proc / "sys/net/ipv4/ip_local_port_range", _PORTS)
    (waiting,) = _numbers(proc / "sys/net/core/somaxconn", (FEWEST_WAITING,))
    return Limits(open_files, (first, last), waiting, quota.cores)


def shortages(limits: Limits, need: Need) -> tuple[str, ...]:
    """One sentence for each limit that `need` does not fit into."""
    found = (
        too_few_files(limits.open_files, need.users),
        _too_few_ports(limits, need),
        _too_short_a_queue(limits, need),
        _too_little_cpu(limits),
    )
    return tuple(sentence for sentence in found if sentence is not None)


def too_few_files(limit: int, users: int) -> str | None:
    """One sentence when `users` connections do not fit; None when they do."""
    needed = users + FILES_BESIDE_USERS
    if needed <= limit:
        return None
    return (
        f"{users:,} users may need {needed:,} open files, the limit is {limit:,}: "
        "raise it with ulimit -n, or start more workers"
    )


def _too_few_ports(limits: Limits, need: Need) -> str | None:
    if need.ports <= limits.port_count:
        return None
    first, last = limits.ports
    why = f"{need.users:,} users"
    if need.dials_per_s:
        why += (
            f" and {need.dials_per_s:,.0f} new connections/s, each of which keeps its port for "
            f"{TIME_WAIT_S:.0f} s after its end,"
        )
    return (
        f"{why} may need {need.ports:,} local ports to one address, there are "
        f"{limits.port_count:,}: keep connections alive, widen net.ipv4.ip_local_port_range "
        f"({first} to {last}), or start workers on another host"
    )


def _too_short_a_queue(limits: Limits, need: Need) -> str | None:
    here = [target for target in need.targets if _is_here(target)]
    if not here or limits.waiting >= FEWEST_WAITING:
        return None
    return (
        f"a target on this host can have {limits.waiting:,} connections that it has not accepted "
        f"yet, a burst may need {FEWEST_WAITING:,}: sysctl -w net.core.somaxconn={FEWEST_WAITING}"
    )


def _too_little_cpu(limits: Limits) -> str | None:
    if limits.cores is None or limits.cores >= 1:
        return None
    return (
        f"the CPU quota is {limits.cores:.2g} of a core, a worker needs 1: raise the limit, "
        "or take it away"
    )


def _is_here(target: str) -> bool:
    host = target.partition("://")[2] or target
    return host.startswith(LOOPBACK)


def _numbers(path: Path, otherwise: Iterable[int]) -> tuple[int, ...]:
    otherwise = tuple(otherwise)
    try:
        words = path.read_text(encoding="ascii").split()
    except OSError:
        return otherwise
    return tuple(map(int, words)) if len(words) == len(otherwise) else otherwise
