"""Does a sim:// URL say what it names, and a wrong one what is wrong with it?"""

import numpy as np
import pytest

from controller.errors import GoalRefused
from controller.sim.address import parse
from tests.sim.serving import EVERY_FAMILY, TROUBLES

BATCH = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16"
FIFO = "sim://fifo?servers=8&mean=40ms&cv=0.6"


def refusals(url: str) -> dict[str, str]:
    with pytest.raises(GoalRefused) as caught:
        parse(url)
    return {fault.field: f"{fault.value} {fault.fix}" for fault in caught.value.faults}


def test_quantities_are_read_with_their_units() -> None:
    values = parse(f"{BATCH}&stall_every=25s&stall=0.4s&speed_noise=3%&queue_bound=9").values
    assert values["base"] == pytest.approx(0.020)
    assert values["per_item"] == pytest.approx(0.0025)
    assert (values["stall_every"], values["stall"]) == (25.0, 0.4)
    assert values["speed_noise"] == pytest.approx(0.03)
    assert values["queue_bound"] == 9


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_a_target_can_be_made_of_every_family(family: str) -> None:
    target = parse(EVERY_FAMILY[family] + TROUBLES).target(1)
    served = target.serve(np.arange(3), np.array([1.0, 1.1, 1.2]), 10.0)
    assert sorted(served.keys.tolist()) == [0, 1, 2]


def test_signed_percentages_words_and_numbers_are_read() -> None:
    url = f"{FIFO}&drift=-5%&step=+20%&step_at=200s&law=lognormal&slow=5s&slow_every=60s"
    values = parse(url + "&spells=random&slow_speed=50%").values
    assert [values["drift"], values["step"]] == pytest.approx([-0.05, 0.2])
    assert (values["law"], values["spells"], values["slow_speed"]) == (1, 1, 0.5)


def test_a_seed_in_the_url_wins_over_the_goals() -> None:
    sent_s = np.arange(50) / 100
    ends = [
        parse(url).target(seed).serve(np.arange(50), sent_s, 9.0).ends_s.tolist()
        for url, seed in ((f"{FIFO}&seed=0", 7), (f"{FIFO}&seed=0", 8), (FIFO, 8))
    ]
    assert ends[0] == ends[1] != ends[2]


@pytest.mark.parametrize(
    ("parameter", "value", "fix"),
    [
        ("base", "20", "such as 20ms"),
        ("per_item", "-1ms", "such as 2.5ms"),
        ("max_batch", "0", "whole number from 1"),
        ("max_batch", "1.5", "whole number from 1"),
        ("replicas", "2x", "whole number from 1"),
        ("queue_bound", "0", "whole number from 1"),
        ("warm_up_slowdown", "nan", "from 0.01 to 100"),
        ("speed_noise", "3", "such as 3%"),
        ("fail_ratio", "101%", "from 0% to 100%"),
        ("stall", "soon", "such as 0.4s"),
        ("seed", "-3", "whole number from 0"),
        ("spells", "often", "periodic, random"),
        ("drift", "-200%", "from -100% to 100%"),
        ("speed", "0%", "from 10% to 1000%"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_its_fix(
    parameter: str, value: str, fix: str
) -> None:
    given = {"base": "20ms", "per_item": "2.5ms", "max_batch": "16", parameter: value}
    query = "&".join(f"{name}={text}" for name, text in given.items())
    said = refusals(f"sim://batch?{query}")
    assert list(said) == [f"target: {parameter}"]
    assert value in said[f"target: {parameter}"]
    assert fix in said[f"target: {parameter}"]


def test_every_wrong_parameter_is_named_at_once() -> None:
    said = refusals("sim://fifo?servers=none&mean=40ms&cv=99&fruit=1")
    assert set(said) == {"target: servers", "target: cv", "target: fruit"}


def test_a_missing_parameter_is_named() -> None:
    assert set(refusals("sim://fifo")) == {"target: servers", "target: mean", "target: cv"}


def test_an_unknown_parameter_is_refused_with_the_nearest_known_one() -> None:
    assert "'max_batch'" in refusals(f"{BATCH}&max_bach=3")["target: max_bach"]


@pytest.mark.parametrize("url", ["sim://", "sim://bach?x=1", "http://127.0.0.1:1", "batch"])
def test_an_unknown_family_is_refused_with_the_known_ones(url: str) -> None:
    said = refusals(url)["target"]
    assert "sim://batch" in said
    assert "sim://fifo" in said


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("stall=1s", "target: stall_every"),
        ("stall_every=9s", "target: stall"),
        ("warm_up=9s", "target: warm_up_slowdown"),
        ("warm_up_slowdown=2", "target: warm_up"),
        ("stall=5s&stall_every=5s", "target: stall"),
        ("warm_up=9s&warm_up_tau=9s&warm_up_slowdown=2", "target: warm_up"),
        ("rewarm_after=9s", "target: warm_up"),
        ("slow=9s", "target: slow_every"),
        ("step_at=9s", "target: step"),
        ("skew=1", "target: copies"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(query: str, field: str) -> None:
    assert list(refusals(f"{BATCH}&{query}")) == [field]


def test_batches_that_take_no_time_are_refused() -> None:
    said = refusals("sim://batch?base=0ms&per_item=0ms&max_batch=16")
    assert "must take time" in said["target: base"]
