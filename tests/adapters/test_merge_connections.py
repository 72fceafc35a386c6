"""Are connections and phases of all workers added up by address and by name?"""

from __future__ import annotations

from contract.latency import Histogram
from contract.report import Connected
from controller.adapters.merge import Merge
from tests.adapters.test_merge import BOOTS, a_plan, a_report

HERE, THERE = "10.0.0.5:80", "10.0.0.6:80"


def test_connections_are_added_by_address_and_what_is_open_is_what_was_said_last() -> None:
    merge = Merge(a_plan(), BOOTS, epoch_s=0.0)
    merge.take(a_report("w0", 1, connections=(Connected(HERE, 9, 9, 0, 0),)), 0.3)
    merge.take(a_report("w0", 2, connections=(Connected(HERE, 2, 1, 8, 1),)), 0.5)
    more = (Connected(HERE, 3, 3, 0, 0), Connected(THERE, 0, 0, 0, 4))
    merge.take(a_report("w1", 1, connections=more), 0.5)
    report = merge.pop(0.6)
    assert report is not None
    assert report.connections == (Connected(HERE, 5, 13, 8, 1), Connected(THERE, 0, 0, 0, 4))


def test_what_a_worker_without_news_has_open_stays_in_the_count_until_it_is_lost() -> None:
    merge = Merge(a_plan(), BOOTS, epoch_s=0.0)
    for worker in BOOTS:
        merge.take(a_report(worker, 1, connections=(Connected(HERE, 4, 4, 0, 0),)), 0.3)
    merge.pop(0.3)
    merge.take(a_report("w0", 2, connections=(Connected(HERE, 6, 2, 0, 0),)), 0.5)
    late = merge.pop(2.0)
    assert late is not None
    assert late.connections == (Connected(HERE, 10, 2, 0, 0),)
    merge.lose("w1", "restarted")
    merge.take(a_report("w0", 3, connections=(Connected(HERE, 6, 0, 0, 0),)), 2.1)
    after = merge.pop(2.1)
    assert after is not None
    assert after.connections == (Connected(HERE, 6, 0, 0, 0),)


def test_phases_are_added_by_name() -> None:
    merge = Merge(a_plan(), BOOTS, epoch_s=0.0)
    merge.take(a_report("w0", 1, phases=(("connect", Histogram.of([0.001])),)), 0.3)
    of_other = (("connect", Histogram.of([0.003])), ("tls", Histogram.of([0.01])))
    merge.take(a_report("w1", 1, phases=of_other), 0.3)
    report = merge.pop(0.3)
    assert report is not None
    assert report.phases == (
        ("connect", Histogram.of([0.001, 0.003])),
        ("tls", Histogram.of([0.01])),
    )
