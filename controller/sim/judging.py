"""Which objectives can simulated arrivals be judged by, and what does a report say of them?

A simulated arrival is one request. Where the target generates token by token it has phases: the
time to its first token and the mean time between the others, from the start of the request.
"""

from __future__ import annotations

import numpy as np

from contract.latency import Histogram
from contract.objectives import Objective
from contract.report import FATES, DueBucket, InFlight, Tick
from controller.errors import PreflightFailed
from controller.sim.counting import (
    BAD_ANY,
    BETWEEN_TOKENS,
    ERROR_RATIO,
    FIRST_BAD,
    FIRST_TOKEN,
    GOODPUT,
    IN_FLIGHT,
    JUDGED,
    RESPONSE,
    SERVICE,
    SUCCEEDED,
    TIMED_OUT,
    Whole,
)
from controller.sim.target import Floats

_LOOKS_AT = {
    "response_time": RESPONSE,
    "e2e": RESPONSE,
    "service_time": SERVICE,
    "ttft": FIRST_TOKEN,
    "tpot": BETWEEN_TOKENS,
    "itl": BETWEEN_TOKENS,
}
_SHARES = {"error_ratio": ERROR_RATIO, "goodput": GOODPUT}


class Judge:
    """The objectives of a goal, as far as a simulated target has what they ask for.

    `looks_at` and `limits_ns` have one entry per objective.
    """

    def __init__(self, objectives: tuple[Objective, ...], *, phases: bool = False) -> None:
        """Refuse objectives that no request of the target can be judged by.

        Raises:
            PreflightFailed: one asks for phases that there are not, or for requests of a name.
        """
        for objective in objectives:
            wanted = _LOOKS_AT.get(objective.metric or "", RESPONSE)
            if objective.request_name or (wanted >= FIRST_TOKEN and not phases):
                raise PreflightFailed(
                    f"this simulated target cannot be judged by {objective.text!r}: it has no "
                    "named requests, and phases only where it decodes; write response_time, "
                    "service_time or e2e"
                )
        self.objectives = objectives
        self.width = len(objectives)
        self.looks_at = np.array(
            [_LOOKS_AT[o.metric] if o.metric else _SHARES[o.kind] for o in objectives],
            dtype=np.int64,
        )
        self.limits_ns = np.array(
            [0 if o.limit_s is None else round(o.limit_s * 1e9) for o in objectives], dtype=np.int64
        )

    def overdue_ns(self, timeout_ns: int) -> int:
        """Age of the oldest in flight from which a shed arrival is the target's doing.

        The tightest limit that age can break; without one half of the time-out, as at the workers.
        """
        limits = self.limits_ns[self.looks_at <= SERVICE]
        return int(limits.min()) if len(limits) else timeout_ns // 2


def buckets_of(
    table: Whole, low: int, width: int, times: tuple[Floats, Floats]
) -> tuple[tuple[DueBucket, ...], tuple[InFlight, ...]]:
    """What a table says of due buckets from `low` on; `times` are of what ended, in their order."""
    response, service = times
    found, waiting, first = [], [], 0
    for place, row in enumerate(table[:-1].tolist()):
        index = low + place
        if row[IN_FLIGHT]:
            waiting.append(InFlight(index, row[IN_FLIGHT], tuple(row[FIRST_BAD + width :])))
        if not (row[0] or row[JUDGED]):
            continue
        after = first + sum(row[SUCCEEDED : TIMED_OUT + 1])
        ended = after > first
        found.append(
            DueBucket(
                index,
                **dict(zip(FATES, row, strict=False)),
                judged=(row[JUDGED],) * width,
                bad=tuple(row[FIRST_BAD : FIRST_BAD + width]),
                bad_any=row[BAD_ANY],
                response_time=Histogram.of(response[first:after]) if ended else Histogram(),
                service_time=Histogram.of(service[first:after]) if ended else Histogram(),
            )
        )
        first = after
    return tuple(found), tuple(waiting)


def ticks_of(rows: Whole) -> tuple[Tick, ...]:
    """Completions by 20 ms and replica."""
    return tuple(
        Tick(index, completed, errors, replica)
        for index, replica, completed, errors in rows.tolist()
    )
