"""What do all families of simulated targets have in common?

A family is simulated in work time (`controller.sim.pace`), where its server always runs at nominal
speed. Here its requests go into work time and its ends come back, cold starts are noticed, and
some of the answers are made to fail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from controller.sim.draws import random_for
from controller.sim.pace import Pace
from controller.sim.target import FAILED, FINE, Floats, Keys, Kinds, Phases, Served

_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests on their way into a server: when they were sent, in s and in work time."""

    keys: Keys
    sent_s: Floats
    work: Floats


@dataclass(frozen=True, slots=True)
class Ends:
    """Requests whose end is known, in any order: times in work time, but for those refused.

    `refused`: whether there are any, which ended at `ends` in s.
    """

    keys: Keys
    ends: Floats
    errors: Kinds
    refused: bool = False
    firsts: Floats | None = None
    tokens: Floats | None = None


class Family(Protocol):
    """A server at nominal speed."""

    has_phases: bool

    def go(self, requests: Requests, through: float) -> Ends:
        """Take requests, then let work time pass until `through`, that instant included."""

    def next_end(self) -> float:
        """Before when no end comes, in work time, that is not told yet if nothing more comes."""


class SimulatedTarget:
    """A Target of one server, under its conditions."""

    replicas = 0

    def __init__(self, family: Family, pace: Pace, fail_ratio: float, seed: int) -> None:
        self._family = family
        self._pace = pace
        self._fail_ratio = fail_ratio
        self._salt = np.uint64(random_for(seed, "failures").integers(2**63))
        self._in_flight = 0
        self._last_s = -math.inf

    @property
    def has_phases(self) -> bool:
        return self._family.has_phases

    def next_end_s(self) -> float:
        return self._pace.time_of(self._family.next_end())

    def serve(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:
        if self._pace.cold and len(sent_s):
            self._pace.warm_up(float(sent_s[0]))
        if self._pace.rewarm_after_s == math.inf:
            return self._serve(keys, sent_s, through_s)
        return self._rested(keys, sent_s, through_s)

    def _rested(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:
        """Serve, and be cold again after every time without work that is long enough."""
        gaps_s = np.diff(sent_s, prepend=self._last_s)
        parts, first = [], 0
        for pause in np.flatnonzero(gaps_s >= self._pace.rewarm_after_s).tolist():
            at_s = float(sent_s[pause])
            parts.append(self._serve(keys[first:pause], sent_s[first:pause], at_s))
            self._keep(parts[-1], pause - first)
            if not self._in_flight and at_s - self._last_s >= self._pace.rewarm_after_s:
                self._pace.warm_up(at_s)
            first = pause
        parts.append(self._serve(keys[first:], sent_s[first:], through_s))
        self._keep(parts[-1], len(keys) - first)
        return joined(parts)

    def _keep(self, served: Served, sent: int) -> None:
        self._in_flight += sent - len(served.keys)
        self._last_s = max(self._last_s, float(served.ends_s.max(initial=-math.inf)))

    def _serve(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:
        pace = self._pace
        requests = Requests(keys, sent_s, pace.work(sent_s))
        told = self._family.go(requests, pace.work_by(through_s))
        ends_s = told.ends
        if not pace.steady:
            ends_s = pace.times(ends_s)
            if told.refused:
                ends_s = np.where(told.errors == FINE, ends_s, told.ends)
        phases = None
        if told.firsts is not None and told.tokens is not None:
            firsts_s = pace.times(told.firsts)
            phases = Phases(firsts_s, (ends_s - firsts_s) / np.maximum(told.tokens - 1.0, 1.0))
        errors = self._failing(told.keys, told.errors) if self._fail_ratio else told.errors
        return Served(told.keys, ends_s, errors, phases)

    def _failing(self, keys: Keys, errors: Kinds) -> Kinds:
        """Make the asked part fail, each by its key alone (splitmix64: Steele et al. 2014)."""
        mixed = keys.astype(np.uint64) ^ self._salt
        for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * multiplier
        part = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
        return np.where((errors == FINE) & (part < self._fail_ratio), FAILED, errors).astype(
            np.int8
        )


def joined(parts: list[Served]) -> Served:
    """One answer of several; `replicas` and phases where all have them."""
    if len(parts) == 1:
        return parts[0]
    phases = [part.phases for part in parts if part.phases is not None]
    replicas = [part.replicas for part in parts if part.replicas is not None]
    return Served(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.ends_s for part in parts]),
        np.concatenate([part.errors for part in parts]),
        Phases(
            np.concatenate([phase.firsts_s for phase in phases]),
            np.concatenate([phase.between_s for phase in phases]),
        )
        if len(phases) == len(parts)
        else None,
        np.concatenate(replicas) if len(replicas) == len(parts) else None,
    )
