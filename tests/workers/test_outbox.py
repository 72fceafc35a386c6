"""Does a report arrive once, whole, however often it had to be sent?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from contract.latency import Histogram
from contract.messages import Drained
from contract.report import DueBucket, Ledger, Report, Tick
from tests.workers.virtual import HEADER
from workers.outbox import MOST_AT_ONCE, MOST_WAITING, Outbox, Reply

DRAINED = Drained("r1", 1, 1, "w1", "b1", Ledger(), 0, "enough")


def report(k: int, **changed: object) -> Report:
    return replace(HEADER, through_ns=k, requests=1, **changed)  # type: ignore[arg-type]


def numbers(replies: Iterable[Reply]) -> list[int]:
    return [r.sequence for r in replies if isinstance(r, Report | Drained)]


def test_what_was_tried_is_repeated_unchanged_under_the_same_number() -> None:
    outbox = Outbox()
    outbox.put(report(1))
    first = outbox.take()
    outbox.put(report(2))
    again = outbox.take()
    assert again[:1] == first
    assert numbers(again) == [1, 2]
    outbox.confirm(2)
    outbox.put(report(3))
    assert numbers(outbox.take()) == [3]


def test_drained_carries_the_number_of_the_last_report() -> None:
    outbox = Outbox()
    for reply in (report(1), report(2), DRAINED):
        outbox.put(reply)
    assert numbers(outbox.take()) == [1, 2, 2]


def test_many_waiting_reports_are_added_up_without_a_gap_in_numbers() -> None:
    outbox = Outbox()
    outbox.put(report(0))
    tried = outbox.take()
    count = 3 * MOST_WAITING
    for k in range(1, count):
        outbox.put(report(k))
    outbox.put(DRAINED)
    assert len(outbox) <= MOST_WAITING + 1
    sent: list[Reply] = []
    while len(outbox):
        taken = outbox.take()
        assert len(taken) <= MOST_AT_ONCE
        sent += taken
        outbox.confirm(len(taken))
    reports = [r for r in sent if isinstance(r, Report)]
    assert reports[0] == tried[0]
    assert sum(r.requests for r in reports) == count
    assert numbers(reports) == list(range(1, len(reports) + 1))
    assert sent[-1] == replace(DRAINED, sequence=len(reports))


def test_added_reports_say_what_both_said() -> None:
    outbox = Outbox()
    for k in range(MOST_WAITING + 1):
        outbox.put(
            report(
                k,
                totals=Ledger(scheduled=k + 1, sent=k + 1, succeeded=k + 1),
                through_index=k + 1,
                buckets=(
                    DueBucket(
                        k // 2,
                        scheduled=1,
                        sent=1,
                        succeeded=1,
                        judged=(1, 1),
                        bad=(k % 2, 0),
                        bad_any=k % 2,
                        response_time=Histogram.of([0.1 + k]),
                    ),
                ),
                ticks=(Tick(k // 2, 1, k % 2), Tick(k // 2, 1, 0, replica=1)),
                replicas=("pod-7",),
                errors=(("HTTP 500", 1),),
                send_lag=Histogram.of([0.001]),
            )
        )
    merged = outbox.take()[0]
    assert isinstance(merged, Report)
    assert (merged.through_ns, merged.through_index, merged.totals.scheduled) == (1, 2, 2)
    (bucket,) = merged.buckets
    assert (bucket.scheduled, bucket.judged, bucket.bad, bucket.bad_any) == (2, (2, 2), (1, 0), 1)
    assert bucket.response_time == Histogram.of([0.1, 1.1])
    assert merged.ticks == (Tick(0, 2, 1), Tick(0, 2, 0, replica=1))
    assert merged.replicas == ("pod-7",)
    assert merged.errors == (("HTTP 500", 2),)
    assert merged.send_lag.count == 2


def test_reports_of_different_probes_are_not_added() -> None:
    outbox = Outbox()
    for k in range(MOST_WAITING + 5):
        outbox.put(report(k, probe=k))
    assert len(outbox) == MOST_WAITING + 5
