"""Which worker was the limit in a probe, what held it back, and what is the cure?"""

from __future__ import annotations

import pytest

from contract.report import Health
from controller.search.strain import Strain, cause, joined, most_strained, refusal, strained

LATE_S = 0.02

CAUSES = [
    (
        Health(throttled_s=0.4),
        "worker w3 was throttled for 0.4 s of 10 by its CPU quota: raise the limit",
    ),
    (Health(cpu_ratio=0.97), "worker w3 at 97 % CPU: add workers or lower the rate"),
    (
        Health(loop_lag_s=0.24),
        (
            "worker w3: its loop was blocked for 240ms while its CPU was free: a task computes or waits"
            " outside gevent"
        ),
    ),
    (
        Health(gc_s=0.08, loop_lag_s=0.09),
        (
            "worker w3 collected garbage for 80ms: a task makes reference cycles or keeps what it"
            " receives"
        ),
    ),
    (
        Health(waited_s=3.1),
        (
            "worker w3 waited for 3.1 s of 10 for a core that other processes used: give each worker a"
            " core of its own"
        ),
    ),
    (
        Health(refused=(("EMFILE", 212), ("ECONNREFUSED", 9)), open_files=1_024),
        "worker w3 could not open 212 connections (EMFILE, limit 1,024): raise ulimit -n",
    ),
    (
        Health(
            refused=(("EADDRNOTAVAIL", 7),), ports_ratio=1.0, ports=28_232, busiest="10.0.0.5:80"
        ),
        (
            "worker w3 had no local port left for 10.0.0.5:80 (28,232 used): keep connections alive or"
            " add workers on another host"
        ),
    ),
    (
        Health(users=4_000, users_most=4_000),
        "worker w3 had no free user: its memory allows 4,000",
    ),
]


def named(*told: Health, span_s: float = 10.0) -> str | None:
    strains: tuple[Strain, ...] = ()
    for health in told:
        strains = strained(strains, [("w3", health)])
    return cause(strains, span_s=span_s, late_s=LATE_S)


@pytest.mark.parametrize(("health", "says"), CAUSES)
def test_each_cause_is_named_with_its_worker_and_the_cure(health: Health, says: str) -> None:
    assert named(health) == says


@pytest.mark.parametrize("place", range(len(CAUSES) - 1))
def test_of_several_the_first_in_the_order_is_named(place: int) -> None:
    (first, says), (second, _) = CAUSES[place], CAUSES[place + 1]
    assert named(second, first) == says


@pytest.mark.parametrize(
    "health",
    [
        Health(),
        Health(throttled_s=0.09),
        Health(cpu_ratio=0.89),
        Health(waited_s=0.9),
        Health(loop_lag_s=0.02),
        Health(loop_lag_s=0.04, gc_s=0.02, waited_s=0.001),
        Health(retransmits=900),
        Health(refused=(("ECONNREFUSED", 900),)),
        Health(ports_ratio=0.94, ports=26_000, busiest="10.0.0.5:80"),
        Health(ports_ratio=1.0, ports=60_000),
        Health(users=3_999, users_most=4_000),
    ],
)
def test_what_is_within_bounds_or_the_targets_doing_is_no_cause(health: Health) -> None:
    assert named(health) is None


def test_the_worst_of_the_workers_is_named() -> None:
    told = [("w1", Health(cpu_ratio=0.92)), ("w2", Health(cpu_ratio=0.99)), ("w3", Health())]
    found = cause(strained((), told), span_s=10.0, late_s=LATE_S)
    assert found == "worker w2 at 99 % CPU: add workers or lower the rate"


def test_those_that_sent_late_come_before_those_that_did_not() -> None:
    told = [
        ("w1", Health(cpu_ratio=0.99, send_lag_p99_s=0.001)),
        ("w2", Health(loop_lag_s=0.3, send_lag_p99_s=0.2)),
    ]
    found = cause(strained((), told), span_s=10.0, late_s=LATE_S)
    assert found is not None
    assert found.startswith("worker w2: its loop was blocked for 300ms")


def test_what_adds_up_is_summed_and_the_rest_is_the_highest() -> None:
    strains = strained((), [("w1", Health(throttled_s=0.2, cpu_ratio=0.5, refused=(("E", 1),)))])
    more = Health(throttled_s=0.3, cpu_ratio=0.4, refused=(("E", 2), ("F", 1)), retransmits=4)
    (strain,) = strained(strains, [("w1", more)])
    assert strain.throttled_s == pytest.approx(0.5)
    assert (strain.cpu_ratio, strain.retransmits) == (0.5, 4)
    assert strain.refused == (("E", 3), ("F", 1))


def test_when_judging_begins_only_refused_connections_are_remembered() -> None:
    before = strained((), [("w1", Health(cpu_ratio=1.0, loop_lag_s=0.5, refused=(("EMFILE", 3),)))])
    (strain,) = strained(before, [("w1", Health(cpu_ratio=0.2))], anew=True)
    assert (strain.cpu_ratio, strain.blocked_s) == (0.2, 0.0)
    assert strain.refused_by(["EMFILE"]) == 3


def test_of_a_large_fleet_the_most_strained_are_kept() -> None:
    fleet = [(f"w{n}", Health(send_lag_p99_s=n / 1e4)) for n in range(100)]
    fleet[3] = ("w3", Health(refused=(("EMFILE", 1),)))
    kept = most_strained(fleet)
    assert [worker for worker, _ in kept] == ["w3", *(f"w{n}" for n in range(81, 100))]
    strains = strained(strained((), kept), [("late", Health(send_lag_p99_s=1.0))])
    assert len(strains) == 20
    assert {"w3", "late"} <= {strain.worker for strain in strains}
    assert "w81" not in {strain.worker for strain in strains}


def test_reports_of_one_worker_that_come_together_are_one() -> None:
    one = Health(cpu_ratio=0.9, gc_s=0.1, refused=(("EMFILE", 2),), throttled_s=0.1, users=5)
    other = Health(cpu_ratio=0.5, gc_s=0.2, refused=(("EMFILE", 1),), throttled_s=0.2, users=7)
    together = joined([one, other])
    assert (together.cpu_ratio, together.users) == (0.9, 7)
    assert together.gc_s == pytest.approx(0.3)
    assert together.throttled_s == pytest.approx(0.3)
    assert together.refused == (("EMFILE", 3),)
    assert joined([one]) is one


def test_connections_that_could_not_be_opened_are_told_whatever_else_there_was() -> None:
    told = [
        ("w1", Health(cpu_ratio=1.0, refused=(("EMFILE", 5),), open_files=64)),
        ("w2", Health(refused=(("EADDRNOTAVAIL", 9),))),
    ]
    assert refusal(strained((), told)) == (
        "worker w1 could not open 5 connections (EMFILE, limit 64): raise ulimit -n"
    )
    assert refusal(strained((), told[1:])) == (
        "worker w2 had no local port left: keep connections alive or add workers on another host"
    )
