"""What happens to each arrival of a simulated probe, and what do the workers report of it?

Time goes in slices, and only as far as somebody asks: a probe that is stopped after 3 s costs 3 s.
Arrivals are started in the order of the schedule, each a little late; one that finds the workers'
cap reached is shed, one that is missed is never started. In flight ones end when the target says
so, or at their time-out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.arrivals import Schedule
from contract.latency import Histogram
from contract.report import FATES, FleetReport, Ledger
from controller.sim.arrivals import NEVER_NS, Arrivals
from controller.sim.counting import (
    BAD_ANY,
    MISSED,
    SHED,
    SHED_OVERDUE,
    TIMED_OUT_KIND,
    Whole,
    counted,
)
from controller.sim.judging import Judge, buckets_of, ticks_of
from controller.sim.target import ERRORS, Served, Target
from controller.sim.traffic import Traffic
from controller.sim.trouble import Trouble

MATERIALISED_NS = 250_000_000
"""Workers hold permits this far ahead; a stop cancels those."""
_KEY_BITS = 40
_NONE = np.empty(0, dtype=np.int64)
_KINDS = (*ERRORS, "timed out")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the fleet was told of a probe; `streams` above 0 closes the loop."""

    schedule: Schedule
    timeout_s: float
    in_flight_cap: int
    workers: int
    streams: int = 0
    traffic: Traffic = Traffic()  # noqa: RUF009 - frozen


class Load:
    """One probe on its way; `epoch_s` is its beginning on the target's clock."""

    def __init__(
        self, terms: Terms, target: Target, judge: Judge, *, epoch_s: float, trouble: Trouble
    ) -> None:
        self.totals = Ledger()
        self.bad_any = 0
        self.through_ns = 0
        self._terms = terms
        self._target = target
        self._judge = judge
        self._epoch_s = epoch_s
        self._timeout_ns = round(terms.timeout_s * 1e9)
        self._key = terms.schedule.probe << _KEY_BITS
        self._arrivals = Arrivals(terms.schedule, trouble, terms.traffic)
        self._replicas = tuple(f"replica-{place + 1}" for place in range(target.replicas))
        self._misses = trouble.missed_ratio > 0
        self._next = 0
        self._open = _NONE
        self._sums = np.zeros(BAD_ANY + 1, dtype=np.int64)

    @property
    def in_flight(self) -> int:
        return len(self._open)

    @property
    def drained(self) -> bool:
        """The probe is over and nothing is in flight."""
        over = self.through_ns >= round(self._terms.schedule.duration_s * 1e9)
        return over and self._arrivals.exhausted(self._next) and not self.in_flight

    def advance(self, through_ns: int) -> FleetReport:
        """Let the load go on and report what happened since the last call."""
        first = self._next
        self._next = max(first, self._arrivals.started_by(through_ns))
        wanted = np.arange(first, self._next)
        if self._misses:
            wanted = wanted[self._arrivals.fate[wanted] != MISSED]
        if self.in_flight + len(wanted) > self._terms.in_flight_cap:
            self._squeeze(wanted)
            wanted = _NONE
        self._send(wanted, through_ns)
        return self._report(first, through_ns)

    def stop(self) -> FleetReport:
        """Cancel what the workers hold but have not started; nothing is sent after this."""
        first = self._next
        self._next = max(first, self._arrivals.due_by(self.through_ns + MATERIALISED_NS))
        self._arrivals.cancel(first, self._next)
        return self._report(first, self.through_ns)

    def _squeeze(self, wanted: Whole) -> None:
        """Start arrivals one gap in the cap after the other, and shed the others."""
        arrivals = self._arrivals
        starts = arrivals.start_ns[wanted]
        place = 0
        while place < len(wanted):
            now_ns = int(starts[place])
            self._send(_NONE, now_ns)
            open_now = self._open[self._ends(self._open) > now_ns]
            room = self._terms.in_flight_cap - len(open_now)
            after = place + room
            if room > 0:
                self._send(wanted[place:after], int(starts[place:after][-1]))
            else:
                after = max(place + 1, int(np.searchsorted(starts, self._next_end_ns(open_now))))
                shed = wanted[place:after]
                arrivals.fate[shed] = self._shed_as(open_now, starts[place:after])
            place = after

    def _next_end_ns(self, open_now: Whole) -> int:
        """No sooner does the number in flight fall; 0 where the target does not tell ahead."""
        known = self._arrivals.end_ns[open_now].min(initial=NEVER_NS) < NEVER_NS
        return int(self._ends(open_now).min()) if known else 0

    def _shed_as(self, open_now: Whole, starts: Whole) -> Whole:
        """The fate of arrivals shed at `starts`: it is the target's doing once one is overdue."""
        if not len(open_now):
            return np.full(len(starts), SHED)
        age_ns = starts - self._arrivals.due_ns[open_now[0]]
        return np.where(age_ns > self._judge.overdue_ns(self._timeout_ns), SHED_OVERDUE, SHED)

    def _send(self, sent: Whole, through_ns: int) -> None:
        """Put arrivals to the target, let time pass until then, and note whose end is known."""
        arrivals = self._arrivals
        if len(sent):
            self._open = np.concatenate((self._open, sent))
        sent_s = self._epoch_s + arrivals.start_ns[sent] / 1e9
        served = self._target.serve(self._key + sent, sent_s, self._epoch_s + through_ns / 1e9)
        places = served.keys - self._key
        if len(places) and places.min() < 0:  # what an earlier probe's clients gave up on
            served = _only(served, places >= 0)
            places = places[places >= 0]
        arrivals.note(served, places, self._epoch_s)

    def _ends(self, places: Whole) -> Whole:
        """When arrivals end, the time-out included; NEVER_NS or less."""
        known = self._arrivals.end_ns[places]
        ends: Whole = np.minimum(known, self._arrivals.due_ns[places] + self._timeout_ns)
        return ends

    def _report(self, first: int, through_ns: int) -> FleetReport:
        arrivals, judge = self._arrivals, self._judge
        self._open, table, low, times, ticks, kinds = counted(
            (arrivals.due_ns, arrivals.start_ns, arrivals.end_ns, arrivals.error, arrivals.fate),
            (arrivals.first_ns, arrivals.between_ns, arrivals.replica),
            self._open,
            (judge.looks_at, judge.limits_ns),
            (first, self._next, through_ns, self._timeout_ns),
        )
        response, service, lags = times
        self.through_ns = through_ns
        buckets, waiting = buckets_of(table, low, judge.width, (response, service))
        self._sums += table[-1, : BAD_ANY + 1]
        *fates, self.bad_any = self._sums.tolist()
        self.totals = Ledger(**dict(zip(FATES, fates, strict=True)), in_flight=self.in_flight)
        return FleetReport(
            probe=self._terms.schedule.probe,
            through_ns=through_ns,
            workers=self._terms.workers,
            totals=self.totals,
            buckets=buckets,
            ticks=ticks_of(ticks),
            in_flight=waiting,
            send_lag=Histogram.of(lags),
            requests=len(response) - int(kinds[TIMED_OUT_KIND]),
            errors=_errors(kinds),
            replicas=self._replicas,
        )


def _errors(kinds: Whole) -> tuple[tuple[str, int], ...]:
    """Errors by kind, the commonest first."""
    if not kinds[1:].any():
        return ()
    counts = [(_KINDS[kind], int(count)) for kind, count in enumerate(kinds) if kind and count]
    return tuple(sorted(counts, key=lambda entry: -entry[1]))


def _only(served: Served, mine: NDArray[np.bool_]) -> Served:
    """What was said of some of the requests."""
    phases = served.phases and served.phases.of(mine)
    replicas = None if served.replicas is None else served.replicas[mine]
    return Served(served.keys[mine], served.ends_s[mine], served.errors[mine], phases, replicas)
