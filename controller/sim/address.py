"""Which simulated target does a sim:// URL name?

    sim://batch?base=20ms&per_item=2.5ms&max_batch=16
    sim://fifo?servers=8&mean=40ms&cv=0.6

Any of them takes the troubles too: warm_up_slowdown=4&warm_up=30s, stall_every=25s&stall=0.4s,
speed_noise=3%, fail_ratio=0.1%, queue_bound=24, seed=1.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from contract.units import UnitError, parse_duration, parse_ratio
from controller.errors import Fault, GoalRefused
from controller.sim.batch import Batches, Batching
from controller.sim.fifo import Fifo
from controller.sim.laws import Law
from controller.sim.pace import Pace
from controller.sim.profile import Conditions, Spells
from controller.sim.serving import Family, SimulatedTarget
from controller.sim.target import Target

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Parameter:
    """How one parameter is read; `default` None: it must be given. `fix` is what would be right."""

    read: Callable[[str], float]
    fix: str
    least: float
    most: float
    default: float | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """A kind of target: what it is described by, and how it is made of that and a seed."""

    parameters: Mapping[str, Parameter]
    make: Callable[[Values, int], Target]


@dataclass(frozen=True, slots=True)
class Address:
    """A simulated target, described and checked."""

    family: str
    values: Values

    def target(self, seed: int) -> Target:
        """A fresh one; `seed` counts where the URL names none."""
        own = self.values["seed"]
        return FAMILIES[self.family].make(self.values, seed if own < 0 else int(own))


def parse(url: str) -> Address:
    """Read a sim:// URL.

    Raises:
        GoalRefused: one fault per wrong parameter.
    """
    parts = urlsplit(url)
    family = FAMILIES.get(parts.netloc)
    if parts.scheme != "sim" or family is None or parts.path not in ("", "/"):
        known = ", ".join(f"sim://{name}?…" for name in FAMILIES)
        raise GoalRefused((Fault("target", repr(url), f"write one of {known}"),))
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    faults = [_unknown(name, value, family) for name, value in given.items()]
    values: dict[str, float] = {}
    for name, parameter in family.parameters.items():
        fault = _read(name, parameter, given, values)
        faults.append(fault)
    wrong = tuple(fault for fault in faults if fault is not None)
    wrong = wrong or _contradictions(values, given)
    if wrong:
        raise GoalRefused(wrong)
    return Address(parts.netloc, values)


def _unknown(name: str, value: str, family: Described) -> Fault | None:
    if name in family.parameters:
        return None
    near = difflib.get_close_matches(name, family.parameters, n=1)
    known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(family.parameters)}"
    return Fault(f"target: {name}", repr(value), f"there is no such parameter: {known}")


def _read(
    name: str, parameter: Parameter, given: Mapping[str, str], values: dict[str, float]
) -> Fault | None:
    text = given.get(name)
    if text is None:
        if parameter.default is None:
            return Fault(f"target: {name}", "missing", parameter.fix)
        values[name] = parameter.default
        return None
    try:
        value = parameter.read(text)
    except (UnitError, ValueError):
        return Fault(f"target: {name}", repr(text), parameter.fix)
    if not parameter.least <= value <= parameter.most:
        return Fault(f"target: {name}", repr(text), parameter.fix)
    values[name] = value
    return None


def _contradictions(values: Values, given: Mapping[str, str]) -> tuple[Fault, ...]:
    faults = []
    for one, other, example in (
        ("stall", "stall_every", "25s"),
        ("stall_every", "stall", "0.4s"),
        ("warm_up", "warm_up_slowdown", "4"),
        ("warm_up_slowdown", "warm_up", "30s"),
    ):
        if one in given and other not in given:
            faults.append(Fault(f"target: {other}", "missing", f"{one} needs it: {example}"))
    if not faults and values["stall"] and values["stall"] >= values["stall_every"]:
        fix = f"write less than stall_every, {given['stall_every']}"
        faults.append(Fault("target: stall", repr(given["stall"]), fix))
    if values.get("base", 1.0) + values.get("per_item", 0.0) <= 0:
        fix = "a batch must take time: write base or per_item above 0, such as 20ms"
        faults.append(Fault("target: base", repr(given["base"]), fix))
    return tuple(faults)


def _whole(least: int, default: float | None, example: str, most: int = 1_000_000) -> Parameter:
    fix = f"write a whole number from {least} to {most}, such as {example}"
    return Parameter(int, fix, least, most, default)


def _duration(least_s: float, default: float | None, example: str) -> Parameter:
    above = " above 0" if least_s else ""
    fix = f"write a duration{above} up to 1h, such as {example}"
    return Parameter(parse_duration, fix, least_s, 3600.0, default)


def _ratio(example: str, most: float) -> Parameter:
    fix = f"write a percentage from 0% to {most:.0%}, such as {example}"
    return Parameter(parse_ratio, fix, 0.0, most, 0.0)


def _number(least: float, most: float, default: float | None, example: str) -> Parameter:
    fix = f"write a number from {least:g} to {most:g}, such as {example}"
    return Parameter(float, fix, least, most, default)


_SHORTEST_S = 1e-6
_ANY_SEED = -1.0
_CONDITIONS: Mapping[str, Parameter] = {
    "queue_bound": _whole(1, 0, "24"),
    "warm_up_slowdown": _number(0.01, 100.0, 1.0, "4"),
    "warm_up": _duration(0.0, 0.0, "30s"),
    "stall_every": _duration(_SHORTEST_S, 0.0, "25s"),
    "stall": _duration(0.0, 0.0, "0.4s"),
    "speed_noise": _ratio("3%", 0.5),
    "fail_ratio": _ratio("0.1%", 1.0),
    "seed": _whole(0, _ANY_SEED, "1", most=2**31),
}


def _conditions(values: Values) -> Conditions:
    return Conditions(
        slowdown=values["warm_up_slowdown"],
        warm_up_s=values["warm_up"],
        stalls=Spells(values["stall_every"], values["stall"]),
        speed_noise=values["speed_noise"],
        fail_ratio=values["fail_ratio"],
    )


def _batch(values: Values, seed: int) -> Target:
    shape = Batching(
        base_s=values["base"],
        per_item_s=values["per_item"],
        max_batch=int(values["max_batch"]),
        replicas=int(values["replicas"]),
        queue_bound=int(values["queue_bound"]),
    )
    return _target(Batches(shape, seed), values, seed)


def _fifo(values: Values, seed: int) -> Target:
    takes = Law(values["mean"], values["cv"]).draws(seed)
    return _target(Fifo(int(values["servers"]), int(values["queue_bound"]), takes), values, seed)


def _target(family: Family, values: Values, seed: int) -> Target:
    conditions = _conditions(values)
    return SimulatedTarget(family, Pace(conditions, seed), conditions.fail_ratio, seed)


FAMILIES: Mapping[str, Described] = {
    "batch": Described(
        {
            "base": _duration(0.0, None, "20ms"),
            "per_item": _duration(0.0, None, "2.5ms"),
            "max_batch": _whole(1, None, "16"),
            "replicas": _whole(1, 1, "2", most=1000),
            **_CONDITIONS,
        },
        _batch,
    ),
    "fifo": Described(
        {
            "servers": _whole(1, None, "8", most=10_000),
            "mean": _duration(_SHORTEST_S, None, "40ms"),
            "cv": _number(0.0, 10.0, None, "0.6"),
            **_CONDITIONS,
        },
        _fifo,
    ),
}
