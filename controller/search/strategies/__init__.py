"""Ways to choose rates; every one is a frozen value with `observe` and `ask`."""

from __future__ import annotations

from controller.search.goal import Goal
from controller.search.strategies.bayes import Bayes
from controller.search.strategies.binary import Binary
from controller.search.strategies.external import External
from controller.search.strategies.soak import Soak
from controller.search.strategies.sweep import Sweep
from controller.search.strategies.vanguard import Vanguard
from controller.search.strategy import Strategy


def strategy_of(goal: Goal) -> Strategy:
    """The strategy that the goal names, knowing nothing yet."""
    match goal.strategy:
        case "bayes":
            return Bayes.knowing_nothing(goal)
        case "binary":
            return Binary(goal, goal.low)
        case "sweep":
            return Sweep(goal)
        case "vanguard":
            return Vanguard.knowing_nothing(goal)
        case "soak":
            return Soak.knowing_nothing(goal)
        case "external":
            return External(goal)
