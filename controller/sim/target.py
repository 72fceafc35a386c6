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

ERRORS = ("", "503 queue full", "500 simulated failure")
"""Kinds of errors; `Served.errors` are indices into these."""
FINE, TURNED_AWAY, FAILED = range(3)

TURNED_AWAY_S = 0.001
"""How long a server takes to say that it will not serve."""


@dataclass(frozen=True, slots=True)
class Served:
    """Requests whose end is now known; `ends_s` may lie ahead. All of one length, in any order."""

    keys: Keys
    ends_s: Floats
    errors: Kinds


class Target(Protocol):
    """Something that serves requests in virtual time, in seconds since it was set up."""

    def serve(self, keys: Keys, sent_s: Floats, through_s: float) -> Served:
        """Take requests sent at `sent_s`, then let time pass until `through_s`.

        Times never go back, from call to call either. However time is cut into calls, the
        requests end at the same times. A key is the caller's name of a request. A server that
        tells ends ahead tells them as soon as it begins a request.
        """
