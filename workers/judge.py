"""Which objectives does an arrival break, and when is that known?

Objective k of the goal is bit k of a mask. A latency objective covers the requests of its name,
or all; it is broken by a covered request over its limit and by any failure of the arrival. What
timed out, failed before any request ended, or was shed counts for every objective.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from contract.objectives import Objective
from workers.clock import NS_PER_S
from workers.columns import Floats, Ints
from workers.permit import FAILED, TIMED_OUT, Permit

_FROM_DUE = ("response_time", "e2e")
_PHASES = {"ttft": "ttft_s", "tpot": "tpot_s", "itl": "itl_s"}


class Judge:
    """Applies the objectives of one goal, in its order."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.count = len(objectives)
        self.all = (1 << self.count) - 1
        self._latency = [
            (1 << place, o.request_name, o.metric or "response_time", o.limit_s)
            for place, o in enumerate(objectives)
            if o.limit_s is not None
        ]
        self._named = [
            (1 << place, o.request_name)
            for place, o in enumerate(objectives)
            if o.limit_s is None and o.request_name is not None
        ]
        self._unnamed = _mask(objectives, lambda o: o.request_name is None)
        self._latency_mask = _mask(objectives, lambda o: o.limit_s is not None)
        self.is_plain = not self._named and all(
            name is None and metric not in _PHASES for _, name, metric, _ in self._latency
        )
        """Every objective is of all requests, and none of a phase of them."""
        self._goodput = _mask(objectives, lambda o: o.kind == "goodput")
        self._age_limits = [
            (bit, metric in _FROM_DUE, limit)
            for bit, name, metric, limit in self._latency
            if name is None and metric not in _PHASES
        ]

    def overdue_s(self, timeout_s: float) -> float:
        """Age of the oldest arrival in flight from which shedding is the target's doing.

        It is the tightest limit that age can break. Without one it is half of the time-out: none
        gets older than the time-out, and the cap holds more than that of load, so it is full of
        arrivals this old only when the target holds them that long.
        """
        return min((limit for _, _, limit in self._age_limits), default=timeout_s / 2)

    def request(
        self,
        permit: Permit,
        name: str | None,
        times_s: tuple[float, float],
        phases: Mapping[str, object],
    ) -> None:
        """Judge one request that ended; `times_s` are its response and its service time.

        `phases` may hold `ttft_s`, `tpot_s` and `itl_s`; one that an objective needs and that
        is not there was not shown to be inside the limit.
        """
        for bit, wanted, metric, limit_s in self._latency:
            if wanted is not None and wanted != name:
                continue
            permit.covered |= bit
            if metric in _FROM_DUE:
                measured = times_s[0]
            elif metric == "service_time":
                measured = times_s[1]
            else:
                measured = _number(phases.get(_PHASES[metric]))
            if not measured <= limit_s:
                permit.bad |= bit
        for bit, wanted in self._named:
            if wanted == name:
                permit.covered |= bit

    def verdict(self, permit: Permit) -> tuple[int, int]:
        """Masks of the objectives that judge an ended arrival, and of those it is bad for."""
        failed = permit.outcome in (FAILED, TIMED_OUT)
        if permit.outcome == TIMED_OUT or (failed and not permit.requests):
            return self.all, self.all
        judged = self._unnamed | permit.covered
        if failed:
            return judged, judged
        bad = permit.bad
        if bad & self._latency_mask:
            bad |= self._goodput
        return judged, bad & judged

    def verdicts(self, response_s: Floats, service_s: Floats) -> Ints:
        """Masks of what arrivals of one good request each are bad for; of a plain judge."""
        bad: Ints = np.zeros(len(response_s), dtype=np.int64)
        for bit, _, metric, limit_s in self._latency:
            measured = response_s if metric in _FROM_DUE else service_s
            bad[~(measured <= limit_s)] |= bit
        bad[bad & self._latency_mask != 0] |= self._goodput
        return bad

    def overdue(self, due_ns: Ints, start_ns: Ints, now_ns: int) -> Ints:
        """As `over_limit`, of arrivals in flight of which no request has ended."""
        over: Ints = np.zeros(len(due_ns), dtype=np.int64)
        for bit, from_due, limit_s in self._age_limits:
            since_ns = due_ns if from_due else start_ns
            over[now_ns - since_ns > limit_s * NS_PER_S] |= bit
        over[over & self._latency_mask != 0] |= self._goodput & self._unnamed
        return over

    def over_limit(self, permit: Permit, now_ns: int) -> int:
        """Mask of the latency and goodput objectives an arrival in flight has already broken.

        Its age speaks only while no request of it has ended, and not for phases within one.
        """
        judged = self._unnamed | permit.covered
        if permit.failed:
            return (self._latency_mask | self._goodput) & judged
        over = permit.bad
        if not permit.requests:
            for bit, from_due, limit_s in self._age_limits:
                since_ns = permit.due_ns if from_due else permit.start_ns
                if now_ns - since_ns > limit_s * NS_PER_S:
                    over |= bit
        if over & self._latency_mask:
            over |= self._goodput & judged
        return over


def _mask(objectives: Sequence[Objective], chosen: Callable[[Objective], bool]) -> int:
    return sum(1 << place for place, o in enumerate(objectives) if chosen(o))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
