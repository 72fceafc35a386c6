"""What happens to each arrival of a simulated probe, and what do the workers report of it?

Time goes in slices, and only as far as somebody asks: a probe that is stopped after 3 s costs 3 s.
Arrivals are started in the order of the schedule, each a little late; one that finds the workers'
cap reached is shed, one that is missed is never started. In flight ones end when the target says
so, or at their time-out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from contract.arrivals import Schedule
from contract.latency import Histogram
from contract.report import DueBucket, FleetReport, Ledger
from controller.sim.arrivals import NEVER_NS, Arrivals
from controller.sim.judging import Decided, Flags, Judge, Slices, Whole, ticks
from controller.sim.target import ERRORS, FAILED, TURNED_AWAY, Target
from controller.sim.trouble import Trouble

MATERIALISED_NS = 250_000_000
"""Workers hold permits this far ahead; a stop cancels those."""
_KEY_BITS = 40
_NONE = np.empty(0, dtype=np.int64)
_COUNTED = (
    "scheduled",
    "sent",
    "shed",
    "shed_overdue",
    "missed",
    "cancelled",
    "succeeded",
    "failed",
    "timed_out",
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the fleet was told of a probe; `streams` above 0 closes the loop."""

    schedule: Schedule
    timeout_s: float
    in_flight_cap: int
    workers: int
    streams: int = 0


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
        self._trouble = trouble
        self._timeout_ns = round(terms.timeout_s * 1e9)
        self._key = terms.schedule.probe << _KEY_BITS
        self._arrivals = Arrivals(terms.schedule, trouble)
        self._next = 0
        self._open = np.empty(0, dtype=np.int64)

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
        slices = Slices(self._judge)
        last = self._arrivals.started_by(through_ns)
        lags = self._start(slices, last, through_ns)
        decided, errors = self._settle(through_ns)
        slices.ended(decided)
        return self._report(slices, decided, through_ns, lags=lags, errors=errors)

    def stop(self) -> FleetReport:
        """Cancel what the workers hold but have not started; nothing is sent after this."""
        slices = Slices(self._judge)
        after = self._arrivals.due_by(self.through_ns + MATERIALISED_NS)
        slices.started("cancelled", self._arrivals.due_ns[self._next : after])
        self._next = max(self._next, after)
        self._arrivals.close(self._next)
        nothing, _ = self._settle(self.through_ns)
        return self._report(slices, nothing, self.through_ns, lags=Histogram(), errors=())

    def _start(self, slices: Slices, last: int, through_ns: int) -> Histogram:
        """Start the arrivals up to `last`, as far as the cap lets; give their send lags."""
        arrivals = self._arrivals
        here = np.arange(self._next, last)
        self._next = max(self._next, last)
        missed = arrivals.missed[here]
        slices.started("missed", arrivals.due_ns[here[missed]])
        wanted = here[~missed]
        sent = wanted
        if self.in_flight + len(wanted) > self._terms.in_flight_cap:
            sent, shed, overdue = self._squeeze(wanted)
            slices.started("shed", arrivals.due_ns[shed])
            slices.shed_overdue(arrivals.due_ns[overdue])
            self._send(_NONE, through_ns)
        else:
            self._send(wanted, through_ns)
        slices.started("sent", arrivals.due_ns[sent])
        return Histogram.of((arrivals.start_ns[sent] - arrivals.due_ns[sent]) / 1e9)

    def _squeeze(self, wanted: Whole) -> tuple[Whole, Whole, Whole]:
        """Start arrivals one gap in the cap after the other: sent, shed, and shed overdue."""
        starts = self._arrivals.start_ns[wanted]
        sent, shed, overdue = [_NONE], [_NONE], [_NONE]
        place = 0
        while place < len(wanted):
            now_ns = int(starts[place])
            self._send(_NONE, now_ns)
            open_now = self._open[self._ends(self._open) > now_ns]
            room = self._terms.in_flight_cap - len(open_now)
            after = place + room
            if room > 0:
                self._send(wanted[place:after], int(starts[place:after][-1]))
                sent.append(wanted[place:after])
            else:
                after = max(place + 1, int(np.searchsorted(starts, self._next_end_ns(open_now))))
                shed.append(wanted[place:after])
                overdue.append(shed[-1][self._overdue(open_now, starts[place:after])])
            place = after
        return np.concatenate(sent), np.concatenate(shed), np.concatenate(overdue)

    def _next_end_ns(self, open_now: Whole) -> int:
        """No sooner does the number in flight fall; 0 where the target does not tell ahead."""
        known = self._arrivals.end_ns[open_now].min(initial=NEVER_NS) < NEVER_NS
        return int(self._ends(open_now).min()) if known else 0

    def _overdue(self, open_now: Whole, starts: Whole) -> Flags:
        limit_ns = self._judge.overdue_ns(self._timeout_ns)
        if not len(open_now):
            return np.zeros(len(starts), dtype=bool)
        overdue: Flags = starts - self._arrivals.due_ns[open_now[0]] > limit_ns
        return overdue

    def _send(self, sent: Whole, through_ns: int) -> None:
        """Put arrivals to the target, let time pass until then, and note whose end is known."""
        arrivals = self._arrivals
        if len(sent):
            self._open = np.concatenate((self._open, sent))
        sent_s = self._epoch_s + arrivals.start_ns[sent] / 1e9
        served = self._target.serve(self._key + sent, sent_s, self._epoch_s + through_ns / 1e9)
        keys, ends_s, errors = served.keys, served.ends_s, served.errors
        mine = keys >> _KEY_BITS == self._key >> _KEY_BITS
        if not mine.all():  # what an earlier probe's clients gave up on
            keys, ends_s, errors = keys[mine], ends_s[mine], errors[mine]
        places = keys - self._key
        arrivals.end_ns[places] = np.rint((ends_s - self._epoch_s) * 1e9).astype(np.int64)
        arrivals.error[places] = errors

    def _ends(self, arrivals: Whole) -> Whole:
        """When arrivals end, the time-out included; NEVER_NS or less."""
        known = self._arrivals.end_ns[arrivals]
        ends: Whole = np.minimum(known, self._arrivals.due_ns[arrivals] + self._timeout_ns)
        return ends

    def _settle(self, through_ns: int) -> tuple[Decided, tuple[tuple[str, int], ...]]:
        """Take out of flight what has ended; give it, and its errors by kind."""
        arrivals = self._arrivals
        ends_ns = self._ends(self._open)
        over = ends_ns <= through_ns
        done, done_ns = self._open[over], ends_ns[over]
        self._open = self._open[~over]
        timed_out = arrivals.end_ns[done] > done_ns
        kinds = arrivals.error[done]
        errors = Counter(
            {ERRORS[k]: int((kinds[~timed_out] == k).sum()) for k in (TURNED_AWAY, FAILED)}
        )
        errors["timed out"] = int(timed_out.sum())
        decided = Decided(
            arrivals.due_ns[done], arrivals.start_ns[done], done_ns, kinds != 0, timed_out
        )
        return decided, tuple((kind, count) for kind, count in errors.most_common() if count)

    def _report(
        self,
        slices: Slices,
        decided: Decided,
        through_ns: int,
        *,
        lags: Histogram,
        errors: tuple[tuple[str, int], ...],
    ) -> FleetReport:
        self.through_ns = through_ns
        buckets = slices.buckets()
        self._count(buckets)
        arrivals, still = self._arrivals, self._open
        return FleetReport(
            probe=self._terms.schedule.probe,
            through_ns=through_ns,
            workers=self._terms.workers,
            totals=self.totals,
            buckets=buckets,
            ticks=ticks(decided),
            in_flight=self._judge.in_flight(
                arrivals.due_ns[still], arrivals.start_ns[still], through_ns
            ),
            send_lag=lags,
            requests=int(len(decided.due_ns) - decided.timed_out.sum()),
            errors=errors,
        )

    def _count(self, buckets: tuple[DueBucket, ...]) -> None:
        before = self.totals
        self.totals = Ledger(
            **{
                name: getattr(before, name) + sum(getattr(b, name) for b in buckets)
                for name in _COUNTED
            },
            in_flight=self.in_flight,
        )
        self.bad_any += sum(b.bad_any for b in buckets)
