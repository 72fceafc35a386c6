"""Does the benchmark of stalls look where they are, and count what is found?"""

from __future__ import annotations

import time

import pytest

from benchmarks.stalls import LOADS, LOOSE, TARGETS, Row, Target, clean, is_found, listed, table
from contract.units import Seconds
from controller.search.probe import Stall

FIFO = TARGETS[0]


@pytest.mark.parametrize("stall_s", [0.3, 2.0])
@pytest.mark.parametrize("target", TARGETS, ids=["fifo", "batch"])
def test_the_stall_of_a_target_is_listed_once_where_it_is(target: Target, stall_s: float) -> None:
    (stall,) = listed(target, 0.7, 5, stall_s)
    assert stall.begun_s == pytest.approx(24.0, abs=0.1)
    assert stall.seconds == pytest.approx(stall_s, abs=0.12)
    assert is_found((stall,), stall_s)


def test_a_stall_elsewhere_is_not_the_one() -> None:
    assert not is_found((Stall(Seconds(5.0), Seconds(5.5), Seconds(6.0), 40.0, 10),), 0.5)
    assert not is_found((), 0.5)


def test_a_thin_ramp_is_no_stall() -> None:
    """Five arrivals in the first quarter second, all slow by chance: there was nothing to complete."""
    assert listed(FIFO, 0.9, 188) == ()


def test_the_last_arrivals_of_a_probe_taking_long_is_no_stall() -> None:
    assert listed(LOOSE, 0.95, 17) == ()


def test_clean_probes_are_shared_out_over_targets_and_loads() -> None:
    rows = clean(19, time.monotonic() + 600)
    assert sum(row.probes for row in rows) == 19
    assert [row.probes for row in rows] == [2] + [1] * 17
    assert sum(row.found for row in rows) == 0


def test_the_table_has_a_share_with_its_interval_for_every_cell() -> None:
    rows = [Row("fifo", load, 0.5, 20, 19) for load in LOADS]
    line = next(line for line in table(rows).splitlines() if line.startswith("| fifo | 0.5 s"))
    assert line.count("95 % (76–99)") == len(LOADS)
