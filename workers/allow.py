"""May this worker put load on that target?

Loopback always, anything else only when it is on the worker's own list and on the run's.
"""

from __future__ import annotations

from collections.abc import Iterable

from contract.address import AddressError, host_port, is_loopback


def reachable(own: Iterable[str], run: Iterable[str]) -> tuple[str, ...]:
    """What of the run's list this worker may reach."""
    listed = {entry.lower() for entry in own}
    return tuple(entry for entry in run if is_loopback(entry) or entry.lower() in listed)


def refusal(targets: Iterable[str], own: Iterable[str], run: Iterable[str]) -> str | None:
    """One sentence when a target may not be reached; None when all may."""
    own, run = tuple(own), tuple(run)
    listed = {entry.lower() for entry in run}
    allowed = {entry.lower() for entry in reachable(own, run)}
    for target in targets:
        try:
            wanted = host_port(target)
        except AddressError as error:
            return str(error)
        if wanted.lower() not in listed:
            return f"target {wanted} is not among the run's allowed targets; allow it there"
        if wanted.lower() not in allowed:
            return f"target {wanted} is not allowed by this worker; start it with --allow {wanted}"
    return None
