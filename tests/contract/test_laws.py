"""Is a law read and written as it stands in a goal, and everything else refused with the fix?"""

from typing import Any

import pytest

from contract.laws import ArrivalsError, Law


@pytest.mark.parametrize(
    ("value", "law"),
    [
        ("constant", Law("constant")),
        ("poisson", Law("poisson")),
        ({"gamma": {"cv": 2}}, Law("gamma", 2.0)),
        ({"gamma": {"cv": 0.5}}, Law("gamma", 0.5)),
        (
            {"mmpp": {"dispersion": 20, "burst": 9}},
            Law("mmpp", dispersion=20.0, burst=9.0),
        ),
        ({"replay": "a.jsonl"}, Law("replay", times="a.jsonl")),
        ({"replay": "a.jsonl", "speed": 2}, Law("replay", times="a.jsonl", speed=2.0)),
    ],
)
def test_a_law_is_read_and_written_as_in_a_goal(value: Any, law: Law) -> None:
    assert Law.parse(value) == law
    assert Law.parse(law.as_value()) == law


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("uniform", "'uniform' are not known: write constant, poisson, {gamma"),
        (None, "None are not known"),
        (2, "write constant"),
        ({}, "write constant"),
        ({"gamma": 2}, "write constant"),
        ({"gamma": {"cv": 2, "shape": 1}}, "write constant"),
        ("gamma", "need a cv: write {gamma: {cv: 2}}"),
        ({"gamma": {"cv": "2"}}, "cv '2' must be a number"),
        ({"gamma": {"cv": True}}, "cv True must be a number"),
        ({"gamma": {"cv": 0}}, "cv 0.0 must be a number from 0.01 to 10"),
        ({"gamma": {"cv": float("nan")}}, "cv nan must be"),
        ("mmpp", "need a dispersion and a burst: write {mmpp: {dispersion: 20, burst: 9}}"),
        ({"mmpp": {"dispersion": 20}}, "write constant"),
        ({"mmpp": {"dispersion": "20", "burst": 9}}, "dispersion '20' must be a number"),
        ({"mmpp": {"dispersion": 1, "burst": 9}}, "dispersion 1.0 must be a number from 1.1 to"),
        ({"mmpp": {"dispersion": 20, "burst": 1}}, "burst 1.0 must be a number from 1.1 to 1000"),
        ("replay", "need recorded times: write {replay: times.jsonl}"),
        ({"replay": ""}, "replay '' must name a file"),
        ({"replay": 3}, "write constant"),
        ({"replay": "a", "speed": 0}, "speed 0.0 must be a number from 0.001 to 1000"),
        ({"replay": "a", "speed": "fast"}, "speed 'fast' must be a number"),
        ({"replay": "a", "pace": 1}, "write constant"),
    ],
)
def test_an_unknown_law_is_refused_with_the_fix(value: Any, fix: str) -> None:
    with pytest.raises(ArrivalsError) as refused:
        Law.parse(value)
    assert fix in str(refused.value)


def test_a_law_without_gamma_takes_no_cv() -> None:
    with pytest.raises(ArrivalsError, match="poisson arrivals take no cv"):
        Law("poisson", 2.0)
    with pytest.raises(ArrivalsError, match="kind 'uniform' is not one of"):
        Law("uniform")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"kind": "gamma", "burst": 2.0}, "gamma arrivals take no burst"),
        ({"kind": "constant", "times": "a"}, "constant arrivals take no times"),
        ({"kind": "mmpp", "dispersion": 20.0, "burst": 9.0, "speed": 1.0}, "take no speed"),
    ],
)
def test_a_parameter_of_another_law_is_refused(parameters: Any, says: str) -> None:
    with pytest.raises(ArrivalsError, match=says):
        Law(**parameters)
