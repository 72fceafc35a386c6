"""What must a simulated target be able to do?

It lives in virtual time and keeps its state from probe to probe: a backlog is carried over, idle
time passes. It sees requests in the order they are sent and says when each of them ends, which it
may know only once later ones have come (a batch fills until it starts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.int64]
Kinds = NDArray[np.int8]
Replicas = NDArray[np.int16]

ERRORS = (
    "",
    "503 queue full",
    "500 simulated failure",
    "429 too many requests",
    "504 no attempt answered in time",
)
"""Kinds of errors; `Served.errors` are indices into these."""
FINE, TURNED_AWAY, FAILED, LIMITED, GIVEN_UP = range(len(ERRORS))

TURNED_AWAY_S = 0.001
"""How long a server takes to say that it will not serve."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Of generated answers: when the first token came, and the mean time between the others."""

    firsts_s: Floats
    between_s: Floats

    def of(self, some: NDArray[np.bool_]) -> Phases:
        """Those of some of the requests."""
        return Phases(self.firsts_s[some], self.between_s[some])


@dataclass(frozen=True, slots=True)
class Served:
    """Requests whose end is now known; `ends_s` may lie ahead. All of one length, in any order.

    `replicas` counts from 1; None where answers do not name theirs.
    """

    keys: Keys
    ends_s: Floats
    errors: Kinds
    phases: Phases | None = None
    replicas: Replicas | None = None


class Target(Protocol):
    """Something that serves requests in virtual time, in seconds since it was set up."""

    replicas: int
    """How many replicas name themselves in their answers."""

    @property
    def has_phases(self) -> bool:
        """Whether answers come token by token."""

    def serve(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:
        """Take requests sent at `sent_s`, then let time pass until `through_s`.

        Times never go back, from call to call either. However time is cut into calls, the
        requests end at the same times. A key is the caller's name of a request. A server that
        tells ends ahead tells them as soon as it begins a request.
        """

    def next_end_s(self) -> float:
        """Before when no end comes that is not told yet, if no more is sent; infinite for none."""
