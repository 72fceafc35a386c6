"""How are the parameters of a simulated target read, and which does every target take?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contract.units import UnitError, parse_duration, parse_ratio
from controller.errors import Fault
from controller.sim.profile import Conditions, Spells

Values = Mapping[str, float]

SHORTEST_S = 1e-6
ANY_SEED = -1.0
_SIGNED = re.compile(r"([+-]?)(\d+(?:\.\d+)?%)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameter:
    """How one parameter is read; `default` None: it must be given. `fix` is what would be right."""

    read: Callable[[str], float]
    fix: str
    least: float
    most: float
    default: float | None = None

    def value(self, text: str) -> float | None:
        """What is written, None when that is wrong."""
        try:
            value = self.read(text)
        except (UnitError, ValueError):
            return None
        return value if self.least <= value <= self.most else None


def whole(least: int, default: float | None, example: str, most: int = 1_000_000) -> Parameter:
    fix = f"write a whole number from {least} to {most}, such as {example}"
    return Parameter(int, fix, least, most, default)


def duration(least_s: float, default: float | None, example: str) -> Parameter:
    above = " above 0" if least_s else ""
    fix = f"write a duration{above} up to 1h, such as {example}"
    return Parameter(parse_duration, fix, least_s, 3600.0, default)


def ratio(example: str, most: float = 1.0, least: float = 0.0, default: float = 0.0) -> Parameter:
    fix = f"write a percentage from {least:.0%} to {most:.0%}, such as {example}"
    return Parameter(_percentage, fix, least, most, default)


def number(least: float, most: float, default: float | None, example: str) -> Parameter:
    fix = f"write a number from {least:g} to {most:g}, such as {example}"
    return Parameter(float, fix, least, most, default)


def word(*words: str) -> Parameter:
    """One of some words, read as its place among them; the first where none is written."""
    fix = f"write one of {', '.join(words)}"
    return Parameter(words.index, fix, 0, len(words) - 1, 0)


def _percentage(text: str) -> float:
    signed = _SIGNED.fullmatch(text.strip())
    if signed is None:
        return parse_ratio(text)  # which says what is wrong
    size = float(signed[2].rstrip("%")) / 100
    return -size if signed[1] == "-" else size


QUEUE_BOUND: Mapping[str, Parameter] = {"queue_bound": whole(1, 0, "24")}

CONDITIONS: Mapping[str, Parameter] = {
    "warm_up_slowdown": number(0.01, 100.0, 1.0, "4"),
    "warm_up_amplitude": ratio("50%", most=0.99),
    "warm_up": duration(0.0, 0.0, "30s"),
    "warm_up_tau": duration(0.0, 0.0, "40s"),
    "rewarm_after": duration(0.0, 0.0, "60s"),
    "stall_every": duration(SHORTEST_S, 0.0, "25s"),
    "stall": duration(0.0, 0.0, "0.4s"),
    "stall_speed": ratio("2%", most=0.5),
    "slow_every": duration(SHORTEST_S, 0.0, "60s"),
    "slow": duration(0.0, 0.0, "5s"),
    "slow_speed": ratio("50%", least=0.01, default=0.5),
    "spells": word("periodic", "random"),
    "speed_noise": ratio("3%", most=0.5),
    "speed_noise_tau": duration(0.1, 20.0, "20s"),
    "drift": ratio("-5%", most=1.0, least=-1.0),
    "step": ratio("-20%", most=4.0, least=-0.8),
    "step_at": duration(0.0, 0.0, "200s"),
    "speed": ratio("110%", most=10.0, least=0.1, default=1.0),
    "fail_ratio": ratio("0.1%"),
    "copies": whole(1, 1, "4", most=1000),
    "skew": number(0.0, 10.0, 0.0, "0.5"),
    "troubles": word("shared", "own"),
    "seed": whole(0, ANY_SEED, "1", most=2**31),
}

PASSING = (
    "warm_up_slowdown",
    "warm_up_amplitude",
    "warm_up",
    "warm_up_tau",
    "rewarm_after",
    "drift",
    "step",
    "step_at",
)
"""Those that a long run does not know."""
STALLING = ("stall_every", "stall", "stall_speed")

_NEED = (
    ("stall", ("stall_every",), "25s"),
    ("stall_every", ("stall",), "0.4s"),
    ("stall_speed", ("stall",), "0.4s"),
    ("slow", ("slow_every",), "60s"),
    ("slow_every", ("slow",), "5s"),
    ("slow_speed", ("slow",), "5s"),
    ("warm_up", ("warm_up_slowdown", "warm_up_amplitude"), "4"),
    ("warm_up_tau", ("warm_up_slowdown", "warm_up_amplitude"), "4"),
    ("warm_up_slowdown", ("warm_up", "warm_up_tau"), "30s"),
    ("warm_up_amplitude", ("warm_up", "warm_up_tau"), "30s"),
    ("rewarm_after", ("warm_up", "warm_up_tau"), "30s"),
    ("speed_noise_tau", ("speed_noise",), "3%"),
    ("step_at", ("step",), "-20%"),
    ("skew", ("copies",), "4"),
    ("troubles", ("copies",), "4"),
)
_EXCLUDE = (("warm_up", "warm_up_tau"), ("warm_up_slowdown", "warm_up_amplitude"))


def contradictions(values: Values, given: Mapping[str, str]) -> tuple[Fault, ...]:
    """What is wrong with the conditions, though every one of them can be read."""
    faults = []
    for one, others, example in _NEED:
        if one in given and not any(other in given for other in others):
            fix = f"{one} needs it: {example}"
            faults.append(Fault(f"target: {others[0]}", "missing", fix))
    for one, other in _EXCLUDE:
        if one in given and other in given:
            fix = f"{other} says the same another way: write one of them"
            faults.append(Fault(f"target: {one}", repr(given[one]), fix))
    if not faults and values["stall"] and values["stall"] >= values["stall_every"]:
        fix = f"write less than stall_every, {given['stall_every']}"
        faults.append(Fault("target: stall", repr(given["stall"]), fix))
    return tuple(faults)


def conditions_of(values: Values) -> Conditions:
    """The conditions that a URL's parameters describe."""
    at_random = values["spells"] == 1
    amplitude = values["warm_up_amplitude"]
    return Conditions(
        slowdown=1.0 / (1.0 - amplitude) if amplitude else values["warm_up_slowdown"],
        warm_up_s=values["warm_up"],
        warm_up_tau_s=values["warm_up_tau"],
        rewarm_after_s=values["rewarm_after"],
        stalls=Spells(values["stall_every"], values["stall"], values["stall_speed"], at_random),
        slow=Spells(values["slow_every"], values["slow"], values["slow_speed"], at_random),
        speed_noise=values["speed_noise"],
        noise_s=values["speed_noise_tau"],
        drift=values["drift"],
        step=values["step"],
        step_at_s=values["step_at"],
        speed=values["speed"],
        fail_ratio=values["fail_ratio"],
    )
