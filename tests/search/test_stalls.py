"""A stall of the target is told from overload, from bursts and from a stall of our own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.units import Rate, Seconds
from controller.search import explain, stalls
from controller.search.probe import Stall
from controller.search.tally import BUCKET_S, Setting, Tally, without
from tests.helpers.builders import a_goal
from tests.search.queues import Halt, a_steady_probe, batches, fifo, poisson, seen

GOAL = a_goal()
LENGTH_S = 20.0
PROBES = 150


def setting(rate: float, unloaded_s: float = 0.0225) -> Setting:
    return Setting(
        a_steady_probe(rate, LENGTH_S), GOAL, saturated_per_s=None, unloaded_s=Seconds(unloaded_s)
    )


def batching(rate: float, seed: int, *halts: Halt) -> Tally:
    due = poisson(rate, LENGTH_S, np.random.default_rng(seed))
    return seen(GOAL, due, batches(due, halts), until_s=LENGTH_S)


def queueing(rate: float, seed: int, *halts: Halt) -> Tally:
    rng = np.random.default_rng(seed)
    due = poisson(rate, LENGTH_S, rng)
    return seen(GOAL, due, fifo(due, rng, halts), until_s=LENGTH_S)


def found(tally: Tally, rate: float, unloaded_s: float = 0.0225) -> tuple[Stall, ...]:
    return stalls.found(setting(rate, unloaded_s), tally).stalls


@pytest.mark.parametrize("load", [0.3, 0.9, 1.0, 1.1])
def test_no_clean_probe_has_a_stall_not_even_an_overloaded_one(load: float) -> None:
    for seed in range(PROBES // 4):
        assert not found(batching(236 * load, seed), 236 * load)
        assert not found(queueing(181 * load, seed), 181 * load, 0.04)


@pytest.mark.parametrize("seconds", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_stall_is_found_where_it_is(seconds: float, seed: int) -> None:
    for tally, rate, unloaded_s in (
        (batching(200, seed, Halt(8.0, seconds)), 200, 0.0225),
        (queueing(150, seed, Halt(8.0, seconds)), 150, 0.04),
    ):
        (stall,) = found(tally, rate, unloaded_s)
        assert stall.begun_s == pytest.approx(8.0, abs=0.1)
        assert stall.seconds == pytest.approx(seconds, abs=0.12)
        assert stall.recovered_s is not None
        assert sum(stall.bad) > 0


def test_what_a_stall_spoils_lies_in_the_buckets_left_out() -> None:
    tally = batching(150, 1, Halt(8.0, 0.6))
    left = stalls.found(setting(150), tally).buckets
    bad_outside = sum(b.bad[0] for b in tally.buckets if b.index not in left)
    assert tally.bad[0] > 60
    assert bad_outside == 0
    assert min(left) * 0.25 <= 8.0 <= max(left) * 0.25
    assert len(left) * 0.25 < 3.0


def with_errors(tally: Tally, at_s: float, count: int) -> Tally:
    """The tally with so many of the arrivals due in the quarter at `at_s` answered by errors."""
    index = int(at_s / BUCKET_S)
    buckets = tuple(
        replace(b, failed=count, bad=(max(b.bad[0], count),)) if b.index == index else b
        for b in tally.buckets
    )
    return replace(tally, buckets=buckets)


def test_errors_answered_in_a_stall_are_told_with_it_and_left_out_of_the_estimate() -> None:
    tally = with_errors(batching(150, 1, Halt(8.0, 0.6)), 8.3, 5)
    told = stalls.found(setting(150), tally)
    (stall,) = told.stalls
    assert stall.failed == 5
    outside = without(tally, told.buckets)
    assert (outside.faults, outside.bad) == (0, (0,))
    assert explain.outside_stalls(told.stalls).endswith(", in which 5 arrivals failed")


def test_half_the_speed_is_no_stall() -> None:
    for seed in range(20):
        assert not found(batching(150, seed, Halt(5.0, 5.0, speed=0.5)), 150)


def test_a_target_that_dies_is_not_excused() -> None:
    tally = batching(150, 1, Halt(8.0, 1e6))
    assert not found(tally, 150)


def test_a_stall_still_open_is_excused_for_a_while() -> None:
    due = poisson(150, LENGTH_S, np.random.default_rng(1))
    done = batches(due, (Halt(8.0, 3.0),))
    early = seen(GOAL, due, done, until_s=9.0)
    (stall,) = found(early, 150)
    assert stall.recovered_s is None


def test_a_stall_whose_backlog_never_goes_is_overload() -> None:
    """Just beyond saturation nothing is ever worked off."""
    tally = batching(275, 3, Halt(4.0, 0.4))
    assert not found(tally, 275)


def test_when_we_were_late_ourselves_nothing_is_said_of_the_target() -> None:
    tally = batching(200, 1, Halt(8.0, 0.5))
    late = tuple(
        replace(s, send_lag_s=0.5) if 8.0 <= s.through_s <= 8.75 else s for s in tally.samples
    )
    told = stalls.found(setting(200), replace(tally, samples=late))
    assert told.ours
    assert told.ours <= told.buckets
    assert not told.stalls


def test_a_probe_that_lies_in_stalls_for_the_most_part_is_judged_as_it_is() -> None:
    halts = [Halt(2.0 + 1.5 * n, 0.5) for n in range(11)]
    told = stalls.found(setting(150), batching(150, 1, *halts))
    assert not told.buckets


def test_one_replica_of_two_is_seen_to_stall_only_where_answers_name_it() -> None:
    rng = np.random.default_rng(5)
    due = poisson(300, LENGTH_S, rng)
    name: NDArray[np.int64] = rng.integers(1, 3, len(due))
    done = np.empty(len(due))
    done[name == 1] = batches(due[name == 1])
    done[name == 2] = batches(due[name == 2], (Halt(8.0, 0.8),))
    assert not found(seen(GOAL, due, done, until_s=LENGTH_S), 300)
    (stall,) = found(seen(GOAL, due, done, until_s=LENGTH_S, replica_of=name), 300)
    assert stall.replica == "r2"
    assert stall.begun_s == pytest.approx(8.0, abs=0.15)


def test_the_burst_factor_is_that_of_the_target_stall_or_not() -> None:
    clean = stalls.found(setting(200), batching(200, 1)).burst
    stalling = stalls.found(setting(200), batching(200, 1, Halt(8.0, 1.0))).burst
    assert 5 < clean < 20
    assert stalling == pytest.approx(clean, rel=0.2)


def test_without_batching_awareness_a_batch_passes_for_a_stall() -> None:
    """What the switch is worth: large batches look like stalls to who does not know of them."""
    due = poisson(400, LENGTH_S, np.random.default_rng(2))
    held = due % 4 < 1  # for a second in four all wait for the quarter of a second
    done = np.where(held, np.ceil(due / 0.25) * 0.25, due) + 0.02
    tally = seen(GOAL, due, done, until_s=LENGTH_S)
    aware = setting(400, 0.02)
    assert not stalls.found(aware, tally).stalls
    assert len(stalls.found(replace(aware, batching=False), tally).stalls) >= 4


def test_rates_too_low_to_tell_have_no_stalls() -> None:
    tally = batching(5, 1, Halt(8.0, 0.5))
    assert not found(tally, 5)
    assert stalls.found(setting(float(Rate(5.0))), tally).burst < 10


def test_a_soak_counts_its_stalls() -> None:
    tally = batching(150, 1, Halt(8.0, 0.6))
    soak = setting(150)
    told = stalls.found(replace(soak, probe=replace(soak.probe, purpose="soak")), tally)
    assert len(told.stalls) == 1
    assert not told.buckets


def test_a_pause_of_the_arrivals_is_no_stall() -> None:
    """The queue is worked off, and nothing more comes: there is nothing to complete."""
    for seed in range(20):
        due = poisson(230, LENGTH_S, np.random.default_rng(seed))
        due = due[(due < 8.0) | (due > 8.0 + 0.05 * seed)]
        assert not found(seen(GOAL, due, batches(due), until_s=LENGTH_S), 230)


@pytest.mark.parametrize("load", [1.1, 1.5, 3.0])
@pytest.mark.parametrize("patience_s", [0.16, 0.3])
def test_overload_that_arrivals_give_up_on_is_no_stall(load: float, patience_s: float) -> None:
    """What times out leaves the count in flight as a completion would, and nothing was served."""
    for seed in range(5):
        rate = 250 * load
        due = poisson(rate, LENGTH_S, np.random.default_rng(seed))
        done = batches(due)
        tally = seen(GOAL, due, np.minimum(done, due + patience_s), until_s=LENGTH_S)
        late = np.sort((due + patience_s)[done > due + patience_s])
        samples = tuple(
            replace(s, timed_out=int(np.searchsorted(late, s.through_s))) for s in tally.samples
        )
        served = seen(GOAL, due, done, until_s=LENGTH_S).ticks
        told = replace(tally, samples=samples, ticks=served)
        assert not found(told, rate)


def test_a_stall_that_all_replicas_share_is_one() -> None:
    rng = np.random.default_rng(5)
    due = poisson(300, LENGTH_S, rng)
    name: NDArray[np.int64] = rng.integers(1, 3, len(due))
    done = np.empty(len(due))
    for replica in (1, 2):
        done[name == replica] = batches(due[name == replica], (Halt(8.0, 0.8),))
    (stall,) = found(seen(GOAL, due, done, until_s=LENGTH_S, replica_of=name), 300)
    assert stall.replica == ""
