"""Which run may begin beside those in progress, and which workers are to send its load?

First come, first served: nothing overtakes the head of the queue. A run gets as few workers as
carry it, so that the next one finds some; those of one machine first, so that no run shares
another's. Runs with a target in common are never at once: each would be the other's disturbance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from contract.address import AddressError, host_port
from controller.ports import Member
from controller.search.goal import Goal

HEADROOM = 1.05
"""A run may ask for this much more than its highest rate."""
SHARE_OF_SELF_TEST = 0.5
"""A worker is counted on for this much of what its self-test sent: real users cost more."""
UNTESTED_PER_S = 3_000.0
"""What a worker is taken to send in a self-test that nobody has seen."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one run asks of the fleet.

    `user_ratio` is what its user sends of what the self-test does, known from preflight on.
    """

    run: str
    targets: frozenset[str]
    rate_per_s: float
    user_ratio: float = 1.0

    @property
    def needs_per_s(self) -> float:
        """The rate its workers must be able to send together."""
        return self.rate_per_s * HEADROOM


def wish_of(run: str, goal: Goal, user_ratio: float = 1.0) -> Wish:
    """The wish of a goal; targets are compared by host and port."""
    return Wish(run, frozenset(map(_address, goal.targets)), float(goal.peak), user_ratio)


def counted_on_per_s(rates: Iterable[float], *, otherwise: float = UNTESTED_PER_S) -> float:
    """Requests/s a worker is counted on for, from self-tests; those of 0 are not known."""
    known = [rate for rate in rates if rate > 0]
    return SHARE_OF_SELF_TEST * (median(known) if known else otherwise)


def carry(members: Iterable[Member], wish: Wish) -> bool:
    """Whether they can send together what the run may ask."""
    return sum(_worth(member, wish) for member in members) >= wish.needs_per_s


def pick(free: Sequence[Member], wish: Wish) -> tuple[Member, ...]:
    """As few of `free` as carry the run, in the order of their names; all of them if they do not.

    What the run has it keeps, as far as it needs it. The machine that needs the fewest workers comes
    first; where none carries the run alone, whole machines are added, the strongest first.
    """
    ours = [member for member in free if member.run == wish.run]
    chosen = None if ours else _on_one_machine(free, wish)
    if chosen is None:
        home = {member.host for member in ours}
        others = [member for member in free if member.run != wish.run]
        machines = sorted(_by_host(others).values(), key=lambda crew: _strength(crew, wish, home))
        row = [m for crew in (ours, *machines) for m in _ranked(crew, wish)]
        chosen = _fewest(row, wish) or row
    return tuple(sorted(chosen, key=lambda member: member.worker))


def together(wishes: Sequence[Wish], at_once: int) -> tuple[Wish, ...]:
    """Those at the front that may be in progress at the same time, whatever workers there are."""
    chosen: list[Wish] = []
    for wish in wishes[:at_once]:
        if any(wish.targets & other.targets for other in chosen):
            break
        chosen.append(wish)
    return tuple(chosen)


def is_kept_apart(head: Wish, in_progress: Sequence[Wish], at_once: int) -> bool:
    """Whether the head waits for a run to end, whoever is free."""
    return len(together((*in_progress, head), at_once)) <= len(in_progress)


def may_begin(head: Wish, in_progress: Sequence[Wish], members: Iterable[Member]) -> bool:
    """Whether the head's workers are there, and everybody before it has its own.

    Alone a run begins at once and waits for workers itself.
    """
    members = tuple(members)
    if not in_progress:
        return True
    if {wish.run for wish in in_progress} - {member.run for member in members}:
        return False
    return carry((m for m in members if m.run in (None, head.run)), head)


def _on_one_machine(free: Sequence[Member], wish: Wish) -> list[Member] | None:
    crews = (_fewest(_ranked(crew, wish), wish) for crew in _by_host(free).values())
    able = [crew for crew in crews if crew is not None]
    return min(able, key=lambda crew: (len(crew), crew[0].host), default=None)


def _fewest(row: Sequence[Member], wish: Wish) -> list[Member] | None:
    """The shortest beginning of `row` that carries the run."""
    chosen: list[Member] = []
    for member in row:
        chosen.append(member)
        if carry(chosen, wish):
            return chosen
    return None


def _ranked(crew: Iterable[Member], wish: Wish) -> list[Member]:
    return sorted(crew, key=lambda member: (-_worth(member, wish), member.worker))


def _by_host(members: Iterable[Member]) -> Mapping[str, list[Member]]:
    hosts: dict[str, list[Member]] = {}
    for member in members:
        hosts.setdefault(member.host, []).append(member)
    return hosts


def _strength(crew: Sequence[Member], wish: Wish, home: set[str]) -> tuple[bool, float, str]:
    """Machines that have workers of the run first, then those that send most."""
    host = crew[0].host
    return host not in home, -sum(_worth(member, wish) for member in crew), host


def _worth(member: Member, wish: Wish) -> float:
    return wish.user_ratio * counted_on_per_s((member.rate_per_s,))


def _address(target: str) -> str:
    try:
        return host_port(target)
    except AddressError:  # a name without an address of its own stands for itself
        return target
