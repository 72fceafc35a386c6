"""What does a target answer that lets no more than a rate through?

A bucket of `burst` tokens, filled with `rate` a second: a request that finds none is answered 429
at once, the others are served by what is behind.
"""

from __future__ import annotations

import numpy as np

from controller.sim.compiled import compiled
from controller.sim.draws import Floats
from controller.sim.serving import Ends, Family, Requests
from controller.sim.target import LIMITED, TURNED_AWAY_S


class Limited:
    """A family behind a limiter; what is behind knows every end at once."""

    def __init__(self, rate: float, burst: int, behind: Family) -> None:
        self.has_phases = behind.has_phases
        self._rate, self._burst, self._behind = rate, float(burst), behind
        self._bucket = np.array([0.0, float(burst)])  # when it was last looked at, and its tokens

    def go(self, requests: Requests, through: float) -> Ends:
        passes = _passing(requests.sent_s, self._bucket, self._rate, self._burst) > 0
        some = Requests(requests.keys[passes], requests.sent_s[passes], requests.work[passes])
        told = self._behind.go(some, through)
        if passes.all():
            return told
        sent_s = requests.sent_s[~passes]
        return Ends(
            np.concatenate((told.keys, requests.keys[~passes])),
            np.concatenate((told.ends, sent_s + TURNED_AWAY_S)),
            np.concatenate((told.errors, np.full(len(sent_s), LIMITED, dtype=np.int8))),
            refused=True,
        )

    def next_end(self) -> float:
        return self._behind.next_end()


@compiled
def _passing(sent_s: Floats, bucket: Floats, rate: float, burst: float) -> Floats:
    passes = np.zeros(len(sent_s))
    for place in range(len(sent_s)):
        bucket[1] = min(burst, bucket[1] + (sent_s[place] - bucket[0]) * rate)
        bucket[0] = sent_s[place]
        if bucket[1] >= 1.0:
            bucket[1] -= 1.0
            passes[place] = 1.0
    return passes
