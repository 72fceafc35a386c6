"""Is the benchmark the same for everybody, and family B nobody's to choose?"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search.cells import Cell, Known, ask
from benchmarks.search.disturbances import COLUMNS, DISTURBANCES
from benchmarks.search.families import (
    FAMILIES,
    FROZEN,
    describe,
    frozen,
    seed_of,
)
from benchmarks.search.plan import SIZES, Narrowed, PlanError, plan
from contract.objectives import parse_objective
from controller.sim.address import parse

COMMIT, OTHER = "254b033004", "0123456789"
HELD_OUT = [name for name, family in FAMILIES.items() if family.group == "B"]


def test_family_b_is_a_function_of_the_commit_alone() -> None:
    assert describe(FAMILIES["mm1"], COMMIT).url == "sim://mm1?mean=9.12ms"
    for name in HELD_OUT:
        family = FAMILIES[name]
        assert describe(family, COMMIT) == describe(family, COMMIT)
        assert describe(family, COMMIT) != describe(family, OTHER)
        assert seed_of(family, COMMIT, 1) != seed_of(family, OTHER, 1)
        assert seed_of(family, COMMIT, 1) != seed_of(family, COMMIT, 2)


def test_family_a_does_not_depend_on_the_commit() -> None:
    for name in set(FAMILIES) - set(HELD_OUT):
        family = FAMILIES[name]
        assert describe(family, COMMIT) == describe(family, OTHER)
        assert seed_of(family, COMMIT, 7) == 7


def test_drawn_parameters_lie_within_their_spread() -> None:
    for name in HELD_OUT:
        for parameter in FAMILIES[name].drawn.values():
            for place in range(50):
                text = parameter.text(str(place)).removesuffix(parameter.unit)
                ratio = float(text) / parameter.nominal
                tolerance = 1.01 if not parameter.whole else 1 + 0.51 / parameter.nominal
                assert 1 / (parameter.spread * tolerance) <= ratio
                assert ratio <= parameter.spread * tolerance


def test_every_objective_can_be_read_whatever_is_drawn() -> None:
    for commit in (COMMIT, OTHER):
        for family in FAMILIES.values():
            for line in describe(family, commit).slo:
                assert parse_objective(line).budget > 0


def test_the_frozen_commit_is_one_and_a_wrong_file_is_refused(tmp_path: Path) -> None:
    assert len(frozen(FROZEN).commit) == 40
    wrong = tmp_path / "frozen.txt"
    wrong.write_text("yesterday\n")
    with pytest.raises(ValueError, match="a commit and its date"):
        frozen(wrong)


@pytest.mark.parametrize("place", ["inside", "above", "below"])
def test_questions_are_drawn_around_the_truth(place: str) -> None:
    name = {"inside": "fifo", "above": "above", "below": "below"}[place]
    target, known = describe(FAMILIES[name], COMMIT), Known(200.0, 0.1, None)
    cells = [Cell(name, "clean", "bayes", "default", seed) for seed in range(1, 101)]
    asked = [ask(cell, target, COLUMNS["clean"], known, COMMIT) for cell in cells]
    for question in asked:
        assert question.low <= question.guess <= question.high
        assert question.low < question.high
        assert (question.low > 200.0) == (place == "below")
        assert (question.high < 200.0) == (place == "above")
    if place == "inside":
        assert all(0.02 <= question.low / 200.0 <= 0.04 for question in asked)
        assert all(2.5 <= question.high / 200.0 <= 7.5 for question in asked)
        assert len({question.low for question in asked}) == 100


def test_strategies_are_asked_the_same_and_other_targets_something_else() -> None:
    target, known = describe(FAMILIES["fifo"], COMMIT), Known(200.0, 0.1, None)
    one, other = (
        ask(Cell("fifo", "clean", name, "default", 3), target, COLUMNS["clean"], known, COMMIT)
        for name in ("bayes", "vidur")
    )
    assert (one.low, one.high, one.guess, one.seed) == (other.low, other.high, other.guess, 3)
    assert one.digest == other.digest
    noisy = ask(Cell("fifo", "ou3", "bayes", "default", 3), target, COLUMNS["ou3"], known, COMMIT)
    assert noisy.digest != one.digest


def test_stalls_are_in_the_strict_truth_and_cold_starts_in_none() -> None:
    troubled = COLUMNS["all"]
    assert "stall" not in troubled.tolerant("sim://x?y=1")
    assert "stall" in troubled.strict("sim://x?y=1")
    assert "warm_up" not in troubled.strict("sim://x?y=1")
    assert "warm_up" in troubled.searched("sim://x?y=1")
    assert "speed_noise" in troubled.tolerant("sim://x?y=1")


def test_a_plan_goes_through_all_cells_before_it_repeats_one() -> None:
    cells = plan(SIZES["small"], Narrowed(seeds=3))
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert len(set(cells)) == len(cells)


def test_the_whole_benchmark_has_the_searches_that_were_promised() -> None:
    cells = plan(SIZES["full"], Narrowed())
    default = [cell for cell in cells if cell.setting == "default"]
    assert {cell.family for cell in default} == set(FAMILIES)
    assert {cell.disturbance for cell in default} == set(COLUMNS)
    counts = {
        strategy: sum(c.strategy == strategy for c in default) / len(FAMILIES) / len(COLUMNS)
        for strategy in {cell.strategy for cell in default}
    }
    assert counts["bayes"] == 200
    assert sorted(counts.values())[-6:] == [200] * 6
    assert min(counts.values()) == 40


def test_a_name_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(PlanError, match="family 'fif' is not known: known are fifo, batch"):
        plan(SIZES["full"], Narrowed(families=("fif",)))


def test_scenarios_have_names_of_their_own() -> None:
    assert all(name == troubled.name for name, troubled in DISTURBANCES.items())
    assert len(DISTURBANCES) > len(COLUMNS)


def test_every_target_can_be_simulated_whatever_is_drawn_and_troubles_it() -> None:
    for commit in (COMMIT, OTHER):
        for family in FAMILIES.values():
            url = describe(family, commit).url
            for troubled in DISTURBANCES.values():
                for whole in (troubled.searched(url), troubled.tolerant(url), troubled.strict(url)):
                    assert parse(whole).family
