"""Are arrivals those of the law, due when the rate says, the same for everybody?"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from contract.arrivals import CHUNK, ArrivalsError, Law, Schedule
from contract.gaps import gammas
from contract.recorded import Recorded
from contract.shares import Stride
from contract.units import Rate, Seconds

CONSTANT, POISSON = Law("constant"), Law("poisson")
BURSTY, SMOOTH = Law("gamma", 2.0), Law("gamma", 0.5)
BUNCHED = Law("mmpp", dispersion=20.0, burst=9.0)
LAWS = [CONSTANT, POISSON, BURSTY, SMOOTH, BUNCHED]


def schedule(
    law: Law = POISSON, rate: float = 100.0, duration_s: float = 200.0, **rest: Any
) -> Schedule:
    fields = {"seed": 1, "probe": 3, "rate": Rate(rate), "duration_s": Seconds(duration_s)}
    return Schedule(law, **(fields | rest))


def gaps(law: Law, count: int = 20_000) -> NDArray[np.float64]:
    """Gaps at one arrival in 1000 s, where a whole ns is far below any gap that matters."""
    return np.diff(schedule(law, rate=0.001, duration_s=1000.0 * count).times()) / 1e12


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_shares_of_all_workers_are_the_whole_index_by_index(law: Law, count: int) -> None:
    whole = schedule(law).times()
    owned = np.full(len(whole), -1)
    for position in range(count):
        for indices, due_ns in schedule(law).share(position, Stride(count)):
            assert (indices % count == position).all()
            assert (owned[indices] == -1).all()
            owned[indices] = due_ns
    assert len(whole) > 2 * CHUNK
    assert np.array_equal(owned, whole)


def test_a_share_of_more_workers_than_arrivals_is_one_arrival_or_none() -> None:
    sparse = schedule(CONSTANT, rate=1.0, duration_s=3.0)
    shares = [sum(len(i) for i, _ in sparse.share(position, Stride(5))) for position in range(5)]
    assert shares == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("law", LAWS)
def test_chunks_follow_on_in_order_and_end_before_the_duration(law: Law) -> None:
    parts = list(schedule(law).chunks())
    firsts = [first for first, _ in parts]
    assert firsts == [CHUNK * n for n in range(len(parts))]
    times = schedule(law).times()
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] < 200e9


@pytest.mark.parametrize("law", [POISSON, BURSTY, SMOOTH, Law("gamma", 1.0)])
def test_gaps_follow_the_law(law: Law) -> None:
    shape = 1 / law.cv**2
    assert stats.kstest(gaps(law), "gamma", (shape, 0, 1 / shape)).pvalue > 0.01


@pytest.mark.parametrize("law", [POISSON, BURSTY, SMOOTH])
def test_a_gap_says_nothing_about_the_next(law: Law) -> None:
    found = gaps(law)
    assert (
        abs(float(np.corrcoef(stats.rankdata(found[:-1]), stats.rankdata(found[1:]))[0, 1])) < 0.02
    )


def test_a_rejected_gamma_draw_moves_no_other_index() -> None:
    whole, spare = gammas((1, 3), 100, 500, 1.0)
    alone = [gammas((1, 3), 100 + index, 1, 1.0) for index in range(500)]
    assert whole == pytest.approx([value[0] for value, _ in alone], rel=1e-12)
    assert spare == pytest.approx([uniform[0] for _, uniform in alone], rel=1e-12)


def test_constant_gaps_are_all_the_same() -> None:
    times = schedule(CONSTANT, rate=1000.0).times()
    assert len(times) == 200_000
    assert set(np.diff(times)) == {1_000_000}
    assert 0 <= times[0] < 1_000_000


@pytest.mark.parametrize("law", LAWS)
def test_a_process_has_its_rate_from_the_first_second_on(law: Law) -> None:
    counts = [
        len(schedule(law, rate=2.0, duration_s=1.0, probe=probe).times()) for probe in range(1500)
    ]
    error = np.std(counts) / len(counts) ** 0.5
    assert abs(np.mean(counts) - 2.0) <= 3 * error


@pytest.mark.parametrize("law", LAWS)
def test_the_mean_rate_is_the_rate(law: Law) -> None:
    expected = schedule(law).expected_count
    spread = 0.0 if law == CONSTANT else law.cv * law.dispersion**0.5
    assert abs(len(schedule(law).times()) - expected) <= 3 * spread * expected**0.5


@pytest.mark.parametrize(
    ("start", "counts"), [(0, [50, 150, 250, 350]), (800, [750, 650, 550, 450])]
)
def test_a_ramp_goes_linearly_to_the_rate_and_stays(start: float, counts: list[int]) -> None:
    ramped = schedule(
        CONSTANT, rate=400.0, duration_s=6.0, ramp_s=Seconds(4.0), ramp_from=Rate(start)
    )
    found = np.histogram(ramped.times() / 1e9, bins=6, range=(0, 6))[0]
    assert found == pytest.approx([*counts, 400, 400], abs=1)
    assert ramped.expected_count == sum(counts) + 800


def test_a_ramp_from_the_rate_itself_is_no_ramp() -> None:
    flat = schedule(ramp_s=Seconds(5.0), ramp_from=Rate(100.0)).times()
    assert np.abs(flat - schedule().times()).max() <= 1


def test_a_ramp_warps_the_arrivals_it_would_have_had() -> None:
    ramped = schedule(POISSON, ramp_s=Seconds(10.0)).times() / 1e9
    plain = schedule(POISSON).times() / 1e9
    integrated = np.where(ramped < 10, 5 * ramped**2, 500 + 100 * (ramped - 10))
    assert integrated == pytest.approx(100 * plain[: len(ramped)], abs=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_seed_and_probe_decide_the_arrivals(law: Law) -> None:
    assert np.array_equal(schedule(law).times(), schedule(law).times())
    first = schedule(law).times()[0]
    assert first != schedule(law, seed=2).times()[0]
    assert first != schedule(law, probe=4).times()[0]
    assert schedule(law, seed=2**64 - 1, probe=0).times()[0] >= 0


@pytest.mark.parametrize(
    ("law", "golden_ns"),
    [
        (CONSTANT, [7_940_185, 17_940_185, 27_940_185, 50_007_940_185]),
        (POISSON, [2_771_056, 9_679_737, 10_439_096, 50_041_471_449]),
        (BURSTY, [4_059_838, 6_670_109, 20_217_860, 50_340_573_447]),
        (SMOOTH, [2_203_266, 10_595_431, 25_833_937, 50_184_276_062]),
        (BUNCHED, [13_855_282, 48_398_686, 52_195_482, 50_077_524_061]),
    ],
)
def test_a_seed_gives_the_same_arrivals_in_every_release(law: Law, golden_ns: list[int]) -> None:
    times = schedule(law, seed=2026, probe=7).times()
    assert times[[0, 1, 2, 5000]] == pytest.approx(golden_ns, abs=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate", 0.0),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("duration_s", 0.0),
        ("duration_s", float("inf")),
        ("ramp_s", -1.0),
        ("ramp_s", 201.0),
        ("ramp_from", -1.0),
        ("ramp_from", float("nan")),
        ("seed", -1),
        ("seed", 2**64),
        ("seed", True),
        ("probe", 1.5),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_value(field: str, value: Any) -> None:
    with pytest.raises(ArrivalsError, match=f"{field} {value}"):
        schedule(**{field: value})


@pytest.mark.parametrize(("dispersion", "burst"), [(20.0, 9.0), (5.0, 3.0)])
def test_an_mmpp_has_the_index_of_dispersion_that_was_asked(
    dispersion: float, burst: float
) -> None:
    law = Law("mmpp", dispersion=dispersion, burst=burst)
    windows, span = 3000, 50 / law.switches  # of 50 sojourns: 1 % of it is still to come
    times = schedule(law, rate=1.0, duration_s=windows * span).times() / 1e9
    counts = np.histogram(times, bins=windows, range=(0, windows * span))[0]
    assert counts.var() / counts.mean() == pytest.approx(dispersion, rel=0.1)
    assert counts.sum() == pytest.approx(windows * span, rel=3 * (dispersion / counts.sum()) ** 0.5)


def test_an_mmpp_goes_at_one_of_two_rates_in_the_proportion_of_its_burst() -> None:
    law = Law("mmpp", dispersion=5000.0, burst=9.0)  # sojourns of 7,800 arrivals
    counts = np.histogram(schedule(law, duration_s=60_000.0).times() / 1e9, bins=6000)[0]
    assert np.quantile(counts, 0.75) / np.quantile(counts, 0.25) == pytest.approx(9.0, rel=0.1)


@pytest.mark.parametrize("law", LAWS)
def test_counts_follow_a_profile_after_the_ramp(law: Law) -> None:
    profile = ((0.0, 1.0), (2.0, 1.0), (6.0, 3.0), (6.0, 0.0), (8.0, 0.0), (8.0, 2.0))
    probes = [
        schedule(
            law, 400.0, 12.0, probe=probe, ramp_s=Seconds(2.0), ramp_from=Rate(0), profile=profile
        )
        for probe in range(300)
    ]
    counts = [np.histogram(p.times() / 1e9, bins=6, range=(0, 12))[0] for p in probes]
    expected = np.array([400, 1200, 2000, 0, 1600, 1600])
    error = np.std(counts, axis=0) / len(counts) ** 0.5
    assert (np.abs(np.mean(counts, axis=0) - expected) <= 4 * error + 1e-9).all()
    assert probes[0].expected_count == expected.sum()


def test_a_profile_warps_the_arrivals_it_would_have_had() -> None:
    profiled = schedule(POISSON, profile=((0.0, 0.5), (100.0, 1.5))).times() / 1e9
    plain = schedule(POISSON).times() / 1e9
    rising = 50 * profiled + profiled**2 / 2
    counted = np.where(profiled < 100, rising, 10_000 + 150 * (profiled - 100))
    assert counted[: len(plain)] == pytest.approx(100 * plain, abs=1e-5)


def test_a_profile_of_the_rate_itself_changes_no_time() -> None:
    flat = schedule(profile=((0.0, 1.0), (7.0, 1.0), (90.0, 1.0)))
    assert np.abs(flat.times() - schedule().times()).max() <= 1


@pytest.mark.parametrize("profile", [(), ((0.0, 1e-9), (1e12, 1e-9))])
def test_a_rate_at_which_nothing_comes_for_centuries_is_no_overflow(profile: Any) -> None:
    slow = schedule(rate=1e-9 if not profile else 1.0, duration_s=1e9, profile=profile)
    due_ns = slow._over_time().due_ns(np.array([0.5, 5.0, 500.0]))
    assert due_ns[0] == pytest.approx(5e17)
    assert due_ns[1:].tolist() == [2**62, 2**62]


def test_after_a_profile_that_ends_at_nothing_nothing_is_due() -> None:
    times = schedule(profile=((0.0, 1.0), (50.0, 0.0))).times() / 1e9
    assert 45 < times[-1] < 50
    assert len(times) == pytest.approx(2500, abs=200)


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (((1.0, 1.0),), "begins at 0s, not at 1s"),
        (((0.0, 1.0), (60.0, 1.0), (30.0, 2.0)), "30s comes after 60s"),
        (((0.0, 11.0),), "1100% at 0s must be from 0% to 1000%"),
        (((0.0, -0.1),), "-10% at 0s must be"),
        (((0.0, 0.0), (9.0, 0.0)), "sends nothing"),
        (((0.0, 1.0), (float("nan"), 1.0)), "nan"),
    ],
)
def test_what_is_no_profile_is_refused(profile: Any, says: str) -> None:
    with pytest.raises(ArrivalsError, match=says):
        schedule(profile=profile)


def test_recorded_times_are_replayed_at_the_rate_of_the_probe_and_again() -> None:
    since = np.cumsum(np.random.default_rng(1).exponential(3.0, 500))
    recorded = Recorded(since - since[0], None)
    law = Law("replay", times="f" * 64)
    times = schedule(law, rate=100.0, duration_s=20.0, recorded=recorded).times()
    found = np.diff(times[:500]) / 1e9
    again = np.diff(times[500:1000]) / 1e9
    assert found[: len(again)] == pytest.approx(again, abs=2e-9)
    gaps_s = np.sort(np.diff(since) / (since[-1] - since[0]) * 499 / 100)
    assert np.sort(found)[[10, 250, 490]] == pytest.approx(gaps_s[[10, 250, 490]], rel=0.05)
    assert len(times) == pytest.approx(2000, abs=100)


def test_a_replay_begins_where_the_seed_says_and_has_the_rate_from_the_first_instant_on() -> None:
    bunched = np.concatenate([1000.0 * k + np.arange(50.0) for k in range(10)])
    law = Law("replay", times="f" * 64)
    counts = [
        len(schedule(law, 2.0, 1.0, probe=probe, recorded=Recorded(bunched, None)).times())
        for probe in range(3000)
    ]
    error = np.std(counts) / len(counts) ** 0.5
    assert abs(np.mean(counts) - 2.0) <= 3 * error


def test_a_replay_without_its_times_is_refused() -> None:
    with pytest.raises(ArrivalsError, match="recorded times 'ffff' are not there"):
        schedule(Law("replay", times="ffff")).times()
