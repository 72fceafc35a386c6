"""Which worker was the limit in a probe, what held it back, and what is the cure?

The tally keeps the worst that each worker said of itself; a void probe is explained by the first
cause that holds:

    throttled    by a CPU quota, for 1 % of the time or more
    CPU          0.9 of a core or more, over a whole second
    blocked      the loop stood still for longer than sends may be late, and at most half of that
                 for garbage or for a core
    garbage      was collected for longer than sends may be late
    waited       for a core that others used, for 10 % of the time or more
    files        connections could not be opened for want of descriptors
    ports        there was no local port left
    users        there were as many as there may be

A blocked loop and a busy core look alike in an instant: CPU is therefore a mean over a second.
Retransmits explain a slow target; they are no cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from contract.report import Health
from controller.search import explain

MOST_TOLD = 20
"""Workers that are kept: the most strained."""
THROTTLED_RATIO, WAITED_RATIO, BUSY_RATIO = 0.01, 0.1, 0.9
FULL_RATIO = 0.95
"""So many of the local ports are as good as all."""
FILES, PORTS = ("EMFILE", "ENFILE"), ("EADDRNOTAVAIL",)
OWN = (*FILES, *PORTS)
"""Connects that failed for a reason of this side's, by errno; any other is the target's."""


@dataclass(frozen=True, slots=True)
class Strain:
    """The worst of one worker in a probe: the highest, and the sums of what adds up.

    Fields are those of `contract.report.Health`; `blocked_s` is the loop's lag that neither
    garbage nor a wait for a core explains.
    """

    worker: str
    cpu_ratio: float = 0.0
    blocked_s: float = 0.0
    gc_s: float = 0.0
    send_lag_p99_s: float = 0.0
    throttled_s: float = 0.0
    waited_s: float = 0.0
    refused: tuple[tuple[str, int], ...] = ()
    retransmits: int = 0
    ports_ratio: float = 0.0
    ports: int = 0
    busiest: str = ""
    users: int = 0
    users_most: int = 0
    open_files: int = 0

    def refused_by(self, errnos: Iterable[str]) -> int:
        """Connects that failed so."""
        counts = dict(self.refused)
        return sum(counts.get(name, 0) for name in errnos)


def most_strained(
    workers: Iterable[tuple[str, Health]], most: int = MOST_TOLD
) -> tuple[tuple[str, Health], ...]:
    """At most `most` of them, those that are nearest to being the limit; in their order."""
    known = tuple(workers)
    if len(known) <= most:
        return known
    worst = sorted(known, key=lambda entry: _pressure(entry[1]), reverse=True)[:most]
    chosen = {worker for worker, _ in worst}
    return tuple(entry for entry in known if entry[0] in chosen)


def strained(
    strains: tuple[Strain, ...], health: Iterable[tuple[str, Health]], *, anew: bool = False
) -> tuple[Strain, ...]:
    """The strains after one more report; `anew`: judging begins, what was before is no cause."""
    told = tuple(health)
    if anew:
        strains = tuple(Strain(s.worker, refused=s.refused) for s in strains)
    if not told:
        return strains
    known = {strain.worker: strain for strain in strains}
    for worker, latest in told:
        known[worker] = _worse(known.get(worker, Strain(worker)), latest)
    if len(known) <= MOST_TOLD:
        return tuple(known.values())
    return tuple(sorted(known.values(), key=_pressure, reverse=True)[:MOST_TOLD])


def joined(reports: Iterable[Health]) -> Health:
    """The health of one worker over several of its reports, as if they were one."""
    first, *others = reports
    for later in others:
        first = replace(
            later,
            **{name: max(getattr(first, name), getattr(later, name)) for name in _HIGHEST},
            **{name: getattr(first, name) + getattr(later, name) for name in _SUMMED},
            gc_s=first.gc_s + later.gc_s,
            refused=_added(first.refused, later.refused),
        )
    return first


def cause(strains: Iterable[Strain], *, span_s: float, late_s: float) -> str | None:
    """Who was the limit, why, and the cure; None when nobody said anything of that kind.

    `span_s` is how long they were watched, `late_s` how late a send may be. Workers that sent late
    come before those that did not.
    """
    known = tuple(strains)
    late = tuple(s for s in known if s.send_lag_p99_s > late_s)
    for group in (late, known):
        for look in _CAUSES:
            found = [told for s in group for told in look(s, span_s, late_s)]
            if found:
                return _heaviest(found)
    return None


def refusal(strains: Iterable[Strain]) -> str:
    """Who could not open connections for a reason of this side's; somebody could not."""
    known = tuple(strains)
    files = [told for s in known for told in _without_files(s, 0.0, 0.0)]
    return _heaviest(files or [told for s in known for told in _without_ports(s, 0.0, 0.0)])


_HIGHEST = ("cpu_ratio", "loop_lag_s", "send_lag_p99_s")
_SUMMED = ("throttled_s", "waited_s", "retransmits")
Found = Iterable[tuple[float, str]]
"""How much of it, and the sentence; nothing when the cause does not hold."""


def _heaviest(found: Sequence[tuple[float, str]]) -> str:
    return max(found, key=lambda told: told[0])[1]


def _worse(strain: Strain, latest: Health) -> Strain:
    full = latest.ports_ratio >= strain.ports_ratio
    return Strain(
        worker=strain.worker,
        cpu_ratio=max(strain.cpu_ratio, latest.cpu_ratio),
        blocked_s=max(strain.blocked_s, _blocked_s(latest)),
        gc_s=max(strain.gc_s, latest.gc_s),
        send_lag_p99_s=max(strain.send_lag_p99_s, latest.send_lag_p99_s),
        throttled_s=strain.throttled_s + latest.throttled_s,
        waited_s=strain.waited_s + latest.waited_s,
        refused=_added(strain.refused, latest.refused),
        retransmits=strain.retransmits + latest.retransmits,
        ports_ratio=max(strain.ports_ratio, latest.ports_ratio),
        ports=latest.ports if full else strain.ports,
        busiest=latest.busiest if full else strain.busiest,
        users=max(strain.users, latest.users),
        users_most=latest.users_most,
        open_files=latest.open_files,
    )


def _blocked_s(health: Health) -> float:
    unexplained_s = health.loop_lag_s - health.gc_s - health.waited_s
    return unexplained_s if unexplained_s >= health.loop_lag_s / 2 else 0.0


def _pressure(entry: Health | Strain) -> tuple[float, ...]:
    refused = sum(count for name, count in entry.refused if name in OWN)
    return refused, entry.send_lag_p99_s, entry.throttled_s, entry.cpu_ratio, entry.waited_s


def _added(
    one: tuple[tuple[str, int], ...], other: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    if not (one and other):
        return one or other
    counts = Counter(dict(one))
    counts.update(dict(other))
    return tuple(counts.most_common())


def _throttled(strain: Strain, span_s: float, _late_s: float) -> Found:
    if strain.throttled_s > 0 and strain.throttled_s >= THROTTLED_RATIO * span_s:
        yield (
            strain.throttled_s,
            (
                f"worker {strain.worker} was throttled for {strain.throttled_s:.2g} s of"
                f" {span_s:.3g} by its CPU quota: raise the limit"
            ),
        )


def _busy(strain: Strain, _span_s: float, _late_s: float) -> Found:
    if strain.cpu_ratio >= BUSY_RATIO:
        yield (
            strain.cpu_ratio,
            (
                f"worker {strain.worker} at {100 * strain.cpu_ratio:.0f} % CPU: add workers or lower"
                " the rate"
            ),
        )


def _blocked(strain: Strain, _span_s: float, late_s: float) -> Found:
    if strain.blocked_s > late_s:
        yield (
            strain.blocked_s,
            (
                f"worker {strain.worker}: its loop was blocked for"
                f" {explain.duration(strain.blocked_s)} while its CPU was free: a task computes or"
                " waits outside gevent"
            ),
        )


def _collecting(strain: Strain, _span_s: float, late_s: float) -> Found:
    if strain.gc_s > late_s:
        yield (
            strain.gc_s,
            (
                f"worker {strain.worker} collected garbage for {explain.duration(strain.gc_s)}: a task"
                " makes reference cycles or keeps what it receives"
            ),
        )


def _crowded(strain: Strain, span_s: float, _late_s: float) -> Found:
    if strain.waited_s > 0 and strain.waited_s >= WAITED_RATIO * span_s:
        yield (
            strain.waited_s,
            (
                f"worker {strain.worker} waited for {strain.waited_s:.2g} s of {span_s:.3g} for a core"
                " that other processes used: give each worker a core of its own"
            ),
        )


def _without_files(strain: Strain, _span_s: float, _late_s: float) -> Found:
    refused = strain.refused_by(FILES)
    if refused:
        name = next(name for name in FILES if strain.refused_by((name,)))
        limit = f", limit {explain.count(strain.open_files)}" if strain.open_files else ""
        yield (
            refused,
            (
                f"worker {strain.worker} could not open {explain.count(refused)} connections"
                f" ({name}{limit}): raise ulimit -n"
            ),
        )


def _without_ports(strain: Strain, _span_s: float, _late_s: float) -> Found:
    refused = strain.refused_by(PORTS)
    if refused or (strain.busiest and strain.ports_ratio >= FULL_RATIO):
        where = f" for {strain.busiest}" if strain.busiest else ""
        used = f" ({explain.count(strain.ports)} used)" if strain.ports else ""
        yield (
            max(refused, strain.ports_ratio),
            (
                f"worker {strain.worker} had no local port left{where}{used}: keep connections alive"
                " or add workers on another host"
            ),
        )


def _without_users(strain: Strain, _span_s: float, _late_s: float) -> Found:
    if 0 < strain.users_most <= strain.users:
        yield (
            strain.users,
            (
                f"worker {strain.worker} had no free user: its memory allows"
                f" {explain.count(strain.users_most)}"
            ),
        )


_CAUSES: tuple[Callable[[Strain, float, float], Found], ...] = (
    _throttled,
    _busy,
    _blocked,
    _collecting,
    _crowded,
    _without_files,
    _without_ports,
    _without_users,
)
