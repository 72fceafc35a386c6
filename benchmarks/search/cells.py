"""What exactly is asked of one search, and when is it the same question as before?

A cell is (family, disturbance, strategy, setting, seed). Its question is drawn around the truth, so
that no strategy is helped by round numbers:

    from = truth * U(0.02, 0.04)   to = truth * U(2.5, 7.5)   start guess = truth * U(0.04, 0.24)

The start guess is for strategies that want one, ours begins at `from`. Where the truth is to lie
outside, `to` is U(0.3, 0.6) of it, or `from` U(1.5, 3) of it and `to` as much higher. All strategies are asked the same.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass

from benchmarks.search.disturbances import Disturbance
from benchmarks.search.families import Described, Place, seed_of

VERSION = 1
"""Of what a cell means: another one makes every kept result stale."""

FROM, TO, GUESS = (0.02, 0.04), (2.5, 7.5), (0.04, 0.24)
TO_BELOW, FROM_ABOVE = (0.3, 0.6), (1.5, 3.0)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One search of the benchmark; `seed` counts from 1 and is not yet that of the family."""

    family: str
    disturbance: str
    strategy: str
    setting: str
    seed: int


@dataclass(frozen=True, slots=True)
class Known:
    """Of one target, in arrivals/s: the truths, and the standard error of the first.

    `strict` counts stalls: None where there are none, 0 where they alone spend the budget.
    """

    capacity: float
    error: float
    strict: float | None


@dataclass(frozen=True, slots=True)
class Question:
    """What a strategy is asked, and what it is not told. Rates in arrivals/s."""

    cell: Cell
    url: str
    slo: tuple[str, ...]
    low: float
    high: float
    guess: float
    seed: int
    budget_s: float
    cold: bool
    place: Place
    known: Known
    digest: str


def ask(
    cell: Cell, target: Described, troubled: Disturbance, known: Known, commit: str
) -> Question:
    """The question of a cell."""
    family = target.family
    seed = seed_of(family, commit, cell.seed)
    low, high, guess = _bounds(family.place, known.capacity, f"{family.name}/{seed}")
    return Question(
        cell=cell,
        url=troubled.searched(target.url),
        slo=target.slo,
        low=low,
        high=high,
        guess=guess,
        seed=seed,
        budget_s=family.budget_s,
        cold=troubled.cold,
        place=family.place,
        known=known,
        digest=digest_of(cell, target, troubled, commit),
    )


def digest_of(cell: Cell, target: Described, troubled: Disturbance, commit: str) -> str:
    """Equal for equal questions: a result with another one answered another question."""
    family = target.family
    asked = [VERSION, troubled.searched(target.url), target.slo, family.budget_s, family.place]
    whole = [*asked, troubled.tolerant(target.url), seed_of(family, commit, cell.seed)]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:12]


def _bounds(place: Place, truth: float, name: str) -> tuple[float, float, float]:
    chance = random.Random(name)  # seeded by text: the same on every machine
    low, high, guess = (truth * chance.uniform(*ends) for ends in (FROM, TO, GUESS))
    beyond = chance.uniform(*TO_BELOW), chance.uniform(*FROM_ABOVE)
    if place == "above":
        high = truth * beyond[0]
    elif place == "below":
        low, high = truth * beyond[1], high * beyond[1]
    return low, high, min(max(guess, low), high)
