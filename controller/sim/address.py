"""Which simulated target does a sim:// URL name?

    sim://batch?base=20ms&per_item=2.5ms&max_batch=16
    sim://fifo?servers=8&mean=40ms&cv=0.6&speed_noise=3%&stall_every=25s&stall=0.4s

docs/simulated-targets.md has the families and what any of them takes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from controller.errors import Fault, GoalRefused
from controller.sim.families import FAMILIES, Described
from controller.sim.pace import Pace
from controller.sim.parameters import (
    CONDITIONS,
    PASSING,
    STALLING,
    Parameter,
    Values,
    conditions_of,
    contradictions,
)
from controller.sim.routing import Routed
from controller.sim.serving import SimulatedTarget
from controller.sim.target import Target
from controller.sim.traffic import TRAFFIC, Traffic


@dataclass(frozen=True, slots=True)
class Address:
    """A simulated target, described and checked, and the load that reaches it."""

    family: str
    values: Values
    traffic: Traffic = Traffic()  # noqa: RUF009 - frozen

    def target(self, seed: int) -> Target:
        """A fresh one; `seed` counts where the URL names none."""
        own, copies = self.values["seed"], int(self.values["copies"])
        seed = seed if own < 0 else int(own)
        if copies == 1:
            return self._one(seed, seed)
        share = self.values["troubles"] == 0
        seeds = [seed + number * 2**33 for number in range(copies)]
        members = [self._one(each, seed if share else each) for each in seeds]
        return Routed(members, self.values["skew"], seed)

    def lasting(self, at_s: float = 0.0, *, stalls: bool = True) -> Address:
        """What a long run meets: warm, drift and step as they are at `at_s`, maybe no stalls."""
        passing = [*PASSING, *(() if stalls and self.values["stall"] else STALLING)]
        usual = {name: CONDITIONS[name].default or 0.0 for name in passing}
        speed = conditions_of(self.values).lasting(at_s).speed
        return replace(self, values={**self.values, **usual, "speed": speed})

    def _one(self, seed: int, troubles: int) -> Target:
        conditions = conditions_of(self.values)
        pace = Pace(conditions, troubles)
        family = FAMILIES[self.family].make(self.values, seed, pace)
        return SimulatedTarget(family, pace, conditions.fail_ratio, seed)


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
    given = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
    faults = [_unknown(name, value, family) for name, value in given.items()]
    values: dict[str, float] = {}
    traffic: dict[str, float] = {}
    for parameters, into in ((family.parameters, values), (TRAFFIC, traffic)):
        for name, parameter in parameters.items():
            faults.append(_read(name, parameter, given, into))
    wrong = tuple(fault for fault in faults if fault is not None)
    wrong = wrong or (*contradictions(values, given), *family.check(values, given))
    if wrong:
        raise GoalRefused(wrong)
    load = Traffic(traffic["arrivals_cv"], traffic["arrivals_swing"], traffic["arrivals_swing_tau"])
    return Address(parts.netloc, values, load)


def _unknown(name: str, value: str, family: Described) -> Fault | None:
    every = (*family.parameters, *TRAFFIC)
    if name in every:
        return None
    near = difflib.get_close_matches(name, every, n=1)
    known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(every)}"
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
    value = parameter.value(text)
    if value is None:
        return Fault(f"target: {name}", repr(text), parameter.fix)
    values[name] = value
    return None
