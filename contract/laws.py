"""Which arrival process does a goal name, and with which parameters?

    constant                             equal gaps
    poisson                              independent arrivals
    {gamma: {cv: 2}}                     gaps of that coefficient of variation
    {mmpp: {dispersion: 20, burst: 9}}   Poisson arrivals whose rate switches between two levels
    {replay: FILE}                       recorded times, at the rate of the probe
    {replay: FILE, speed: 1}             at their own rate, or so many times as fast

`dispersion` is the index of dispersion of counts over a long time (Poisson: 1), `burst` the high
rate over the low one. How the times come of it: `contract.gaps`, `contract.warp`,
`contract.recorded`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, cast, get_args

LawKind = Literal["constant", "poisson", "gamma", "mmpp", "replay"]

_OF_KIND = {
    "cv": "gamma",
    "dispersion": "mmpp",
    "burst": "mmpp",
    "times": "replay",
    "speed": "replay",
}
RANGES: dict[str, tuple[float, float]] = {
    "cv": (0.01, 10.0),
    "dispersion": (1.1, 10_000.0),
    "burst": (1.1, 1000.0),
    "speed": (0.001, 1000.0),
}
_FORMS = {
    "gamma": "{gamma: {cv: 2}}",
    "mmpp": "{mmpp: {dispersion: 20, burst: 9}}",
    "replay": "{replay: times.jsonl}",
}
_KNOWN = f"constant, poisson, {_FORMS['gamma']}, {_FORMS['mmpp']} or {_FORMS['replay']}"
_MMPP = ("dispersion", "burst")
_NEEDS = {"gamma": "a cv", "mmpp": "a dispersion and a burst", "replay": "recorded times"}


class ArrivalsError(ValueError):
    """An arrival process cannot be read or computed."""


@dataclass(frozen=True, slots=True)
class Law:
    """The law of the arrivals; what belongs to another kind keeps its default.

    `times` is the sha256 of the recorded times (a path where there are no artefacts), `speed` None
    where they are to come at the rate of the probe.
    """

    kind: LawKind
    cv: float = 1.0
    dispersion: float = 1.0
    burst: float = 1.0
    times: str = ""
    speed: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(LawKind):
            raise ArrivalsError(f"kind {self.kind!r} is not one of {', '.join(get_args(LawKind))}")
        for parameter in fields(self)[1:]:
            name, value = parameter.name, getattr(self, parameter.name)
            owner = _OF_KIND[name]
            if self.kind != owner and value != parameter.default:
                fix = f"write {_FORMS[owner]}".replace("cv: 2", f"cv: {value}")
                raise ArrivalsError(f"{self.kind} arrivals take no {name}: {fix}")
            if self.kind == owner and name in RANGES and value is not None:
                _check_range(name, value)
        if self.kind == "replay" and not self.times.strip():
            raise ArrivalsError(f"replay {self.times!r} must name a file: write {_FORMS['replay']}")

    @classmethod
    def parse(cls, value: str | Mapping[str, object]) -> Law:
        """Read what stands in a goal.

        Raises:
            ArrivalsError: anything else; the message names it and what would be right.
        """
        if isinstance(value, str) and value in ("constant", "poisson"):
            return cls("constant" if value == "constant" else "poisson")
        if isinstance(value, str) and value in _FORMS:
            raise ArrivalsError(f"arrivals {value!r} need {_NEEDS[value]}: write {_FORMS[value]}")
        law = _law_of(value) if isinstance(value, Mapping) else None
        if law is not None:
            return law
        shown = dict(value) if isinstance(value, Mapping) else value
        raise ArrivalsError(f"arrivals {shown!r} are not known: write {_KNOWN}")

    def as_value(self) -> str | dict[str, object]:
        """Give the value that `parse` reads back."""
        if self.kind == "gamma":
            return {"gamma": {"cv": self.cv}}
        if self.kind == "mmpp":
            return {"mmpp": {"dispersion": self.dispersion, "burst": self.burst}}
        if self.kind == "replay":
            own: dict[str, object] = {} if self.speed is None else {"speed": self.speed}
            return {"replay": self.times, **own}
        return self.kind

    @property
    def swing(self) -> float:
        """By which part of the mean the two rates of an mmpp lie above and below it."""
        return (self.burst - 1) / (self.burst + 1)

    @property
    def switches(self) -> float:
        """How often an mmpp leaves either rate, in switches per mean gap spent in it."""
        return self.swing**2 / (self.dispersion - 1)


def _law_of(value: Mapping[str, object]) -> Law | None:
    """The law that a mapping names; None where it has another form."""
    keys, options = set(value), next(iter(value.values()), None)
    if keys == {"gamma"} and isinstance(options, Mapping) and set(options) == {"cv"}:
        return Law("gamma", cv=_number("cv", options["cv"]))
    if keys == {"mmpp"} and isinstance(options, Mapping) and set(options) == set(_MMPP):
        dispersion, burst = (_number(name, options[name]) for name in _MMPP)
        return Law("mmpp", dispersion=dispersion, burst=burst)
    if "replay" in keys and keys <= {"replay", "speed"} and isinstance(value["replay"], str):
        speed = value.get("speed")
        own = None if speed is None else _number("speed", speed)
        return Law("replay", times=value["replay"], speed=own)
    return None


def _number(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    example = "2" if name == "cv" else "20" if name == "dispersion" else "1"
    raise ArrivalsError(f"{name} {value!r} must be a number, such as {example}")


def _check_range(name: str, value: object) -> None:
    least, most = RANGES[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and least <= cast("float", value) <= most):
        raise ArrivalsError(f"{name} {value!r} must be a number from {least:g} to {most:g}")
