"""Is each arrival of the schedule in one fate once, whatever happens to the workers of a fleet?

Whole probes in virtual time, each worker with a clock of its own: loops that are blocked, beats
that do not come, plans that come late, users that end, workers that are killed, stops. The
controller's merge is fed with the reports and must explain the rest.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from contract.arrivals import Law
from contract.messages import Drained, Plan
from contract.report import FATES, FleetReport, Health, Ledger, Report
from contract.units import Rate, Seconds
from controller.adapters.merge import Merge
from tests.workers.virtual import MS, START_NS, Clock, S, Timers, judge
from workers.gate import Gate, Lane
from workers.permit import (
    CANCELLED,
    FAILED,
    MISSED,
    OPEN,
    SENT,
    SHED,
    SHED_OVERDUE,
    SUCCEEDED,
    TIMED_OUT,
    ArrivalTimedOut,
    Permit,
)
from workers.probe import Identity, RunningProbe

TIMEOUT_S = 2.0
USERS = 12
LONGEST_BLOCK_NS = S
LATEST_PLAN_NS = 500 * MS
EPOCH_LEAD_NS = 50 * MS
MOST_STEPS = 5_000
GRACE_S = 1.0
"""The merge waits less for a report, and longer before it takes a worker for lost."""


class Member:
    """One worker of the fleet: its clock, its gate with hand-made users, its probe."""

    def __init__(self, name: str, chance: random.Random, ns: int) -> None:
        self.name = name
        self.clock = Clock(ns)
        self.timers = Timers(self.clock)
        self.gate = Gate(now=self.clock)
        (self.lane,) = self.gate.set_lanes((1.0,))
        self.working: list[Event] = []
        self.blocked_until_ns = 0
        self.sequence = 0
        self._chance = chance
        self._users = [self._user() for _ in range(USERS)]

    def begin(self, plan: Plan, epoch_ns: int, late_ns: int) -> None:
        """A new probe; the plan comes up `late_ns` after its epoch, or before it."""
        self.permits: list[Permit] = []
        self.reports: list[Report] = []
        self.probe: RunningProbe | None = None
        self.is_over = self.is_killed = False
        self.stopped_ns = 0
        self._plan, self._epoch_ns = plan, epoch_ns
        self._comes_ns = epoch_ns + late_ns

    def step(self, now_ns: int) -> tuple[Report | Drained, ...]:
        """The loop turns once, at `now_ns`, unless it is blocked; what it says."""
        if self.is_over or now_ns < self.blocked_until_ns:
            return ()
        if self.probe is None:
            if now_ns < self._comes_ns:
                return ()
            self.clock.ns = now_ns
            self.probe = self._carry_out()
        if self._chance.random() < 0.1:  # a user that ends when it has just been chosen
            self._replace_user()
        self.timers.run_until(now_ns)
        self._end_some()
        for _ in range(3):
            gevent.sleep(0)
        if self._chance.random() < 0.9:
            self.probe.renew(now_ns)
        self.probe.tick()
        if self.probe.drained:
            self.is_over = True
            report, drained = self.probe.last_words(Health())
            return self._kept(report), drained
        return (self._kept(self.probe.report(Health())),) if self.probe.report_due else ()

    def trouble(self, now_ns: int) -> None:
        """Block the loop, or end a user that a new one replaces."""
        if self._chance.random() < 0.5:
            self.blocked_until_ns = now_ns + self._chance.randrange(LONGEST_BLOCK_NS)
        else:
            self._replace_user()

    def stop(self, now_ns: int) -> None:
        """The order to stop reaches a loop that is not blocked."""
        if self.probe is not None and self.probe.ended is None:
            self.clock.ns = self.stopped_ns = now_ns
            self.probe.stop("enough")

    def kill(self) -> None:
        self.is_over = self.is_killed = True
        self.close()

    def close(self) -> None:
        gevent.killall(self._users)

    @property
    def through_index(self) -> int:
        return self.reports[-1].through_index if self.reports else 0

    @property
    def totals(self) -> Ledger:
        return self.reports[-1].totals if self.reports else Ledger()

    def _carry_out(self) -> RunningProbe:
        probe = RunningProbe(
            self._plan,
            Identity(self.name, "b1"),
            self.gate,
            judge("p99 response_time <= 100ms"),
            epoch_ns=self._epoch_ns,
            timeout_s=TIMEOUT_S,
            now=self.clock,
            timer=self.timers,
        )
        recorder: Any = probe._recorder
        make = recorder.permit

        def permit(index: int, due_ns: int) -> Permit:
            made: Permit = make(index, due_ns)
            self.permits.append(made)
            return made

        recorder.permit = permit
        probe.start()
        return probe

    def _kept(self, report: Report) -> Report:
        self.sequence += 1
        report = replace(report, sequence=self.sequence)
        self.reports.append(report)
        return report

    def _end_some(self) -> None:
        share = self._chance.choice((0.0, 0.1, 0.5, 1.0))
        for event in [e for e in self.working if self._chance.random() < share]:
            event.set()

    def _replace_user(self) -> None:
        place = self._chance.randrange(USERS)
        self._users[place].kill(block=False)
        self._users[place] = gevent.spawn(self._work, self.lane)

    def _user(self) -> gevent.Greenlet[..., None]:
        user = gevent.spawn(self._work, self.lane)
        gevent.sleep(0)
        return user

    def _work(self, lane: Lane) -> None:
        while True:
            permit = self.gate.acquire(lane)
            over = Event()
            if self._chance.random() < 0.97:  # the others wait until they are timed out
                self.working.append(over)
            error: str | None = "ended"
            try:
                over.wait()
                error = self._chance.choice((None, None, "ValueError"))
            except ArrivalTimedOut:
                pass
            finally:
                if over in self.working:
                    self.working.remove(over)
                self.gate.finish(permit, error)


class World:
    """A fleet, and the merge that hears it; `probes` are run one after the other."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.ns = START_NS
        self.members = [Member(f"w{k}", chance, self.ns) for k in range(chance.randrange(1, 5))]
        self.merged: list[FleetReport] = []
        self.furthest_when_killed: dict[str, int] = {}

    def run(self, number: int) -> Plan:
        """One probe at another rate, with whatever befalls it, until everybody is over."""
        chance = self.chance
        plan = self._plan(number)
        epoch_ns = self.ns + EPOCH_LEAD_NS
        for member in self.members:
            late_ns = chance.choice((-EPOCH_LEAD_NS, chance.randrange(LATEST_PLAN_NS)))
            member.begin(plan, epoch_ns, late_ns)
        self.merged, self.furthest_when_killed = [], {}
        merge = Merge(plan, {member.name: "b1" for member in self.members}, epoch_ns / S)
        stop_ns = epoch_ns + chance.randrange(3 * S) if chance.random() < 0.4 else None
        for _ in range(MOST_STEPS):
            if all(member.is_over for member in self.members):
                break
            self.ns += chance.randrange(1, 40) * MS
            if stop_ns is not None and self.ns >= stop_ns:
                merge.stop()
            for member in self.members:
                self._turn(member, merge, stop_ns)
            while (merged := merge.pop(self.ns / S)) is not None:
                self.merged.append(merged)
        assert all(member.is_over for member in self.members)
        while (merged := merge.pop(self.ns / S + GRACE_S)) is not None:
            self.merged.append(merged)
        return plan

    def close(self) -> None:
        for member in self.members:
            member.close()

    def _turn(self, member: Member, merge: Merge, stop_ns: int | None) -> None:
        if member.is_over:
            return
        if self.chance.random() < 0.02:
            member.trouble(self.ns)
        if self.chance.random() < 0.002 and len(self.members) > 1:
            member.kill()
            furthest = max(m.through_index for m in self.members)
            self.furthest_when_killed[member.name] = furthest
            merge.lose(member.name, "was killed")
            return
        if stop_ns is not None and self.ns >= max(stop_ns, member.blocked_until_ns):
            member.stop(self.ns)
        for message in member.step(self.ns):
            merge.take(message, self.ns / S)

    def _plan(self, number: int) -> Plan:
        chance = self.chance
        weights = tuple(chance.randrange(500, 4097) for _ in self.members)
        return Plan(
            run="r1",
            fence=1,
            probe=number,
            workers=tuple(member.name for member in self.members),
            epoch_us=0,
            law=Law(chance.choice(("poisson", "constant"))),
            seed=chance.randrange(1000),
            rate=Rate(chance.uniform(20.0, 400.0)),
            ramp_s=Seconds(chance.choice((0.0, 0.5))),
            ramp_from=Rate(10.0),
            duration_s=Seconds(chance.uniform(0.5, 3.0)),
            in_flight_cap=chance.choice((4, 20, 200)),
            rate_ceiling=Rate(1000.0),
            weights=chance.choice(((), weights)),
        )


@pytest.mark.parametrize("case", range(25))
def test_each_arrival_is_in_one_fate_once_over_all_workers_that_lived(seed: int, case: int) -> None:
    world = World(random.Random(seed + case))
    try:
        for number in range(1, 4):
            plan = world.run(number)
            for member in world.members:
                _reports_are_exact(member)
                _permits_are_the_share(member, plan)
            _the_merge_explains_the_rest(world, plan)
            world.members = [member for member in world.members if not member.is_killed]
            if not world.members:
                break
    finally:
        world.close()


def _reports_are_exact(member: Member) -> None:
    """Both invariants in every report, and increments that sum to the totals."""
    sums: Counter[str] = Counter()
    for report in member.reports:
        assert report.totals.balanced
        for bucket in report.buckets:
            sums.update({name: getattr(bucket, name) for name in FATES})
        assert all(sums[name] == getattr(report.totals, name) for name in FATES)
        assert report.totals.in_flight == sum(entry.count for entry in report.in_flight)


def _permits_are_the_share(member: Member, plan: Plan) -> None:
    """The worker's own indices, each once, due when the schedule says, in one fate each."""
    due_ns = plan.schedule().times().tolist()
    position = plan.workers.index(member.name)
    own = [int(i) for indices, _ in plan.share(position) for i in indices]
    assert [permit.index for permit in member.permits] == own[: len(member.permits)]
    for permit in member.permits:
        assert permit.due_ns == member._epoch_ns + due_ns[permit.index]
    told = [permit for permit in member.permits if permit.index < member.through_index]
    assert len(told) == member.totals.scheduled
    if member.is_killed:
        return
    assert told == member.permits
    fates = Counter(permit.start for permit in told)
    ends = Counter(permit.outcome for permit in told if permit.start == SENT)
    assert fates.keys() <= {SENT, SHED, SHED_OVERDUE, MISSED, CANCELLED}
    assert OPEN not in ends
    totals = Ledger(
        scheduled=len(told),
        sent=fates[SENT],
        shed=fates[SHED] + fates[SHED_OVERDUE],
        shed_overdue=fates[SHED_OVERDUE],
        missed=fates[MISSED],
        cancelled=fates[CANCELLED],
        succeeded=ends[SUCCEEDED],
        failed=ends[FAILED],
        timed_out=ends[TIMED_OUT],
    )
    assert totals == member.totals


def _the_merge_explains_the_rest(world: World, plan: Plan) -> None:
    """No arrival is unaccounted for, and a killed worker owes its own that it told nothing of."""
    assert sum(report.unaccounted for report in world.merged) == 0
    killed = {member.name: member for member in world.members if member.is_killed}
    owed = {name: (first, count) for name, first, count in world.merged[-1].owed}
    assert owed.keys() == killed.keys()
    arrivals = len(plan.schedule().times())
    indices: Counter[int] = Counter()
    for position, name in enumerate(plan.workers):
        member = next(member for member in world.members if member.name == name)
        own = [int(i) for share, _ in plan.share(position) for i in share]
        indices.update(p.index for p in member.permits if p.index < member.through_index)
        if member.is_killed:
            furthest = min(world.furthest_when_killed[name], arrivals)
            lost = [i for i in own if member.through_index <= i < furthest]
            assert owed[name] == (member.through_index, len(lost))
            indices.update(i for i in own if i >= member.through_index)
        elif member.probe is not None and member.probe.ended != "enough":
            assert len(member.permits) == len(own)
        else:
            _all_that_was_due_is_told(member, own, plan)
            indices.update(i for i in own if i >= member.through_index)
    assert indices == Counter(range(arrivals))


def _all_that_was_due_is_told(member: Member, own: list[int], plan: Plan) -> None:
    """A worker that was stopped accounts for what was due until then."""
    if member.probe is not None:
        due_ns = plan.schedule().times()
        passed_ns = member.stopped_ns - member._epoch_ns
        assert len(member.permits) >= sum(bool(due_ns[i] <= passed_ns) for i in own)
