"""Which simulated arrivals are bad, and how are they counted by due time?

A simulated arrival is one request: it has a response and a service time, and no phases.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from contract.latency import Histogram
from contract.objectives import Objective
from contract.report import BUCKET_NS, TICK_NS, DueBucket, InFlight, Tick
from controller.errors import PreflightFailed

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

_FROM_DUE = ("response_time", "e2e")


@dataclass(frozen=True, slots=True)
class Decided:
    """Arrivals that ended, in the order of due time; times in ns after the epoch."""

    due_ns: Whole
    start_ns: Whole
    end_ns: Whole
    errors: Flags
    timed_out: Flags


class Judge:
    """The objectives of a goal, as far as a simulated target has what they ask for."""

    def __init__(self, objectives: tuple[Objective, ...]) -> None:
        """Refuse objectives that no simulated request can be judged by.

        Raises:
            PreflightFailed: one asks for phases of a request, or for requests of a name.
        """
        for objective in objectives:
            if objective.request_name or (objective.metric or "e2e") not in (
                *_FROM_DUE,
                "service_time",
            ):
                raise PreflightFailed(
                    f"a simulated target cannot be judged by {objective.text!r}: it has neither "
                    "named requests nor phases; write response_time, service_time or e2e"
                )
        self.objectives = objectives
        self._limits_ns = [
            None if o.limit_s is None else round(o.limit_s * 1e9) for o in objectives
        ]

    def overdue_ns(self, timeout_ns: int) -> int:
        """Age of the oldest in flight from which a shed arrival is the target's doing.

        The tightest limit; without one half of the time-out, as at the workers.
        """
        limits = (limit for limit in self._limits_ns if limit is not None)
        return min(limits, default=timeout_ns // 2)

    def bad(self, decided: Decided) -> Flags:
        """Shape (objectives, arrivals)."""
        faults = decided.errors | decided.timed_out
        late = self._over(
            decided.end_ns - decided.due_ns, decided.end_ns - decided.start_ns, faults
        )
        return self._with_goodput(late)

    def in_flight(self, due_ns: Whole, start_ns: Whole, now_ns: int) -> tuple[InFlight, ...]:
        """Count arrivals in flight by due bucket; they are given in the order of due time."""
        if not len(due_ns):
            return ()
        nothing = np.zeros(len(due_ns), dtype=bool)
        over = self._with_goodput(self._over(now_ns - due_ns, now_ns - start_ns, nothing))
        return tuple(
            InFlight(index, last - first, tuple(over[:, first:last].sum(axis=1).tolist()))
            for index, first, last in spans(due_ns)
        )

    def _with_goodput(self, bad: Flags) -> Flags:
        """What is bad for any objective is bad for goodput."""
        any_bad = np.logical_or.reduce(bad, axis=0)
        for row, objective in enumerate(self.objectives):
            if objective.kind == "goodput":
                bad[row] = any_bad
        return bad

    def _over(self, response_ns: Whole, service_ns: Whole, faults: Flags) -> Flags:
        over = np.tile(faults, (len(self.objectives), 1))
        for row, (objective, limit_ns) in enumerate(
            zip(self.objectives, self._limits_ns, strict=True)
        ):
            if limit_ns is not None:
                times = response_ns if objective.metric in _FROM_DUE else service_ns
                over[row] |= times > limit_ns
        return over


class Slices:
    """Increments of one report, by due bucket."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._counts: dict[int, dict[str, int]] = {}
        self._judged: dict[int, tuple[tuple[int, ...], tuple[int, ...], int]] = {}
        self._times: dict[int, tuple[Histogram, Histogram]] = {}

    def started(self, name: str, due_ns: Whole) -> None:
        """Count arrivals that entered the ledger as `name`: sent, shed, missed, cancelled."""
        for index, first, last in spans(due_ns):
            counts = self._counts.setdefault(index, {})
            counts["scheduled"] = counts.get("scheduled", 0) + last - first
            counts[name] = counts.get(name, 0) + last - first

    def shed_overdue(self, due_ns: Whole) -> None:
        """Say of arrivals counted as shed that they are bad, by the target's doing."""
        width = len(self._judge.objectives)
        for index, first, last in spans(due_ns):
            self._counts[index]["shed_overdue"] = last - first
            self._judge_as(index, (last - first,) * width, (last - first,) * width, last - first)

    def ended(self, decided: Decided) -> None:
        """Count and judge arrivals that ended."""
        bad = self._judge.bad(decided)
        any_bad = np.logical_or.reduce(bad, axis=0)
        width = len(self._judge.objectives)
        response_s = (decided.end_ns - decided.due_ns) / 1e9
        service_s = (decided.end_ns - decided.start_ns) / 1e9
        for index, first, last in spans(decided.due_ns):
            part = slice(first, last)
            counts = self._counts.setdefault(index, {})
            counts["timed_out"] = int(decided.timed_out[part].sum())
            counts["failed"] = int((decided.errors[part] & ~decided.timed_out[part]).sum())
            counts["succeeded"] = last - first - counts["timed_out"] - counts["failed"]
            judged = (last - first,) * width
            counted = tuple(bad[:, part].sum(axis=1).tolist())
            self._judge_as(index, judged, counted, int(any_bad[part].sum()))
            self._times[index] = (Histogram.of(response_s[part]), Histogram.of(service_s[part]))

    def buckets(self) -> tuple[DueBucket, ...]:
        width = len(self._judge.objectives)
        nothing = ((0,) * width, (0,) * width, 0)
        found = []
        for index in sorted(self._counts):
            judged, bad, bad_any = self._judged.get(index, nothing)
            response, service = self._times.get(index) or (Histogram(), Histogram())
            found.append(
                DueBucket(
                    index=index,
                    judged=judged,
                    bad=bad,
                    bad_any=bad_any,
                    response_time=response,
                    service_time=service,
                    **self._counts[index],
                )
            )
        return tuple(found)

    def _judge_as(
        self, index: int, judged: tuple[int, ...], bad: tuple[int, ...], any_bad: int
    ) -> None:
        if index in self._judged:
            judged_before, bad_before, any_before = self._judged[index]
            judged = tuple(a + b for a, b in zip(judged, judged_before, strict=True))
            bad = tuple(a + b for a, b in zip(bad, bad_before, strict=True))
            any_bad += any_before
        self._judged[index] = (judged, bad, any_bad)


def spans(due_ns: Whole) -> list[tuple[int, int, int]]:
    """Give (due bucket, first, last) of runs of arrivals in the order of due time."""
    found = []
    first, count = 0, len(due_ns)
    while first < count:
        index = int(due_ns[first]) // BUCKET_NS
        last = int(np.searchsorted(due_ns, (index + 1) * BUCKET_NS))
        found.append((index, first, last))
        first = last
    return found


def ticks(decided: Decided) -> tuple[Tick, ...]:
    """Completions by 20 ms; what timed out completed nothing."""
    answered = ~decided.timed_out
    at = (decided.end_ns[answered] // TICK_NS).tolist()
    completed = Counter(at)
    errors = Counter(compress(at, decided.errors[answered].tolist()))
    return tuple(Tick(index, completed[index], errors[index]) for index in sorted(completed))
