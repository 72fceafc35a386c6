"""Does every family of simulated targets lose nothing, and behave as its theory says?"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sim.address import parse
from controller.sim.serving import joined
from controller.sim.target import FAILED, FINE, GIVEN_UP, LIMITED, TURNED_AWAY, Floats
from tests.sim.serving import BOUNDED, EVERY_FAMILY, TROUBLES, arrivals, in_order, served

UNBOUNDED = ("mm1", "autoscaler", "retry")


def url_of(family: str, *, troubled: bool) -> str:
    bounded = BOUNDED if troubled and family not in UNBOUNDED else ""
    return EVERY_FAMILY[family] + (TROUBLES if troubled else "") + bounded


@pytest.mark.parametrize("troubled", [False, True], ids=["clean", "troubled"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_requests_end_once_after_they_were_sent_however_time_is_cut(
    family: str, troubled: bool
) -> None:
    sent_s = arrivals(150.0, 3_000)
    sent_s[1_500:] += 5.0  # a rest, in which it gets cold again
    url = url_of(family, troubled=troubled)
    whole, cut = served(url, sent_s), served(url, sent_s, step_s=0.05)
    assert whole.keys.tolist() == cut.keys.tolist() == list(range(3_000))
    assert np.array_equal(whole.ends_s, cut.ends_s)
    assert np.array_equal(whole.errors, cut.errors)
    assert (whole.ends_s > sent_s).all()
    if whole.phases is not None:
        assert cut.phases is not None
        assert np.array_equal(whole.phases.firsts_s, cut.phases.firsts_s)
    if whole.replicas is not None:
        assert cut.replicas is not None
        assert np.array_equal(whole.replicas, cut.replicas)


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(sorted(EVERY_FAMILY)),
    troubled=st.booleans(),
    rate=st.floats(1.0, 400.0),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.floats(0.0, 1.0), max_size=12),
)
def test_nothing_is_lost_or_ends_before_it_begins(
    family: str, troubled: bool, rate: float, seed: int, cuts: list[float]
) -> None:
    sent_s = arrivals(rate, 120, seed % 1000)
    target = parse(url_of(family, troubled=troubled)).target(seed)
    edges = [*sorted(cut * float(sent_s[-1]) for cut in cuts), float(sent_s[-1]) + 3_000.0]
    parts, first = [], 0
    for edge in edges:
        after = int(np.searchsorted(sent_s, edge, side="right"))
        parts.append(target.serve(np.arange(first, after), sent_s[first:after], edge))
        first = after
    whole = in_order(joined(parts))
    assert whole.keys.tolist() == list(range(120))
    assert (whole.ends_s > sent_s).all()
    assert np.isfinite(whole.ends_s).all()
    assert target.next_end_s() == math.inf
    assert whole.replicas is None or set(whole.replicas) <= set(range(1, target.replicas + 1))


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_next_end_is_never_after_one_that_comes(family: str) -> None:
    target = parse(EVERY_FAMILY[family]).target(1)
    sent_s = arrivals(60.0, 40)
    target.serve(np.arange(40), sent_s, float(sent_s[-1]))
    for _ in range(200):
        if (next_s := target.next_end_s()) == math.inf:
            break
        before = target.serve(np.empty(0, dtype=np.int64), np.empty(0), next_s - 1e-6)
        assert len(before.keys) == 0
        target.serve(np.empty(0, dtype=np.int64), np.empty(0), next_s + 1e-6)
    assert target.next_end_s() == math.inf


def response_s(url: str, rate: float, count: int) -> Floats:
    sent_s = arrivals(rate, count)
    times: Floats = served(url, sent_s).ends_s - sent_s
    return times


@pytest.mark.parametrize("law", ["law=gamma&cv=0", "law=gamma&cv=1", "law=lognormal&cv=2"])
def test_the_mean_response_of_sharing_does_not_depend_on_the_law(law: str) -> None:
    times_s = response_s(f"sim://ps?mean=10ms&{law}", 60.0, 400_000)
    assert float(times_s.mean()) == pytest.approx(0.010 / (1 - 0.6), rel=0.04)


def test_a_lone_generation_takes_a_step_for_every_token() -> None:
    url = "sim://decode?cap=8&token=20ms&token_per_request=1ms&output=5&output_cv=0&prompt=200"
    seen = served(url + "&prompt_cv=0&prompts_per_step=100", np.array([1.0]))
    assert seen.phases is not None
    assert seen.phases.firsts_s.tolist() == [pytest.approx(1.0 + 3 * 0.021)]
    assert seen.phases.between_s.tolist() == [pytest.approx(0.021)]
    assert seen.ends_s.tolist() == [pytest.approx(1.0 + 7 * 0.021)]


def test_generations_slow_each_other_and_wait_beyond_the_cap() -> None:
    url = "sim://decode?cap=2&token=10ms&token_per_request=5ms&output=4&output_cv=0&prompt=1"
    seen = served(url + "&prompt_cv=0", np.array([0.0, 0.0, 0.0]))
    assert seen.ends_s.tolist() == [
        pytest.approx(0.1),
        pytest.approx(0.1),
        pytest.approx(0.1 + 5 * 0.015),
    ]


def test_a_heavy_tail_has_its_index() -> None:
    times_s = response_s("sim://pareto?servers=10000&mean=40ms&tail=2.2", 100.0, 200_000)
    far = [float((times_s > x).mean()) for x in (0.1, 0.2)]
    assert math.log(far[0] / far[1]) / math.log(2) == pytest.approx(2.2, rel=0.05)
    assert float(times_s.mean()) == pytest.approx(0.040, rel=0.02)


def test_heavy_payloads_are_as_many_and_as_long_as_asked() -> None:
    url = "sim://classes?servers=10000&mean=10ms&heavy_mean=1s&heavy_ratio=20%&cv=0"
    times_s = response_s(url, 100.0, 20_000)
    assert float((times_s > 0.5).mean()) == pytest.approx(0.2, rel=0.05)
    assert np.unique(np.round(times_s, 6)).tolist() == [0.01, 1.0]


def test_a_cache_is_hit_more_often_the_more_is_asked_of_it() -> None:
    url = "sim://cache?servers=1000&hit=10ms&miss=80ms&half=60&sharpness=2&cv=0"
    for rate, hits in ((30.0, 0.2), (60.0, 0.5), (180.0, 0.9)):
        times_s = response_s(url, rate, 20_000)[5_000:]
        assert float((times_s < 0.05).mean()) == pytest.approx(hits, abs=0.02)


def test_an_autoscaler_adds_replicas_after_a_minute_of_load_and_removes_them_in_calm() -> None:
    url = "sim://autoscaler?servers=4&mean=40ms&cv=0&most=3&up=70%&down=25%&after=60s"
    busy = np.arange(0.0, 300.0, 1 / 85.0)  # 85 % of one replica
    calm = np.arange(300.0, 600.0, 1 / 10.0)
    late = np.arange(600.0, 620.0, 1 / 210.0)  # too much for one again
    sent_s = np.concatenate((busy, calm, late))
    waits_s = served(url, sent_s).ends_s - sent_s - 0.040
    assert waits_s[(sent_s > 200) & (sent_s < 300)].max() < 1e-6
    early = served(url, np.arange(0.0, 55.0, 1 / 210.0))
    assert float(early.ends_s[-1] - 55.0) > 20.0  # nobody is added within the minute
    assert waits_s[-1] > 5.0  # by then it is one replica again


def test_a_limiter_refuses_what_is_over_its_rate() -> None:
    seen = served("sim://limiter?servers=100&mean=10ms&rate=100&burst=20", arrivals(150.0, 30_000))
    assert float((seen.errors == LIMITED).mean()) == pytest.approx(1 / 3, abs=0.01)
    calm = served("sim://limiter?servers=100&mean=10ms&rate=100&burst=20", arrivals(50.0, 30_000))
    assert (calm.errors == FINE).all()


def test_a_task_is_tried_until_it_is_answered_in_time_or_given_up() -> None:
    url = "sim://retry?servers=1&mean=300ms&cv=0&patience=500ms&backoff=100ms&attempts=2"
    seen = served(url, np.array([0.0, 0.01, 0.02]))
    assert seen.errors.tolist() == [FINE, GIVEN_UP, GIVEN_UP]
    assert seen.ends_s.tolist() == [
        pytest.approx(0.3),
        pytest.approx(0.01 + 0.6 + 0.5),
        pytest.approx(0.02 + 0.6 + 0.5),
    ]


def test_retries_keep_a_server_down_that_a_burst_has_brought_down() -> None:
    url = "sim://retry?servers=8&mean=40ms&cv=0.6&patience=300ms&attempts=4"
    calm = arrivals(130.0, 20_000)
    good = served(url, calm)
    assert float((good.errors == GIVEN_UP).mean()) < 1e-3
    burst = np.sort(np.concatenate((calm, np.linspace(30.0, 32.0, 1_500))))
    bad = served(url, burst)
    assert float((bad.errors[burst > 100.0] == GIVEN_UP).mean()) > 0.3


def test_copies_are_asked_in_proportion_and_name_themselves() -> None:
    seen = served("sim://mm1?mean=1ms&copies=3&skew=1", arrivals(100.0, 22_000))
    assert seen.replicas is not None
    counts = [int((seen.replicas == number).sum()) for number in (1, 2, 3)]
    assert counts == [pytest.approx(n, rel=0.05) for n in (12_000, 6_000, 4_000)]


def test_copies_stall_together_or_each_on_its_own() -> None:
    stalls = "&stall_every=5s&stall=1s&spells=random&copies=4&troubles="
    stalled = {}
    for troubles in ("shared", "own"):
        sent_s = arrivals(100.0, 20_000)
        seen = served("sim://mm1?mean=1ms" + stalls + troubles, sent_s)
        assert seen.replicas is not None
        late = seen.ends_s - sent_s > 0.2
        seconds = [set(sent_s[late & (seen.replicas == k)].astype(int)) for k in range(1, 5)]
        stalled[troubles] = [
            len(one & other) / len(one | other) for one, other in itertools.combinations(seconds, 2)
        ]
    assert min(stalled["shared"]) > 0.5 > max(stalled["own"])


def test_who_finds_no_room_is_turned_away_and_what_fails_is_a_part_of_the_rest() -> None:
    for family in sorted(set(EVERY_FAMILY) - set(UNBOUNDED) - {"copies", "limiter", "ps"}):
        errors = served(EVERY_FAMILY[family] + BOUNDED + "&fail_ratio=5%", arrivals(900, 6_000))
        away, failed = (float((errors.errors == kind).mean()) for kind in (TURNED_AWAY, FAILED))
        assert away > 0.1
        assert failed == pytest.approx(0.05 * (1 - away), rel=0.4)
