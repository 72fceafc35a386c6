"""Do connections and phases of a probe's reports add up?"""

from __future__ import annotations

from dataclasses import replace

from contract.latency import Histogram
from contract.report import Connected, FleetReport, Ledger
from controller.search.connected import added, joined
from controller.search.tally import Setting, empty, fed
from tests.helpers.builders import a_goal, a_probe

HERE, THERE = "10.0.0.5:80", "10.0.0.6:80"


def test_times_are_joined_by_phase() -> None:
    connect, tls = Histogram.of([0.001]), Histogram.of([0.02])
    both = joined((("connect", connect),), (("tls", tls), ("connect", connect)))
    assert both == (("connect", Histogram.of([0.001, 0.001])), ("tls", tls))


def test_counts_are_added_by_address_and_the_most_open_at_once_is_kept() -> None:
    before = (Connected(HERE, 7, 7, 0, 0),)
    more = (Connected(THERE, 1, 1, 0, 2), Connected(HERE, 4, 1, 4, 0))
    assert added(before, more) == (Connected(HERE, 7, 8, 4, 0), Connected(THERE, 1, 1, 0, 2))


def test_a_probe_is_the_sum_of_its_reports_its_ramp_included() -> None:
    setting = Setting(a_probe(), a_goal())
    report = FleetReport(
        probe=1,
        through_ns=250_000_000,
        workers=1,
        totals=Ledger(),
        phases=(("connect", Histogram.of([0.001])),),
        connections=(Connected(HERE, 3, 3, 0, 0),),
    )
    tally = fed(setting, empty(setting), report)
    tally = fed(setting, tally, replace(report, through_ns=500_000_000))
    assert tally.connections == (Connected(HERE, 3, 6, 0, 0),)
    assert dict(tally.phases)["connect"].count == 2
